"""Understand one message of the connection: the quote in it, or the reason why there is none."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, Protocol

from stockctl.market.quote import Quote, make_quote
from stockctl.market.refusal import Refusal
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import format_timestamp
from stockctl.sources.yahoo.figures import known_price, price_of, volume_of
from stockctl.sources.yahoo.reading import MAX_FUTURE, MAX_RATIO, SOURCE

_REGULAR_SESSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR_END = 253_402_300_800_000  # year 10000, in milliseconds since 1970
_MOST_DIGITS = 9
_SINGLE_BITS = 24


class Pricing(Protocol):
    """The fields of Yahoo's ``PricingData`` that matter; what was not sent is zero or empty."""

    id: str
    price: float
    time: int
    """Of the price, in milliseconds since 1970."""
    market_hours: int
    """0 before, 1 within, 2 after the regular session."""
    change: float
    previous_close: float
    open_price: float
    day_high: float
    day_low: float
    day_volume: int


class Heard(NamedTuple):
    """What a message comes to; there is no quote when nobody says since when the price holds."""

    symbol: str
    quote: Quote | None
    regular: bool
    """Whether Yahoo says that the price is of the regular session."""


def read_pricing(pricing: Pricing, now: datetime) -> Heard:
    """Return what a message that came at ``now`` says.

    Raises:
        Refusal: its symbol, its time or its price is none.
    """
    symbol = parse_symbol(pricing.id)
    timestamp = _timestamp(pricing.time, now)
    regular = pricing.market_hours == _REGULAR_SESSION
    price = price_of(pricing.price)
    if timestamp is None:
        return Heard(symbol, None, regular)
    close = _previous_close(pricing)
    quote = make_quote(
        {
            "symbol": symbol,
            "timestamp": timestamp,
            "price": price,
            "previous_close": None if close is None or price >= close * MAX_RATIO else close,
            "open": _figure(pricing.open_price),
            "high": _figure(pricing.day_high),
            "low": _figure(pricing.day_low),
            "volume": volume_of(pricing.day_volume),
            "source": SOURCE,
            "observed_at": format_timestamp(now),
        }
    )
    return Heard(symbol, quote, regular)


@lru_cache(maxsize=1 << 16)
def _figure(value: float) -> Decimal | None:
    """Return a figure of the session, which most messages of a symbol repeat."""
    return known_price(value) if value else None


def _timestamp(value: int, now: datetime) -> str | None:
    if value == 0:
        return None
    if not 0 < value < _CALENDAR_END:
        raise Refusal(f"time {value} is not a time in milliseconds since 1970")
    moment = _EPOCH + timedelta(milliseconds=value)
    if moment > now + MAX_FUTURE:
        raise Refusal(f"time {value} lies in the future")
    return format_timestamp(moment)


def _previous_close(pricing: Pricing) -> Decimal | None:
    """Return the previous close, which Yahoo often leaves out for the change since then.

    Without either there is none: a change of zero and one that was not sent look alike.
    """
    if pricing.previous_close:
        return _figure(pricing.previous_close)
    if pricing.change and math.isfinite(pricing.change) and math.isfinite(pricing.price):
        return known_price(close_before(pricing.price, pricing.change))
    return None


def close_before(price: float, change: float) -> Decimal:
    """Return the close of which ``price`` is ``change`` away; both are 32-bit floats.

    All three are as uncertain as the last bit of the largest. The close is the shortest decimal within
    that: 187.44000244140625 less 2.4400000572 is 185.
    """
    difference = price - change
    bit = math.ldexp(1.0, max(math.frexp(value)[1] for value in (price, change, difference)) - _SINGLE_BITS)
    shown = (f"{difference:.{digits}g}" for digits in range(1, _MOST_DIGITS + 1))
    return Decimal(next((text for text in shown if abs(float(text) - difference) <= bit), repr(difference)))
