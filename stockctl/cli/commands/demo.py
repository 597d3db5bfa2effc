"""demo: the whole pipeline on real quotes, without configuration, account or network."""

import shlex
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import stockctl
from stockctl.cli.errors import INTERRUPTED
from stockctl.cli.output.alerts import AlertLines, alert_columns, alert_rows
from stockctl.cli.output.columns import mover_columns
from stockctl.cli.output.messages import print_message
from stockctl.cli.output.summary import summarize
from stockctl.cli.output.tables import Format, write, write_table
from stockctl.cli.registration import add_command
from stockctl.cli.run.progress import progress
from stockctl.cli.run.signals import stop_signals
from stockctl.market.alert import Alert
from stockctl.market.indicators import CROSSINGS

if TYPE_CHECKING:
    from stockctl.backends.base import Backend

_QUOTES = Path(stockctl.__file__).parent / "demo" / "daily_2008_2009.csv"
_SHOWN_ROWS = 5


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    add_command(app, "demo", demo, "stockctl demo", "stockctl demo --keep")


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder.")] = False,
) -> None:
    """Run the whole pipeline on real closing prices of 2008 and 2009; needs no account or network."""
    home = Path(tempfile.mkdtemp(prefix="stockctl-demo-"))
    try:
        _run(home)
    finally:
        if not keep:
            shutil.rmtree(home)
    _print_next_steps(home, keep=keep)


def _run(home: Path) -> None:
    from stockctl.backends.factory import open_backend
    from stockctl.config.schema import Settings

    backend = open_backend(Settings.model_validate({"local": {"path": home}}))
    print_message(f"1. Create a data folder in {home}")
    backend.prepare()
    print_message("2. Replay the daily closing prices of AAPL, GOOG, IBM and MSFT, July 2008 to March 2009")
    _replay(backend)
    print_message("3. Results")
    _report(backend)


def _replay(backend: "Backend") -> None:
    from stockctl.producer.producer import DirectProducer
    from stockctl.sources.replay.source import ReplaySource

    source = ReplaySource([str(_QUOTES)])
    lines = AlertLines(Format.TABLE)
    with backend.stream() as sink, progress(source, lines) as observe, stop_signals() as signals:
        totals = DirectProducer(source, sink, observe=observe).run(signals.stop)
    summarize(totals)
    if signals.stop.is_set():
        raise typer.Exit(INTERRUPTED if signals.interrupted else 0)


def _report(backend: "Backend") -> None:
    from stockctl.sql.catalog import predefined_query

    movers = backend.warehouse().query(predefined_query("top-movers").sql, ("percent", "both", 0))
    write("\nTop movers: last close against the previous close")
    write_table([dict(zip(movers.columns, row, strict=True)) for row in movers.rows], mover_columns())
    with backend.alerts() as reader:
        anomalies = sorted(reader.recent(kinds=["anomaly"]), key=_absolute_change, reverse=True)
        crossings = reader.recent(kinds=CROSSINGS, limit=_SHOWN_ROWS)
    largest = anomalies[:_SHOWN_ROWS]
    write(f"\nThe {len(largest)} largest of {len(anomalies)} anomalies")
    write_table(alert_rows(largest), alert_columns())
    write("\nLatest crossings")
    write_table(alert_rows(crossings), alert_columns())


def _absolute_change(alert: Alert) -> Decimal:
    return abs(alert.change_percent or Decimal(0))


def _print_next_steps(home: Path, *, keep: bool) -> None:
    write("")
    if keep:
        setting = f"STOCKCTL_TARGET=local STOCKCTL_LOCAL__PATH={shlex.quote(str(home))}"
        print_message(f"The data folder was kept: {home}. Commands to explore it:")
        for command in ("status", "query history MSFT", "query anomalies", "alerts list", "teardown"):
            print_message(f"  {setting} stockctl {command}")
        return
    print_message("Next steps")
    print_message("  stockctl demo --keep                     run it again and keep the data folder")
    print_message("  stockctl stream --symbols AAPL,MSFT      stream live quotes from Yahoo")
    print_message("  stockctl alerts tail                     in another terminal: see alerts as they happen")
    print_message("  stockctl query top-movers                query the archived quotes with SQL")
    print_message("  stockctl stream --file quotes.csv        replay a file of your own")
