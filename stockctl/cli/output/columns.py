"""Columns of tables: which cell a row has in each column, and its style."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from stockctl.cli.output.messages import local_is_utc, local_text, utc_text
from stockctl.formatting import format_age
from stockctl.market.alert import format_price
from stockctl.market.timestamp import to_datetime

Row = Mapping[str, object]


class Cell(NamedTuple):
    """The text and the style of one cell of a table."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A column of a table: its header, and a function that returns its cell for a row."""

    header: str
    cell: Callable[[Row], Cell]
    right: bool = False
    """Whether it is aligned to the right."""
    optional: bool = False
    """Whether it may be dropped on a narrow terminal."""
    whole: bool = False
    """Whether its cells are never wrapped. Cells aligned to the right are never wrapped either."""


EMPTY_CELL = Cell("–", "dim")
_CENT = Decimal("0.01")


def text_column(header: str, key: str, *, style: str = "", optional: bool = False) -> Column:
    """Return a column of plain text."""
    return Column(
        header, lambda row: _cell(row[key], lambda value: Cell(str(value), style)), optional=optional
    )


def price_column(header: str, key: str, *, optional: bool = False) -> Column:
    """Return a column of prices."""
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
    """Return the columns of a timestamp: UTC, and the local time if the machine's time zone is not UTC."""
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
    """Return a column of the time since a timestamp."""
    now = datetime.now(UTC)

    def cell(value: object) -> Cell:
        return Cell(format_age((now - to_datetime(str(value))).total_seconds()))

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
    """Return the columns of symbols ranked by their price change."""
    return [
        symbol_column(),
        price_column("PRICE", "price"),
        price_column("PREVIOUS CLOSE", "previous_close", optional=True),
        signed_column("CHANGE", "price_change", optional=True),
        signed_column("CHANGE %", "change_percent"),
        *timestamp_columns(),
    ]


def any_column(name: str, *, right: bool) -> Column:
    """Return a column of the result of a SQL query."""
    return Column(name, lambda row: _cell(row[name], lambda value: Cell(_plain_text(value))), right=right)


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _cell(value: object, make: Callable[[object], Cell]) -> Cell:
    return EMPTY_CELL if value is None else make(value)


def _signed(value: Decimal) -> Cell:
    rounded = value.quantize(_CENT, rounding=ROUND_HALF_EVEN) if abs(value) >= _CENT or value == 0 else value
    style = "green" if value > 0 else "red" if value < 0 else ""
    return Cell(f"{rounded:+f}" if value else f"{abs(rounded):f}", style)


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def word_column(header: str, key: str, styles: dict[str, str]) -> Column:
    """Return a column of words, each with its own style."""
    return Column(header, lambda row: Cell(str(row[key]), styles.get(str(row[key]), "")))


def list_column(header: str, key: str) -> Column:
    """Return a column of lists; an empty one is shown as ``all``."""
    return Column(header, lambda row: Cell(_join(row[key])))


def _join(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) and value else "all"
