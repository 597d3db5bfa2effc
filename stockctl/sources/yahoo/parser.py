"""Parses one result of Yahoo into a quote."""

import json
import math
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from stockctl.market.errors import InvalidQuote, truncate
from stockctl.market.numbers import parse_positive
from stockctl.market.plausibility import QuoteIssue
from stockctl.market.quote import MAX_VOLUME, Quote, make_quote
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import format_timestamp
from stockctl.pipeline.ports import Rejection

_EXACT_DIGITS = 9
_FLOAT32_DIGITS = 6
_SINGLE = struct.Struct("<f")


def parse_price(value: object) -> Decimal:
    """Return a price of at most 6 decimals, free of the noise of 32-bit floats.

    Raises:
        InvalidQuote: it is missing, not a number, not finite, or not above zero.
    """
    if value is None:
        raise InvalidQuote("price is missing")
    if isinstance(value, float):
        value = denoise_float32(value) if math.isfinite(value) else Decimal(value)
    return parse_positive(value, "price")


def parse_optional_price(value: object) -> Decimal | None:
    """Return a price, or None if it is unknown: Yahoo sends 0, NaN or nothing then."""
    try:
        return parse_price(value)
    except InvalidQuote:
        return None


def parse_volume(value: object) -> int | None:
    """Return a volume above zero, or None.

    Yahoo sends 0 for indices, currencies and a session that has not begun, so 0 means unknown.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 < value <= MAX_VOLUME else None


def denoise_float32(value: float) -> Decimal:
    """Return the decimal number that a finite ``value`` was before it was stored in a 32-bit float.

    187.44 comes back as 187.4400024414. A number of more than nine significant digits that agrees with a
    32-bit float in every digit becomes the shortest decimal number of that float. Nine digits are enough to
    distinguish any two such floats, so a shorter number is exact already and stays. ``priceHint`` is not
    used: it is meant for display, and rounding to it would drop digits of shares traded at 16.6298 and
    currencies at 1.09529, and all digits of a coin at 0.0000091.
    """
    exact = Decimal(repr(value))
    shown = len(exact.normalize().as_tuple().digits)
    single = _as_float32(value)
    if shown <= _EXACT_DIGITS or float(f"{single:.{shown}g}") != value:
        return exact
    return next(
        Decimal(text)
        for text in (f"{single:.{digits}g}" for digits in range(_FLOAT32_DIGITS, _EXACT_DIGITS + 1))
        if _as_float32(float(text)) == single
    )


def _as_float32(value: float) -> float:
    """Return the 32-bit float nearest to ``value``; infinity when it is out of their range."""
    try:
        single: float = _SINGLE.unpack(_SINGLE.pack(value))[0]
    except OverflowError:
        return math.inf
    return single


SOURCE = "yahoo"
MAX_FUTURE = timedelta(days=1)
"""How far ahead of this machine's clock a market time may be: more than a wrong clock explains."""
MAX_RATIO = 1000
"""A price this many times its previous close means that the close is wrong, as sometimes for ^VIX."""

_REGULAR_SESSION = "REGULAR"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR_END = 253_402_300_800  # year 10000, in seconds since 1970


class _FutureTime(InvalidQuote):
    """A timestamp is too far in the future for a wrong clock to explain it."""


class ParsedResult(NamedTuple):
    """One result: a quote, a rejection, or neither when its price has no known time."""

    symbol: str | None
    quote: Quote | None = None
    rejection: Rejection | None = None
    time: object = None
    """The market time as Yahoo sent it."""
    market_closed: bool = False
    """The market of the symbol is not in its regular session."""
    has_wrong_close: bool = False
    """Yahoo sent a previous close that cannot be right; the quote has none."""
    issue: QuoteIssue | None = None
    """Why it was rejected while it was parsed; None if it was rejected later."""

    @property
    def is_timeless(self) -> bool:
        """Whether the price may be old, because its time is unknown."""
        return self.quote is None and self.rejection is None


def parse_result(result: object, now: datetime) -> ParsedResult:
    """Parse a result that was received at ``now``."""
    fields: Mapping[str, object] = result if isinstance(result, dict) else {}
    time = fields.get("regularMarketTime")
    closed = fields.get("marketState", _REGULAR_SESSION) != _REGULAR_SESSION
    symbol = None
    try:
        symbol = _symbol(result)
        timestamp = market_time(time, now)
        quote = None if timestamp is None else _quote(symbol, timestamp, fields, format_timestamp(now))
    except InvalidQuote as reason:
        issue = QuoteIssue.FUTURE if isinstance(reason, _FutureTime) else QuoteIssue.UNREADABLE
        return ParsedResult(
            symbol, None, make_rejection(symbol, result, str(reason)), time, closed, issue=issue
        )
    wrong_close = quote is not None and quote.previous_close is None and _previous_close(fields) is not None
    return ParsedResult(symbol, quote, None, time, closed, wrong_close)


def market_time(value: object, now: datetime) -> str | None:
    """Return a number of seconds since 1970 as a timestamp, or None if it is 0 or None.

    Raises:
        InvalidQuote: it is not such a number, or lies more than a day ahead of ``now``.
    """
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _CALENDAR_END:
        raise InvalidQuote(f"regularMarketTime {truncate(value)} is not a time in seconds since 1970")
    moment = _EPOCH + timedelta(milliseconds=int(value * 1000))
    if moment > now + MAX_FUTURE:
        raise _FutureTime(f"regularMarketTime {truncate(value)} lies in the future")
    return format_timestamp(moment)


def usable_close(price: Decimal, close: Decimal | None) -> Decimal | None:
    """Return the previous close, or None if it is unknown or wrong, see ``MAX_RATIO``."""
    return None if close is None or price >= close * MAX_RATIO else close


def _symbol(result: object) -> str:
    if not isinstance(result, dict):
        raise InvalidQuote(f"a result must be an object, not {truncate(result)}")
    if (symbol := result.get("symbol")) is None:
        raise InvalidQuote("symbol is missing")
    return parse_symbol(symbol)


def _quote(symbol: str, timestamp: str, fields: Mapping[str, object], observed_at: str) -> Quote:
    price = parse_price(fields.get("regularMarketPrice"))
    close = _previous_close(fields)
    return make_quote(
        {
            "symbol": symbol,
            "timestamp": timestamp,
            "price": price,
            "previous_close": usable_close(price, close),
            "open": parse_optional_price(fields.get("regularMarketOpen")),
            "high": parse_optional_price(fields.get("regularMarketDayHigh")),
            "low": parse_optional_price(fields.get("regularMarketDayLow")),
            "volume": parse_volume(fields.get("regularMarketVolume")),
            "source": SOURCE,
            "observed_at": observed_at,
        }
    )


def _previous_close(fields: Mapping[str, object]) -> Decimal | None:
    return parse_optional_price(fields.get("regularMarketPreviousClose"))


def make_rejection(symbol: str | None, result: object, reason: str) -> Rejection:
    """Return a rejection that contains the result as JSON."""
    data = json.dumps(result, separators=(",", ":")).encode()
    return Rejection(data, SOURCE if symbol is None else f"{SOURCE}:{symbol}", reason)
