"""Writes rows as a table, JSON or CSV."""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stockctl.cli.output.terminal import escape_control, local_is_utc, local_text, print_message, utc_text
from stockctl.formatting import format_age
from stockctl.market.alert import format_price
from stockctl.market.numbers import format_decimal, to_json
from stockctl.market.timestamp import to_datetime

if TYPE_CHECKING:
    from rich.table import Table

    from stockctl.cli.output.console import Console

Row = Mapping[str, object]


class Format(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Output = Annotated[
    Format, typer.Option("--output", "-o", metavar="|".join(Format), help="Format of the data on stdout.")
]
Limit = Annotated[
    int,
    typer.Option("--limit", metavar="N", min=0, max=10**9, help="Show at most this many rows; 0 means all."),
]


class Cell(NamedTuple):
    """What a table shows in one place, and in which colour."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A column of a table: its header, and how a row fills it."""

    header: str
    cell: Callable[[Row], Cell]
    right: bool = False
    """Whether it is aligned to the right."""
    optional: bool = False
    """Whether a narrow terminal may drop it."""
    whole: bool = False
    """Whether its cells stay on one line in any terminal; those aligned to the right always do."""


def emit(rows: Sequence[Row], fields: Sequence[str], columns: Sequence[Column], output: Format) -> None:
    """Write rows: json and csv take ``fields`` from them, a table shows ``columns``."""
    if output is Format.JSON:
        write("[" + ",\n ".join(to_json({name: row[name] for name in fields}) for row in rows) + "]")
    elif output is Format.CSV:
        write_csv(fields, [[row[name] for name in fields] for row in rows])
    elif rows:
        write_table(rows, columns)


def write(line: str) -> None:
    """Write one line of data."""
    print(line)  # noqa: T201 - this is the output


def write_csv(fields: Sequence[str], rows: Sequence[Sequence[object]], *, header: bool = True) -> None:
    """Write rows as CSV; null is an empty cell, booleans are ``true`` and ``false``."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if header:
        writer.writerow(fields)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format_decimal(value)
    return to_json(value) if isinstance(value, Mapping | list | tuple) else value


def write_table(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    """Write rows as a table that fits the terminal.

    Optional columns give way, the last one first; then texts go on in the next line, and the last to give
    way are the blanks between the columns.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = data_console()
    cells = {column: [column.cell(row) for row in rows] for column in columns}
    shown = _fit_columns(cells, console.width if console.is_terminal else None)
    roomy = not console.is_terminal or _width(shown, cells, folded=True) <= console.width
    table = Table(
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        pad_edge=False,
        padding=(0, 1) if roomy else 0,
        show_edge=roomy,
        header_style="bold",
    )
    for column in shown:
        table.add_column(
            Text(escape_control(column.header)),
            justify="right" if column.right else "left",
            no_wrap=_keeps_column(column),
        )
    for index in range(len(rows)):
        table.add_row(
            *(Text(escape_control(cells[column][index].text), cells[column][index].style) for column in shown)
        )
    _print(console, table)
    if len(shown) < len(columns):
        hidden = ", ".join(column.header for column in columns if column not in shown)
        print_message(f"(narrow terminal: {hidden} not shown; -o json has all)")


def write_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Write named facts, one below the other; a long one goes on in its column."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in facts:
        table.add_row(f"{name}:", Text(escape_control(cell.text), cell.style))
    _print(data_console(), table)


def _print(console: "Console", table: "Table") -> None:
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        write(line.rstrip())


def _fit_columns(cells: Mapping[Column, Sequence[Cell]], width: int | None) -> list[Column]:
    shown = list(cells)
    while width is not None and _width(shown, cells) > width:
        droppable = [column for column in shown if column.optional]
        if not droppable:
            break
        shown.remove(droppable[-1])
    return shown


_GAP = 3
"""Blanks between the columns of a table on a terminal, if there is room."""


def _width(columns: Sequence[Column], cells: Mapping[Column, Sequence[Cell]], *, folded: bool = False) -> int:
    """Return the width at which every cell is on one line, or ``folded`` at its blanks where it may be."""
    return sum(
        max((len(piece) for piece in _pieces(column, cells[column], folded=folded)), default=0) + _GAP
        for column in columns
    )


def _pieces(column: Column, cells: Sequence[Cell], *, folded: bool) -> list[str]:
    lines = [column.header, *(escape_control(cell.text) for cell in cells)]
    return (
        [word for line in lines for word in line.split()] if folded and not _keeps_column(column) else lines
    )


def _keeps_column(column: Column) -> bool:
    """Tell whether the cells of a column stay on one line."""
    return column.right or column.whole


def data_console() -> "Console":
    """Return a console on stdout that invents nothing: no markup, no emoji, no wrapping when piped."""
    from stockctl.cli.output.console import Console

    width = None if sys.stdout.isatty() else 10_000
    return Console(markup=False, emoji=False, highlight=False, width=width)


EMPTY_CELL = Cell("–", "dim")
_CENT = Decimal("0.01")


def text_column(header: str, key: str, *, style: str = "", optional: bool = False) -> Column:
    """Return a column of plain text."""
    return Column(
        header, lambda row: _cell(row[key], lambda value: Cell(str(value), style)), optional=optional
    )


def price_column(header: str, key: str, *, optional: bool = False) -> Column:
    """Return a column of prices, aligned."""
    return Column(
        header,
        lambda row: _cell(row[key], lambda value: Cell(format_price(_decimal(value)))),
        right=True,
        optional=optional,
    )


def symbol_column() -> Column:
    """Return the column of the symbol."""
    return text_column("SYMBOL", "symbol", style="bold")._replace(whole=True)


def signed_column(header: str, key: str, *, optional: bool = False) -> Column:
    """Return a column of changes: signed, green above zero and red below."""
    return Column(
        header,
        lambda row: _cell(row[key], lambda value: _signed(_decimal(value))),
        right=True,
        optional=optional,
    )


def timestamp_columns(key: str = "timestamp", name: str = "TIME") -> list[Column]:
    """Return the columns of a moment: UTC, and beside it the time of this machine where that differs."""
    columns = [
        Column(
            f"{name} (UTC)",
            lambda row: _cell(row[key], lambda value: Cell(utc_text(str(value)))),
            whole=True,
        )
    ]
    if not local_is_utc():
        columns.append(
            Column(
                "LOCAL TIME",
                lambda row: _cell(row[key], lambda value: Cell(local_text(str(value)), "dim")),
                optional=True,
                whole=True,
            )
        )
    return columns


def age_column(key: str = "timestamp") -> Column:
    """Return a column that tells how long ago a moment was."""
    present = datetime.now(UTC)

    def cell(value: object) -> Cell:
        return Cell(format_age((present - to_datetime(str(value))).total_seconds()))

    return Column("AGE", lambda row: _cell(row[key], cell), right=True, optional=True)


def trend_column() -> Column:
    """Return the column of the trend."""
    cells = {"up": Cell("▲ up", "green"), "down": Cell("▼ down", "red")}
    return Column("TREND", lambda row: cells.get(str(row["trend"]), EMPTY_CELL), optional=True)


def quote_columns(short: int, long: int) -> list[Column]:
    """Return the columns of stored quotes."""
    return [
        symbol_column(),
        price_column("PRICE", "price"),
        signed_column("CHANGE", "change", optional=True),
        signed_column("CHANGE %", "change_percent"),
        *timestamp_columns(),
        age_column(),
        price_column(f"SMA-{short}", "sma_short", optional=True),
        price_column(f"SMA-{long}", "sma_long", optional=True),
        trend_column(),
    ]


def mover_columns() -> list[Column]:
    """Return the columns of symbols ranked by their move."""
    return [
        symbol_column(),
        price_column("PRICE", "price"),
        price_column("PREVIOUS CLOSE", "previous_close", optional=True),
        signed_column("CHANGE", "price_change", optional=True),
        signed_column("CHANGE %", "change_percent"),
        *timestamp_columns(),
    ]


def any_column(name: str, *, right: bool) -> Column:
    """Return a column of whatever a SQL query gave."""
    return Column(name, lambda row: _cell(row[name], lambda value: Cell(_plain_text(value))), right=right)


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _cell(value: object, filled: Callable[[object], Cell]) -> Cell:
    return EMPTY_CELL if value is None else filled(value)


def _signed(value: Decimal) -> Cell:
    rounded = value.quantize(_CENT, rounding=ROUND_HALF_EVEN) if abs(value) >= _CENT or value == 0 else value
    style = "green" if value > 0 else "red" if value < 0 else ""
    return Cell(f"{rounded:+f}" if value else f"{abs(rounded):f}", style)


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def word_column(header: str, key: str, styles: dict[str, str]) -> Column:
    """Return a column of words that have a colour each."""
    return Column(header, lambda row: Cell(str(row[key]), styles.get(str(row[key]), "")))


def list_column(header: str, key: str) -> Column:
    """Return a column of lists, an empty one meaning all."""
    return Column(header, lambda row: Cell(_joined(row[key])))


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) and value else "all"
