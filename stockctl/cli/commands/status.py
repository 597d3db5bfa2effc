"""status: what is stored, how fresh it is, and how the running stream is doing."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from stockctl.cli.errors import print_exception
from stockctl.cli.options import settings_and_backend
from stockctl.cli.output.columns import Cell, Row, quote_columns
from stockctl.cli.output.tables import Format, Output, write, write_csv, write_facts, write_table
from stockctl.cli.registration import add_command
from stockctl.errors import StockctlError
from stockctl.formatting import format_bytes
from stockctl.market.numbers import to_json
from stockctl.producer.outbox.paths import outbox_path

if TYPE_CHECKING:
    from stockctl.backends.base import Status
    from stockctl.config.schema import Settings
    from stockctl.monitoring.status_reader import ProducerStatus

T = TypeVar("T")

_TITLES = {"home": "data folder"}
"""What a table calls a fact whose name in JSON is another one."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    add_command(app, "status", status, "stockctl status", "stockctl status -o json")


def status(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show what is stored, how fresh it is, and how the running stream is doing."""
    from stockctl.backends.base import Status
    from stockctl.monitoring.status_reader import read_producer_status
    from stockctl.producer.outbox.inspect import outbox_facts

    settings, backend = settings_and_backend(ctx)
    outbox = outbox_path(settings)
    failures: list[StockctlError] = []
    # If one part cannot be read, show the others: people run status when something is wrong.
    waiting = _attempt(lambda: outbox_facts(outbox), failures) or []
    producer = _attempt(lambda: read_producer_status(outbox), failures)
    report = _attempt(backend.status, failures)
    if report is not None or waiting or producer is not None:
        report = Status((), ()) if report is None else report
        _emit(report._replace(facts=[*report.facts, *waiting]), producer, settings, output)
    if failures:
        _raise_all(failures)


def _attempt(read: Callable[[], T], failures: list[StockctlError]) -> T | None:
    try:
        return read()
    except StockctlError as error:
        failures.append(error)
        return None


def _raise_all(failures: list[StockctlError]) -> NoReturn:
    """Print all errors except the last, and raise the last one."""
    for error in failures[:-1]:
        print_exception(error)
    raise failures[-1]


def _emit(report: "Status", producer: "ProducerStatus | None", settings: "Settings", output: Format) -> None:
    flat = [*report.facts, *([] if producer is None else producer.facts())]
    if output is Format.JSON:
        latest = [quote._asdict() for quote in report.latest]
        write("[" + to_json({**dict(flat), "latest": latest}) + "]")
    elif output is Format.CSV:
        write_csv(("name", "value"), [*flat, *((q.symbol, q.timestamp) for q in report.latest)])
    else:
        _show(report, producer, settings)


def _show(report: "Status", producer: "ProducerStatus | None", settings: "Settings") -> None:
    from stockctl.cli.output.status import producer_rows

    shown = [
        (_TITLES.get(name, name.replace("_", " ")), Cell(_fact(name, value))) for name, value in report.facts
    ]
    write_facts(shown if producer is None else [*shown, *producer_rows(producer)])
    if report.latest:
        write("")
        rows: list[Row] = [quote._asdict() for quote in report.latest]
        write_table(rows, quote_columns(settings.indicators.short, settings.indicators.long))


def _fact(name: str, value: str | int) -> str:
    if isinstance(value, str):
        return value
    return format_bytes(value) if name.startswith("bytes") else f"{value:,}"
