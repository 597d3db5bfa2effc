"""Writes rows as a table, JSON or CSV."""

import csv
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.output.columns import Cell, Column, Row
from stockctl.cli.output.terminal import escape_control, print_message
from stockctl.market.numbers import format_decimal, to_json

if TYPE_CHECKING:
    from rich.table import Table

    from stockctl.cli.output.console import Console


class Format(StrEnum):
    """Format of the data on standard output."""

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

    When it is too wide, optional columns are dropped, the last one first; then texts are wrapped, and at last
    the gaps between the columns shrink.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = data_console()
    cells = {column: [column.cell(row) for row in rows] for column in columns}
    shown = _fit_columns(cells, console.width if console.is_terminal else None)
    has_gaps = not console.is_terminal or _width(shown, cells, wrapped=True) <= console.width
    table = Table(
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        pad_edge=False,
        padding=(0, 1) if has_gaps else 0,
        show_edge=has_gaps,
        header_style="bold",
    )
    for column in shown:
        table.add_column(
            Text(escape_control(column.header)),
            justify="right" if column.right else "left",
            no_wrap=_is_unbroken(column),
        )
    for index in range(len(rows)):
        table.add_row(
            *(Text(escape_control(cells[column][index].text), cells[column][index].style) for column in shown)
        )
    _write_rendered(console, table)
    if len(shown) < len(columns):
        hidden = ", ".join(column.header for column in columns if column not in shown)
        print_message(f"(narrow terminal: {hidden} not shown; -o json has all)")


def write_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Write named facts, one below the other; a long one is wrapped in its column."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in facts:
        table.add_row(f"{name}:", Text(escape_control(cell.text), cell.style))
    _write_rendered(data_console(), table)


def _write_rendered(console: "Console", table: "Table") -> None:
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
"""Width of the gap between the columns of a table on a terminal, if there is room."""


def _width(
    columns: Sequence[Column], cells: Mapping[Column, Sequence[Cell]], *, wrapped: bool = False
) -> int:
    """Return the width that the table needs without wrapping, or with as much wrapping as possible."""
    return sum(
        max((len(part) for part in _unbroken_parts(column, cells[column], wrapped=wrapped)), default=0) + _GAP
        for column in columns
    )


def _unbroken_parts(column: Column, cells: Sequence[Cell], *, wrapped: bool) -> list[str]:
    lines = [column.header, *(escape_control(cell.text) for cell in cells)]
    return (
        [word for line in lines for word in line.split()] if wrapped and not _is_unbroken(column) else lines
    )


def _is_unbroken(column: Column) -> bool:
    """Tell whether the cells of a column stay on one line."""
    return column.right or column.whole


def data_console() -> "Console":
    """Return a console on stdout that prints text as it is: no markup, no emoji, no wrapping when piped."""
    from stockctl.cli.output.console import Console

    width = None if sys.stdout.isatty() else 10_000
    return Console(markup=False, emoji=False, highlight=False, width=width)
