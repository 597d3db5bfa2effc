"""Subscribe messages, and PricingData messages as quotes."""

import base64
import binascii
import json
import math
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import NamedTuple, Protocol

from stockctl.errors import SourceError
from stockctl.market.errors import InvalidQuote, truncate
from stockctl.market.quote import Quote, make_quote
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import format_timestamp
from stockctl.sources.yahoo.parser import (
    MAX_FUTURE,
    SOURCE,
    parse_optional_price,
    parse_price,
    parse_volume,
    usable_close,
)

_REGULAR_SESSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR_END = 253_402_300_800_000  # year 10000, in milliseconds since 1970
_MAX_DIGITS = 9
_FLOAT32_BITS = 24


class Pricing(Protocol):
    """The fields of Yahoo's ``PricingData`` that are used; a field that was not sent is zero or empty."""

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


class ParsedMessage(NamedTuple):
    """A parsed message; without a quote if the time of its price is unknown."""

    symbol: str
    quote: Quote | None
    is_regular: bool
    """Whether Yahoo marks the price as of the regular session."""


def parse_pricing(pricing: Pricing, now: datetime) -> ParsedMessage:
    """Parse a message that was received at ``now``.

    Raises:
        InvalidQuote: its symbol, time or price is invalid.
    """
    symbol = parse_symbol(pricing.id)
    timestamp = _timestamp(pricing.time, now)
    is_regular = pricing.market_hours == _REGULAR_SESSION
    price = parse_price(pricing.price)
    if timestamp is None:
        return ParsedMessage(symbol, None, is_regular)
    close = _previous_close(pricing)
    quote = make_quote(
        {
            "symbol": symbol,
            "timestamp": timestamp,
            "price": price,
            "previous_close": usable_close(price, close),
            "open": _optional_price(pricing.open_price),
            "high": _optional_price(pricing.day_high),
            "low": _optional_price(pricing.day_low),
            "volume": parse_volume(pricing.day_volume),
            "source": SOURCE,
            "observed_at": format_timestamp(now),
        }
    )
    return ParsedMessage(symbol, quote, is_regular)


@lru_cache(maxsize=1 << 16)
def _optional_price(value: float) -> Decimal | None:
    """Return a price of the session; it is cached, because most messages of a symbol repeat it."""
    return parse_optional_price(value) if value else None


def _timestamp(value: int, now: datetime) -> str | None:
    if value == 0:
        return None
    if not 0 < value < _CALENDAR_END:
        raise InvalidQuote(f"time {value} is not a time in milliseconds since 1970")
    moment = _EPOCH + timedelta(milliseconds=value)
    if moment > now + MAX_FUTURE:
        raise InvalidQuote(f"time {value} lies in the future")
    return format_timestamp(moment)


def _previous_close(pricing: Pricing) -> Decimal | None:
    """Return the previous close; Yahoo often sends the change since then instead.

    Without both it is unknown: a change of zero looks like one that was not sent.
    """
    if pricing.previous_close:
        return _optional_price(pricing.previous_close)
    if pricing.change and math.isfinite(pricing.change) and math.isfinite(pricing.price):
        return parse_optional_price(close_before(pricing.price, pricing.change))
    return None


def close_before(price: float, change: float) -> Decimal:
    """Return the close before a ``change`` to ``price``; both are 32-bit floats.

    All three are exact to the last bit of the largest. The result is the shortest decimal number within
    that range: 187.44000244140625 less 2.4400000572 is 185.
    """
    difference = price - change
    bit = math.ldexp(1.0, max(math.frexp(value)[1] for value in (price, change, difference)) - _FLOAT32_BITS)
    shown = (f"{difference:.{digits}g}" for digits in range(1, _MAX_DIGITS + 1))
    return Decimal(next((text for text in shown if abs(float(text) - difference) <= bit), repr(difference)))


_SYMBOLS_PER_MESSAGE = 1000
"""At most; yfinance sends all in one message, which servers refuse above 64 KiB."""
_VERSION_HINT = "Install a release that stockctl was made for: pip install 'yfinance>=1.0,<2'."


class StreamProtocol(NamedTuple):
    """What yfinance knows about Yahoo's streaming server."""

    url: str
    decode: Callable[[bytes], Pricing]


@cache
def load() -> StreamProtocol:
    """Import yfinance at the first call, which takes a second, and return what it knows.

    Raises:
        SourceError: yfinance is absent, broken, or too new.
    """
    try:
        import google.protobuf.message
        from yfinance import AsyncWebSocket
        from yfinance.pricing_pb2 import PricingData
    except ImportError as error:
        raise SourceError(
            f"yfinance cannot be loaded, or does not stream: {error}.", _VERSION_HINT
        ) from error
    url = getattr(AsyncWebSocket(verbose=False), "url", None)
    missing = Pricing.__annotations__.keys() - PricingData.DESCRIPTOR.fields_by_name.keys()
    if not isinstance(url, str) or missing:
        raise SourceError("This release of yfinance uses another streaming protocol.", _VERSION_HINT)

    def decode(data: bytes) -> Pricing:
        try:
            pricing: Pricing = PricingData.FromString(data)
        except google.protobuf.message.DecodeError as error:
            raise InvalidQuote(f"not a PricingData message: {error}") from None
        return pricing

    return StreamProtocol(url, decode)


def parse_message(message: str | bytes, decode: Callable[[bytes], Pricing]) -> Pricing:
    """Return the pricing data in a message: base64 of a protobuf, in a JSON object.

    Raises:
        InvalidQuote: it is not such a message.
    """
    try:
        value = json.loads(message)
    except ValueError as error:
        raise InvalidQuote(f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidQuote("not a message: nested too deeply") from None
    packed = value.get("message") if isinstance(value, dict) else None
    if not isinstance(packed, str) or not packed:
        raise InvalidQuote(f"a message must be an object that contains a text, not {truncate(value)}")
    try:
        return decode(base64.b64decode(packed, validate=True))
    except (binascii.Error, ValueError) as error:
        if isinstance(error, InvalidQuote):
            raise
        raise InvalidQuote(f"not base64: {error}") from None


def subscribe_messages(verb: str, symbols: Collection[str]) -> Iterator[str]:
    """Yield the messages that ``subscribe`` or ``unsubscribe`` symbols."""
    listed = list(symbols)
    for start in range(0, len(listed), _SYMBOLS_PER_MESSAGE):
        yield json.dumps({verb: listed[start : start + _SYMBOLS_PER_MESSAGE]})
