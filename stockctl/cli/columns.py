"""How quotes, alerts and figures look in a table."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from stockctl.cli.output import Cell, Column
from stockctl.cli.terminal import local_is_utc, local_text, utc_text
from stockctl.durations import in_words
from stockctl.market.alert import readable_price
from stockctl.market.timestamp import to_datetime

NOTHING = Cell("–", "dim")
_CENT = Decimal("0.01")


def text(header: str, key: str, *, style: str = "", optional: bool = False) -> Column:
    """Return a column of plain text."""
    return Column(
        header, lambda row: _cell(row[key], lambda value: Cell(str(value), style)), optional=optional
    )


def price(header: str, key: str, *, optional: bool = False) -> Column:
    """Return a column of prices, aligned."""
    return Column(
        header,
        lambda row: _cell(row[key], lambda value: Cell(readable_price(_decimal(value)))),
        right=True,
        optional=optional,
    )


def symbol() -> Column:
    """Return the column of the symbol."""
    return text("SYMBOL", "symbol", style="bold")._replace(whole=True)


def signed(header: str, key: str, *, optional: bool = False) -> Column:
    """Return a column of changes: signed, green above zero and red below."""
    return Column(
        header,
        lambda row: _cell(row[key], lambda value: _signed(_decimal(value))),
        right=True,
        optional=optional,
    )


def moment(key: str = "timestamp", name: str = "TIME") -> list[Column]:
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


def age(key: str = "timestamp") -> Column:
    """Return a column that tells how long ago a moment was."""
    present = datetime.now(UTC)

    def cell(value: object) -> Cell:
        return Cell(in_words((present - to_datetime(str(value))).total_seconds()))

    return Column("AGE", lambda row: _cell(row[key], cell), right=True, optional=True)


def trend() -> Column:
    """Return the column of the trend."""
    cells = {"up": Cell("▲ up", "green"), "down": Cell("▼ down", "red")}
    return Column("TREND", lambda row: cells.get(str(row["trend"]), NOTHING), optional=True)


def quote_columns(short: int, long: int) -> list[Column]:
    """Return the columns of stored quotes."""
    return [
        symbol(),
        price("PRICE", "price"),
        signed("CHANGE", "change", optional=True),
        signed("CHANGE %", "change_percent"),
        *moment(),
        age(),
        price(f"SMA-{short}", "sma_short", optional=True),
        price(f"SMA-{long}", "sma_long", optional=True),
        trend(),
    ]


def mover_columns() -> list[Column]:
    """Return the columns of symbols ranked by their move."""
    return [
        symbol(),
        price("PRICE", "price"),
        price("PREVIOUS CLOSE", "previous_close", optional=True),
        signed("CHANGE", "price_change", optional=True),
        signed("CHANGE %", "change_percent"),
        *moment(),
    ]


def any_column(name: str, *, right: bool) -> Column:
    """Return a column of whatever a SQL query gave."""
    return Column(name, lambda row: _cell(row[name], lambda value: Cell(_plainly(value))), right=right)


def _plainly(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _cell(value: object, filled: Callable[[object], Cell]) -> Cell:
    return NOTHING if value is None else filled(value)


def _signed(value: Decimal) -> Cell:
    rounded = value.quantize(_CENT, rounding=ROUND_HALF_EVEN) if abs(value) >= _CENT or value == 0 else value
    style = "green" if value > 0 else "red" if value < 0 else ""
    return Cell(f"{rounded:+f}" if value else f"{abs(rounded):f}", style)


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def coloured(header: str, key: str, styles: dict[str, str]) -> Column:
    """Return a column of words that have a colour each."""
    return Column(header, lambda row: Cell(str(row[key]), styles.get(str(row[key]), "")))


def listed(header: str, key: str) -> Column:
    """Return a column of lists, an empty one meaning all."""
    return Column(header, lambda row: Cell(_joined(row[key])))


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) and value else "all"
