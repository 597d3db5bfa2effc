"""Converts values of a SQL result to JSON, in the same way for every engine."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from stockctl.market.timestamp import format_timestamp


def json_value(value: object) -> object:
    """Return a string, int, float, bool or None for a value that a database driver returned.

    NaN and infinity become None; a decimal becomes an int if it has no decimal places, else a float; a
    timestamp with a time zone is converted to UTC, with a ``Z``; binary becomes hexadecimal; an array, row or
    map becomes JSON text.
    """
    plain = _plain(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, (list, dict)) else plain


def _plain(value: object) -> object:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (date, time, timedelta)):
        return _time_text(value)
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence):
        return [_plain(entry) for entry in value]
    return str(value)


def _number(value: Decimal) -> int | float | None:
    if not value.is_finite():
        return None
    return float(value) if value.as_tuple().exponent else int(value)


def _time_text(value: date | time | timedelta) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return format_timestamp(value)
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, timedelta):
        sign = "-" if value < timedelta() else ""
        seconds, milliseconds = divmod(abs(value) // timedelta(milliseconds=1), 1000)
        clock = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"
        return f"{sign}{seconds // 86400} {clock}"
    return value.isoformat()
