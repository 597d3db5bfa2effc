"""A quote with its figures, as the table holds it."""

from decimal import Decimal
from typing import NamedTuple

from stockctl.market.trend import Trend


class StoredQuote(NamedTuple):
    """The fields of a ``Quote`` in its order, the figures computed at storing, and what they hand on."""

    symbol: str
    timestamp: str
    price: Decimal
    previous_close: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: int | None
    source: str
    observed_at: str | None
    change: Decimal | None
    """``price - previous_close``."""
    change_percent: Decimal | None
    sma_short: Decimal | None
    sma_long: Decimal | None
    """These four are rounded half-even to 8 decimals."""
    trend: Trend | None
    previous_trend: Trend | None
    """``trend`` of the symbol's quote before this one."""
    anomaly: bool
    anomaly_alert: bool
    """Whether this is the first anomaly of its symbol, direction and New York date."""
    anomaly_up_date: str | None
    anomaly_down_date: str | None
    """The New York date of the latest anomaly upwards and downwards, up to this quote."""


class Precedent(NamedTuple):
    """What a later quote needs to know of an earlier stored one."""

    timestamp: str
    price: Decimal
    trend: Trend | None
    anomaly_up_date: str | None
    anomaly_down_date: str | None
