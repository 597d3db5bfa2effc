"""status: what is there, how fresh it is, and how the running producer is."""

from typing import TYPE_CHECKING

import typer

from stockctl.cli import columns
from stockctl.cli.boundary import guarded
from stockctl.cli.context import settings_and_backend
from stockctl.cli.outbox import outbox_path
from stockctl.cli.output import Cell, Format, Output, Row, write, write_csv, write_facts, write_table
from stockctl.market.jsontext import to_json

if TYPE_CHECKING:
    from stockctl.backend import Status
    from stockctl.config import Settings
    from stockctl.watching.looking import Sight


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("status")(guarded(status))


def status(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show what is there, how fresh it is, and how the stream that runs is."""
    from stockctl.backend import Status
    from stockctl.errors import StockctlError
    from stockctl.producer.looking import facts
    from stockctl.watching.looking import look

    settings, backend = settings_and_backend(ctx)
    outbox = outbox_path(settings)
    waiting, producer = facts(outbox), look(outbox)
    try:
        report = backend.status()
    except StockctlError:
        if waiting or producer is not None:  # a stream goes on, and tells of itself, while its target is away
            _emit(Status(waiting, ()), producer, settings, output)
        raise
    _emit(report._replace(facts=[*report.facts, *waiting]), producer, settings, output)


def _emit(report: "Status", producer: "Sight | None", settings: "Settings", output: Format) -> None:
    flat = [*report.facts, *([] if producer is None else producer.facts())]
    if output is Format.JSON:
        latest = [quote._asdict() for quote in report.latest]
        write("[" + to_json({**dict(flat), "latest": latest}) + "]")
    elif output is Format.CSV:
        write_csv(("name", "value"), [*flat, *((q.symbol, q.timestamp) for q in report.latest)])
    else:
        _show(report, producer, settings)


def _show(report: "Status", producer: "Sight | None", settings: "Settings") -> None:
    from stockctl.cli.producer_view import producer_facts

    shown = [(name.replace("_", " "), Cell(_fact(name, value))) for name, value in report.facts]
    write_facts(shown if producer is None else [*shown, *producer_facts(producer)])
    if report.latest:
        write("")
        rows: list[Row] = [quote._asdict() for quote in report.latest]
        write_table(rows, columns.quote_columns(settings.indicators.short, settings.indicators.long))


def _fact(name: str, value: str | int) -> str:
    if isinstance(value, str):
        return value
    return _bytes(value) if name.startswith("bytes") else f"{value:,}"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
