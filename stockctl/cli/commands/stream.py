"""stream: quotes from a source through the pipeline."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stockctl.cli.commands.symbol_reload import symbol_reload
from stockctl.cli.errors import FAILED, INTERRUPTED
from stockctl.cli.options import parse_symbols, settings_and_backend
from stockctl.cli.output.alerts import AlertLines
from stockctl.cli.output.messages import pluralize, print_message
from stockctl.cli.output.summary import print_backlog, print_drops, summarize
from stockctl.cli.output.tables import Format, Output
from stockctl.cli.registration import add_command
from stockctl.cli.run.progress import activity
from stockctl.cli.run.signals import ForcedStop, exit_code, reload_signal, stop_signals
from stockctl.errors import StockctlError, UsageError
from stockctl.market.rules import MarketClosedPolicy
from stockctl.producer.outbox.paths import outbox_path

if TYPE_CHECKING:
    from stockctl.backends.base import Backend
    from stockctl.cli.run.monitor import RunMonitor
    from stockctl.config.schema import Settings
    from stockctl.producer.producer import BufferedProducer, DirectProducer
    from stockctl.sources.price_store import SqlitePriceStore

_INPUT, _REPLAY, _LIVE, _OPERATION = "Input", "Replay and simulation", "Live sources", "Operation"
_FORCED_STOP = "Stopped at once by a second signal"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    add_command(
        app,
        "stream",
        stream,
        "stockctl stream --symbols AAPL,MSFT",
        "stockctl stream --file quotes.csv --speed 60",
    )


def stream(
    ctx: typer.Context,
    *,
    symbols: Annotated[
        str | None,
        typer.Option(
            "--symbols",
            "-s",
            metavar="SYMBOLS",
            help="Symbols, such as AAPL,MSFT.",
            show_default="as configured; for replay, all in the files",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="yahoo, yahoo-live, replay, simulate, ndjson, or a source of another package.",
            show_default="replay with --file, else as configured",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="(replay) CSV, NDJSON (both optionally gzipped) or Parquet file; can be repeated. "
            "(ndjson) One NDJSON file. Use - for stdin.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Stop after this many quotes; 0 means no limit.", rich_help_panel=_INPUT
        ),
    ] = 0,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="(ndjson) At the end of the file, wait for new lines (like tail -f).",
            rich_help_panel=_LIVE,
        ),
    ] = False,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help="(replay, ndjson) Time zone of timestamps without a time zone.",
            show_default="America/New_York",
            rich_help_panel=_REPLAY,
        ),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="(yahoo, yahoo-live) Time between polls.",
            show_default="30, or as configured",
            rich_help_panel=_LIVE,
        ),
    ] = None,
    when_closed: Annotated[
        MarketClosedPolicy | None,
        typer.Option(
            metavar="|".join(MarketClosedPolicy),
            help="(sources with market hours) What to do while the markets are closed.",
            show_default="wait, or as configured",
            rich_help_panel=_LIVE,
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="(yahoo) Poll once, then stop.", rich_help_panel=_LIVE)
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            min=0,
            help="(replay, simulate) Speed relative to real time, such as 60; 0 is as fast as possible.",
            rich_help_panel=_REPLAY,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="(simulate) The same seed gives the same quotes.", rich_help_panel=_REPLAY
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="(simulate) Time of the first quote.", rich_help_panel=_REPLAY),
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="How long to continue delivering queued quotes after the first Ctrl-C or SIGTERM.",
            rich_help_panel=_OPERATION,
        ),
    ] = 10.0,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65535,
            help="Serve Prometheus metrics on 127.0.0.1; 0 picks a free port.",
            rich_help_panel=_OPERATION,
        ),
    ] = None,
    health_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Health file for a supervisor: updated every 10 s while the stream is healthy.",
            rich_help_panel=_OPERATION,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Do not print alerts.", rich_help_panel=_OPERATION),
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Send quotes through the pipeline; prints alerts to stdout, everything else to stderr."""
    from stockctl.cli.run.monitor import MonitorOptions, RunMonitor
    from stockctl.monitoring.periodic import PeriodicJob
    from stockctl.sources.price_store import FLUSH_SECONDS, SqlitePriceStore
    from stockctl.sources.registry import SourceOptions, create_source

    if health_file is not None and health_file.is_dir():
        raise UsageError(f"--health-file = '{health_file}' cannot be used: it is a folder.", "Name a file.")
    settings, backend = settings_and_backend(ctx)
    options = SourceOptions(
        name=source,
        symbols=parse_symbols(symbols),
        files=file or (),
        follow=follow,
        timezone=timezone,
        interval=interval,
        when_closed=when_closed,
        once=once,
        speed=speed,
        seed=seed,
        start=start,
    )
    prices = SqlitePriceStore(outbox_path(settings))
    with activity() as report:
        chosen = create_source(options, settings, report, prices)
    if backend.prepare():
        print_message(f"Created a data folder in {backend.location}.")
    monitoring = MonitorOptions(
        metrics_port, health_file, None if chosen.repeatable else outbox_path(settings)
    )
    jobs = [PeriodicJob(FLUSH_SECONDS, prices.flush)]
    monitor = RunMonitor(chosen, None if quiet else AlertLines(output), monitoring, jobs)
    reload = symbol_reload(
        ctx, chosen, monitor.instrumentation.latest_quotes.retain, given=symbols is not None
    )
    code = _run(_RunOptions(settings, backend, prices, limit, grace, reload), monitor)
    if code:
        raise typer.Exit(code)


class _RunOptions(NamedTuple):
    """The backend and the limits of a run, and the action for SIGHUP."""

    settings: "Settings"
    backend: "Backend"
    prices: "SqlitePriceStore"
    limit: int
    grace: float
    reload: Callable[[], None]


def _run(options: _RunOptions, monitor: "RunMonitor") -> int:
    from stockctl.sources.base import source_status

    with (
        stop_signals() as signals,
        reload_signal(options.reload, signals),
        monitor.nonblocking_output(signals.stop.set),
        _open_producer(options, monitor) as producer,
    ):
        if not monitor.instrumentation.source.repeatable:
            signals.force_stop = partial(_stop_at_once, producer, monitor)
        try:
            with monitor.monitoring(producer):
                producer.run(signals.stop)
        except StockctlError:
            print_drops(producer)
            print_backlog(producer)
            raise
        except ForcedStop:
            print_message(f"{_FORCED_STOP}.")
            print_backlog(producer)
            raise
        summarize(producer.totals, source_status(monitor.instrumentation.source).left_out)
        print_drops(producer)
        backlog = print_backlog(producer)
    if signals.interrupted:
        return INTERRUPTED
    return FAILED if backlog and not signals.stop.is_set() else 0


def _stop_at_once(producer: "DirectProducer | BufferedProducer", monitor: "RunMonitor", number: int) -> None:
    """Exit at once, even in the middle of a call; quotes in the outbox are not lost."""
    try:
        sent, waiting = pluralize(producer.totals.sent, "quote"), pluralize(producer.backlog.quotes, "quote")
        summary = (
            f"{sent} sent, {waiting} in the outbox {producer.backlog.path}; the next run delivers them first"
        )
        monitor.prepare_forced_stop(
            f"{_FORCED_STOP}; undelivered quotes are in the outbox", f"{_FORCED_STOP}: {summary}."
        )
    finally:
        os._exit(exit_code(number))


@contextmanager
def _open_producer(
    options: _RunOptions, monitor: "RunMonitor"
) -> "Iterator[DirectProducer | BufferedProducer]":
    from stockctl.producer.outbox.queue import open_outbox
    from stockctl.producer.producer import BufferedProducer, DirectProducer

    source, open_stream = (
        monitor.instrumentation.source,
        monitor.instrumentation.instrument_stream(options.backend.stream),
    )
    if source.repeatable:
        with open_stream() as stream:
            yield DirectProducer(
                source, stream, limit=options.limit, observe=monitor.observe, grace=options.grace
            )
        return
    settings = options.settings.stream
    path, size = outbox_path(options.settings), settings.outbox_mb << 20
    with open_outbox(path, limit=size, full=settings.outbox_full) as outbox, closing(options.prices):
        yield BufferedProducer(
            source, open_stream, outbox, limit=options.limit, observe=monitor.observe, grace=options.grace
        )
