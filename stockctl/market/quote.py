"""Quotes: as they arrive, and as they are stored with their indicators."""

import json
import re
from decimal import Decimal
from typing import NamedTuple, NoReturn

from stockctl.market.errors import InvalidQuote, truncate
from stockctl.market.indicators import Trend
from stockctl.market.numbers import format_decimal, is_price, parse_number, parse_positive, unique_fields
from stockctl.market.symbol import SYMBOL, parse_symbol
from stockctl.market.timestamp import is_timestamp, parse_timestamp

MAX_RECORD_BYTES = 1 << 20
MAX_VOLUME = (1 << 63) - 1
_LINE_BREAK = re.compile(rb"[\r\n]")
SOURCE_NAME = "1 to 32 lowercase letters, digits, - and _, starting with a letter"
_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class Quote(NamedTuple):
    """The price of a symbol at one time. ``None`` means unknown."""

    symbol: str
    timestamp: str
    """Market time of the price (not the time at which it was read), as a canonical UTC timestamp."""
    price: Decimal
    previous_close: Decimal | None
    """Close of the previous session."""
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    """Open, high and low of the session so far."""
    volume: int | None
    source: str
    observed_at: str | None
    """When a live producer read it. None in a replay, so that each replay produces the same bytes."""


class DecodedQuote(NamedTuple):
    """A decoded record: the quote, and the bytes that the archive stores for it."""

    quote: Quote
    body: bytes


def make_quote(fields: dict[str, object]) -> Quote:
    """Return the quote that a mapping of field names to JSON values describes; other names are ignored.

    Raises:
        InvalidQuote: a field is missing or invalid; the error names the first one in the order of the fields.
    """
    get = fields.get
    for required in ("symbol", "timestamp", "price", "source"):
        if get(required) is None:
            raise InvalidQuote(f"{required} is missing")
    return Quote(
        parse_symbol(fields["symbol"]),
        parse_timestamp(fields["timestamp"]),
        parse_positive(fields["price"], "price"),
        None if (value := get("previous_close")) is None else parse_positive(value, "previous_close"),
        None if (value := get("open")) is None else parse_number(value, "open"),
        None if (value := get("high")) is None else parse_number(value, "high"),
        None if (value := get("low")) is None else parse_number(value, "low"),
        None if (value := get("volume")) is None else _parse_volume(value),
        _parse_source(fields["source"]),
        None if (value := get("observed_at")) is None else parse_timestamp(value, "observed_at"),
    )


def decode_record(data: bytes) -> DecodedQuote:
    """Return the quote in a record, and the bytes to archive.

    The archive stores the bytes unchanged. There are two exceptions, for which the quote is encoded again:
    a lowercase symbol (the object key is uppercase), and JSON that spans several lines (Athena reads the
    archive line by line).

    Raises:
        InvalidQuote: the record is not a JSON object that holds a quote.
    """
    fields = _read_object(data)
    quote = make_quote(fields)
    unchanged = fields["symbol"] == quote.symbol and not _LINE_BREAK.search(data.rstrip())
    return DecodedQuote(quote, data if unchanged else encode_quote(quote))


def is_canonical(quote: Quote) -> bool:
    """Return whether ``quote`` is valid and decoding its encoded form would give the same quote again.

    This is much faster than decoding. Sources from other packages may yield values that are not canonical.
    """
    symbol, timestamp, price, previous_close, opening, high, low, volume, source, observed_at = quote
    return (
        type(symbol) is str
        and SYMBOL.fullmatch(symbol) is not None
        and type(source) is str
        and _SOURCE.fullmatch(source) is not None
        and is_timestamp(timestamp)
        and is_price(price)
        and price > 0
        and (previous_close is None or (is_price(previous_close) and previous_close > 0))
        and (opening is None or is_price(opening))
        and (high is None or is_price(high))
        and (low is None or is_price(low))
        and (volume is None or (type(volume) is int and 0 <= volume <= MAX_VOLUME))
        and (observed_at is None or is_timestamp(observed_at))
    )


def encode_quote(quote: Quote) -> bytes:
    """Return the JSON object that is sent through the stream and stored in the archive."""
    observed = "" if quote.observed_at is None else f',"observed_at":"{quote.observed_at}"'
    return (
        f'{{"symbol":"{quote.symbol}","timestamp":"{quote.timestamp}","price":{format_decimal(quote.price)}'
        f',"previous_close":{_number(quote.previous_close)},"open":{_number(quote.open)}'
        f',"high":{_number(quote.high)},"low":{_number(quote.low)}'
        f',"volume":{"null" if quote.volume is None else quote.volume},"source":"{quote.source}"{observed}}}'
    ).encode("ascii")


def _number(value: Decimal | None) -> str:
    return "null" if value is None else format_decimal(value)


def _read_object(data: bytes) -> dict[str, object]:
    if len(data) > MAX_RECORD_BYTES:
        raise InvalidQuote(f"record of {len(data)} bytes is larger than {MAX_RECORD_BYTES}")
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidQuote(f"not UTF-8 text: byte {error.start} is {data[error.start]:#04x}") from None
    except json.JSONDecodeError as error:
        raise InvalidQuote(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise InvalidQuote("not a quote: nested too deeply") from None
    except (ArithmeticError, ValueError) as error:
        if isinstance(error, InvalidQuote):
            raise
        raise InvalidQuote("JSON cannot be read: a number in it is too large") from None
    if not isinstance(value, dict):
        raise InvalidQuote(f"not a JSON object but {truncate(value)}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidQuote(f"{name} is not a JSON number")


def _parse_volume(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_VOLUME:
        raise InvalidQuote(f"volume {truncate(value)} is not a whole number from 0 to 2**63 - 1")
    return value


def _parse_source(value: object) -> str:
    if not isinstance(value, str) or not _SOURCE.fullmatch(value):
        raise InvalidQuote(f"source {truncate(value)} is not {SOURCE_NAME}")
    return value


_DECODER = json.JSONDecoder(
    parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=unique_fields
)


class EnrichedQuote(NamedTuple):
    """A stored quote: the fields of ``Quote`` in its order, its indicators, and state for the next quote."""

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
    """``change``, ``change_percent`` and both averages are rounded half-even to 8 decimals."""
    trend: Trend | None
    previous_trend: Trend | None
    """``trend`` of the symbol's quote before this one."""
    anomaly: bool
    anomaly_alert: bool
    """Whether it is the first anomaly of its symbol, direction and New York date."""
    anomaly_up_date: str | None
    anomaly_down_date: str | None
    """The New York date of the latest anomaly upwards and downwards, up to this quote."""


class PriorQuote(NamedTuple):
    """The fields of a stored quote that the indicators of later quotes depend on."""

    timestamp: str
    price: Decimal
    trend: Trend | None
    anomaly_up_date: str | None
    anomaly_down_date: str | None
