"""Finds the columns of a file and validates the fields of a row."""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stockctl.errors import UsageError
from stockctl.market.errors import InvalidQuote, truncate
from stockctl.market.numbers import format_decimal, parse_number, parse_positive
from stockctl.market.quote import MAX_VOLUME
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import format_timestamp

Values = Sequence[str]
"""The texts of one row in the order of ``FIELDS``; empty if unknown."""

ColumnPicker = Callable[[Sequence[str]], Values]
"""A function from a row's cells, followed by an empty one, to its values."""

FIELDS = ("symbol", "timestamp", "price", "previous_close", "open", "high", "low", "volume")
_REQUIRED = ("timestamp", "symbol", "price")
_NAMES = {field: (field,) for field in FIELDS} | {
    "timestamp": ("timestamp", "date", "datetime"),
    "symbol": ("symbol", "ticker"),
    "price": ("price", "close"),
}
_KNOWN = frozenset(name for names in _NAMES.values() for name in names)
_MAX_LISTED_NAMES = 12


class Columns(NamedTuple):
    """The positions of the fields in a row of ``width`` cells; a missing field has position ``width``."""

    positions: tuple[int, ...]
    """In the order of ``FIELDS``."""
    width: int

    def has(self, field: str) -> bool:
        """Return whether the file has a column for ``field``."""
        return self.positions[FIELDS.index(field)] < self.width

    @property
    def pick(self) -> ColumnPicker:
        """The function that takes the fields from a row."""
        return itemgetter(*self.positions)


def find_columns(names: Sequence[str]) -> Columns:
    """Find the fields among the columns called ``names``; case does not matter.

    If a field has several columns, the first one counts in the order timestamp, date, datetime; symbol,
    ticker; price, close. Other columns are ignored.

    Raises:
        InvalidQuote: a field's column appears twice.
    """
    known: dict[str, int] = {}
    for position, name in enumerate(names):
        lower_name = name.strip().lower()
        if lower_name in known:
            raise InvalidQuote(f"column {truncate(lower_name)} appears twice")
        if lower_name in _KNOWN:
            known[lower_name] = position
    width = len(names)
    found = (next((known[name] for name in _NAMES[field] if name in known), width) for field in FIELDS)
    return Columns(tuple(found), width)


def require_columns(columns: Columns, names: Sequence[str]) -> None:
    """Check that ``columns``, found among ``names``, have what every quote needs.

    Raises:
        InvalidQuote: time, symbol or price has no column.
    """
    for field in _REQUIRED:
        if not columns.has(field):
            raise InvalidQuote(f"no {_alternatives(_NAMES[field])} among the columns {_list_names(names)}")


def _alternatives(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _list_names(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _MAX_LISTED_NAMES else ""
    return (", ".join(truncate(name) for name in names[:_MAX_LISTED_NAMES]) or "(there are none)") + more


_CACHED_SYMBOLS = 1 << 16
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
# Nearly every cell matches one of these, and needs no conversion.
_is_plain = re.compile(r"(?:[0-9]{1,15}(?:\.[0-9]{1,6})?)?").fullmatch
_is_plain_positive = re.compile(r"(?=[0.]*[1-9])[0-9]{1,15}(?:\.[0-9]{1,6})?").fullmatch
_is_plain_volume = re.compile(r"(?:[0-9]{1,18})?").fullmatch


class RowValidator:
    """Turns the values of a row into canonical texts.

    Args:
        symbols: the symbols to keep, in canonical form, or None for all.
        parse_time: parses a timestamp.
    """

    def __init__(self, symbols: Collection[str] | None, parse_time: Callable[[str], str]) -> None:
        self._symbols = symbols
        self._parse_time = parse_time
        self._parse_symbol = lru_cache(maxsize=_CACHED_SYMBOLS)(self._selected_symbol)
        self.missing_symbols = set(symbols or ())
        """Which of the symbols were not found so far."""

    def validate(self, values: Values) -> Values | None:
        """Return the canonical values of a row, empty if unknown; None for a symbol that is not kept.

        Raises:
            InvalidQuote: a field is missing or breaks the contract of a quote.
        """
        symbol_text, time_text, price, previous_close, opening, high, low, volume = values
        symbol = self._parse_symbol(symbol_text)
        if symbol is None:
            return None
        timestamp = self._parse_time(time_text)
        if not _is_plain_positive(price):
            price = _price(price)
        if previous_close and not _is_plain_positive(previous_close):
            previous_close = _optional(previous_close, "previous_close", parse_positive)
        if not _is_plain(opening):
            opening = _optional(opening, "open", parse_number)
        if not _is_plain(high):
            high = _optional(high, "high", parse_number)
        if not _is_plain(low):
            low = _optional(low, "low", parse_number)
        if not _is_plain_volume(volume):
            volume = _volume(volume)
        return symbol, timestamp, price, previous_close, opening, high, low, volume

    def _selected_symbol(self, text: str) -> str | None:
        text = text.strip()
        if not text:
            raise InvalidQuote("symbol is missing")
        symbol = parse_symbol(text)
        if self._symbols is None:
            return symbol
        if symbol not in self._symbols:
            return None
        self.missing_symbols.discard(symbol)
        return symbol


def _price(text: str) -> str:
    if not text.strip():
        raise InvalidQuote("price is missing")
    return _optional(text, "price", parse_positive)


def _optional(text: str, field: str, parse: Callable[[object, str], Decimal]) -> str:
    text = text.strip()
    return format_decimal(parse(_number(text, field), field)) if text else ""


def _number(text: str, field: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise InvalidQuote(f"{field} {truncate(text)} is not a number")
    return Decimal(text)


def _volume(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    number = _number(text, "volume")
    # A column of whole numbers with gaps is often written as 1200.0 or 1.2e3.
    if not 0 <= number <= MAX_VOLUME or number != number.to_integral_value():
        raise InvalidQuote(f"volume {truncate(text)} is not a whole number from 0 to 2**63 - 1")
    return str(int(number))


_CACHED_TIMESTAMPS = 1 << 15  # symbols share their timestamps
_CLOSE = "16:00"
_DATE_AND_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)? ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def timestamp_parser(timezone: str) -> Callable[[str], str]:
    """Return a function that parses a text to a canonical timestamp.

    It accepts ISO 8601 dates and times with ``-`` and ``:``: ``2008-10-06``, which means 16:00 in
    ``timezone``; ``2008-10-06 15:59:30.25``, a time in ``timezone``; ``2008-10-06T19:59Z`` or with any
    offset. Digits after milliseconds are cut. A naive time that exists twice when clocks go back is the
    earlier one; one that does not exist when they go forward uses the offset from before.

    Raises:
        UsageError: there is no such time zone. The function itself raises ``InvalidQuote``.
    """
    zone = _zone(timezone)

    @lru_cache(maxsize=_CACHED_TIMESTAMPS)
    def parse(text: str) -> str:
        return _timestamp(text, zone)

    return parse


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"The time zone {truncate(name)} is unknown.",
            "Use a name from the IANA time zone database, such as America/New_York, Europe/Berlin or UTC.",
        ) from None


def _timestamp(text: str, zone: ZoneInfo) -> str:
    match = _DATE_AND_TIME.fullmatch(text.strip().upper())
    if match is None:
        raise InvalidQuote("timestamp is missing" if not text.strip() else _not_a_timestamp(text))
    day, minute, second, fraction, offset = match.groups()
    clock = f"{minute or _CLOSE}:{second or '00'}.{fraction or '':0<3.3}"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset or ''}")
    except ValueError:
        raise InvalidQuote(f"timestamp {truncate(text)} is not in the calendar") from None
    if moment.tzinfo is UTC:
        return f"{day}T{clock}Z"  # the usual case; formatting is much slower
    return format_timestamp(moment if offset else moment.replace(tzinfo=zone))


def _not_a_timestamp(text: str) -> str:
    return (
        f"timestamp {truncate(text)} is not an ISO 8601 time "
        "such as 2008-10-06, 2008-10-06 15:59:30 or 2008-10-06T19:59:30.250Z"
    )
