"""Understand one result of Yahoo's: the quote in it, or the reason why there is none.

What decides is refused when it is wrong (symbol, time, price); what adorns is left out (session figures).
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from stockctl.market.plausibility import Doubt
from stockctl.market.quote import Quote, make_quote
from stockctl.market.refusal import Refusal, shown
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import format_timestamp
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo.figures import known_price, price_of, volume_of

SOURCE = "yahoo"
MAX_FUTURE = timedelta(days=1)
"""How far ahead of this machine's clock a market time may be: a wrong clock, but not milliseconds."""
MAX_RATIO = 1000
"""A price this many times its previous close is no move: the close is wrong, as of ^VIX now and then."""

_REGULAR_SESSION = "REGULAR"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR_END = 253_402_300_800  # year 10000, in seconds since 1970


class _Ahead(Refusal):
    """A time lies further ahead than any clock is wrong."""


class Finding(NamedTuple):
    """What one result comes to: a quote, a rejection, or neither when its price has no known time."""

    symbol: str | None
    quote: Quote | None = None
    rejection: Rejection | None = None
    time: object = None
    """The market time as Yahoo gave it."""
    closed: bool = False
    """The market of the symbol is not in its regular session."""
    odd_close: bool = False
    """Yahoo gave a previous close that cannot be right; the quote has none."""
    doubt: Doubt | None = None
    """Why it was rejected when it was read; None when that was later."""

    @property
    def is_timeless(self) -> bool:
        """Whether the price may be old, because nobody says since when it holds."""
        return self.quote is None and self.rejection is None


def read_result(result: object, now: datetime) -> Finding:
    """Return what a result, received at ``now``, comes to."""
    fields: Mapping[str, object] = result if isinstance(result, dict) else {}
    time = fields.get("regularMarketTime")
    closed = fields.get("marketState", _REGULAR_SESSION) != _REGULAR_SESSION
    symbol = None
    try:
        symbol = _symbol(result)
        timestamp = market_time(time, now)
        quote = None if timestamp is None else _quote(symbol, timestamp, fields, format_timestamp(now))
    except Refusal as reason:
        doubt = Doubt.FUTURE if isinstance(reason, _Ahead) else Doubt.UNREADABLE
        return Finding(symbol, None, rejected(symbol, result, str(reason)), time, closed, doubt=doubt)
    odd_close = quote is not None and quote.previous_close is None and _previous_close(fields) is not None
    return Finding(symbol, quote, None, time, closed, odd_close)


def market_time(value: object, now: datetime) -> str | None:
    """Return the moment that a number of seconds since 1970 means, or None when there is none.

    Raises:
        Refusal: it is no such number, or lies more than a day ahead of ``now``.
    """
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _CALENDAR_END:
        raise Refusal(f"regularMarketTime {shown(value)} is not a time in seconds since 1970")
    moment = _EPOCH + timedelta(milliseconds=int(value * 1000))
    if moment > now + MAX_FUTURE:
        raise _Ahead(f"regularMarketTime {shown(value)} lies in the future")
    return format_timestamp(moment)


def _symbol(result: object) -> str:
    if not isinstance(result, dict):
        raise Refusal(f"a result is an object, not {shown(result)}")
    if (symbol := result.get("symbol")) is None:
        raise Refusal("symbol is missing")
    return parse_symbol(symbol)


def _quote(symbol: str, timestamp: str, fields: Mapping[str, object], observed_at: str) -> Quote:
    price = price_of(fields.get("regularMarketPrice"))
    close = _previous_close(fields)
    return make_quote(
        {
            "symbol": symbol,
            "timestamp": timestamp,
            "price": price,
            "previous_close": None if close is None or price >= close * MAX_RATIO else close,
            "open": known_price(fields.get("regularMarketOpen")),
            "high": known_price(fields.get("regularMarketDayHigh")),
            "low": known_price(fields.get("regularMarketDayLow")),
            "volume": volume_of(fields.get("regularMarketVolume")),
            "source": SOURCE,
            "observed_at": observed_at,
        }
    )


def _previous_close(fields: Mapping[str, object]) -> Decimal | None:
    return known_price(fields.get("regularMarketPreviousClose"))


def rejected(symbol: str | None, result: object, reason: str) -> Rejection:
    """Return the rejection of a result, with its bytes."""
    data = json.dumps(result, separators=(",", ":")).encode()
    return Rejection(data, SOURCE if symbol is None else f"{SOURCE}:{symbol}", reason)
