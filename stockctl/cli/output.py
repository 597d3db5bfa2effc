"""Data on stdout, in the three formats that every command offers."""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stockctl.cli.terminal import safe, say
from stockctl.market.decimals import plain
from stockctl.market.jsontext import to_json

if TYPE_CHECKING:
    from rich.table import Table

    from stockctl.cli.console import Console

Row = Mapping[str, object]


class Format(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Output = Annotated[
    Format, typer.Option("--output", "-o", help="How data is written to stdout.", show_default=True)
]
Limit = Annotated[int, typer.Option("--limit", min=0, max=10**9, help="Rows at most; 0 means all.")]


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
        return plain(value)
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
    shown = _fitting(cells, console.width if console.is_terminal else None)
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
            Text(safe(column.header)),
            justify="right" if column.right else "left",
            no_wrap=_stays(column),
        )
    for index in range(len(rows)):
        table.add_row(
            *(Text(safe(cells[column][index].text), cells[column][index].style) for column in shown)
        )
    _print(console, table)
    if len(shown) < len(columns):
        hidden = ", ".join(column.header for column in columns if column not in shown)
        say(f"(narrow terminal: {hidden} not shown; -o json has all)")


def write_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Write named facts, one below the other; a long one goes on in its column."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in facts:
        table.add_row(f"{name}:", Text(safe(cell.text), cell.style))
    _print(data_console(), table)


def _print(console: "Console", table: "Table") -> None:
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        write(line.rstrip())


def _fitting(cells: Mapping[Column, Sequence[Cell]], width: int | None) -> list[Column]:
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
    lines = [column.header, *(safe(cell.text) for cell in cells)]
    return [word for line in lines for word in line.split()] if folded and not _stays(column) else lines


def _stays(column: Column) -> bool:
    """Tell whether the cells of a column stay on one line."""
    return column.right or column.whole


def data_console() -> "Console":
    """Return a console on stdout that invents nothing: no markup, no emoji, no wrapping when piped."""
    from stockctl.cli.console import Console

    width = None if sys.stdout.isatty() else 10_000
    return Console(markup=False, emoji=False, highlight=False, width=width)
