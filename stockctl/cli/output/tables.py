"""Writes rows as a table, JSON or CSV."""

import csv
import os
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.output.columns import Cell, Column, Row
from stockctl.cli.output.messages import display_width, escape_control, print_message
from stockctl.market.numbers import format_decimal, to_json

if TYPE_CHECKING:
    from stockctl.cli.output.rich_console import Console


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

    If it is too wide, optional columns are dropped, the last one first. If it is still too wide, cells are
    wrapped, and then the gaps between the columns are removed.
    """
    if not _is_drawn():
        _write_plain([column.header for column in columns], rows, columns)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = data_console()
    cells = {column: [column.cell(row) for row in rows] for column in columns}
    shown = _fit_columns(cells, console.width)
    has_gaps = _width(shown, cells, wrapped=True) <= console.width
    table = Table(
        box=box.SIMPLE_HEAD,
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
    console.print(table)
    if len(shown) < len(columns):
        hidden = ", ".join(column.header for column in columns if column not in shown)
        print_message(f"(narrow terminal: {hidden} not shown; use -o json to get all)")


def write_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Write one line per fact: its name and its value. On a terminal, long values are wrapped."""
    if not _is_drawn():
        width = max((display_width(name) for name, _ in facts), default=0) + 1
        for name, cell in facts:
            write(f"{_pad(f'{name}:', width)} {escape_control(cell.text)}".rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in facts:
        table.add_row(f"{name}:", Text(escape_control(cell.text), cell.style))
    data_console().print(table)


def _is_drawn() -> bool:
    """Return whether tables are drawn for a terminal; otherwise they are plain text, without rich."""
    return sys.stdout.isatty() or any(os.environ.get(name) for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))


def _write_plain(headers: Sequence[str], rows: Sequence[Row], columns: Sequence[Column]) -> None:
    lines = [headers, *([column.cell(row).text for column in columns] for row in rows)]
    texts = [[escape_control(text) for text in line] for line in lines]
    widths = [max(map(display_width, column)) for column in zip(*texts, strict=True)]
    for line in texts:
        cells = (
            _pad(text, width, right=column.right)
            for text, width, column in zip(line, widths, columns, strict=True)
        )
        write("  ".join(cells).rstrip())


def _pad(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def _fit_columns(cells: Mapping[Column, Sequence[Cell]], width: int) -> list[Column]:
    shown = list(cells)
    while _width(shown, cells) > width:
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
    """Return the width that the table needs without wrapping, or when as much as possible is wrapped."""
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
    """Return whether the cells of a column are never wrapped."""
    return column.right or column.whole


def data_console() -> "Console":
    """Return a console on stdout that prints text as it is: no markup, no emoji, no wrapping when piped."""
    from stockctl.cli.output.rich_console import Console

    width = None if sys.stdout.isatty() else 10_000
    return Console(markup=False, emoji=False, highlight=False, width=width)
