"""Formats durations, sizes and symbols for people, and parses durations."""

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from stockctl.market.timestamp import format_timestamp

_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as ``30s``, ``10m``, ``2h`` or ``3d``.

    Raises:
        ValueError: it is not a number followed by s, m, h or d.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 30s, 10m, 2h or 3d")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def parse_since(text: str, now: datetime) -> str:
    """Return the timestamp for ``text``: a duration before ``now``, or an ISO 8601 time (naive = UTC).

    Raises:
        ValueError: it is neither, or out of range.
    """
    try:
        if _DURATION.fullmatch(text.strip()):
            return format_timestamp(now - parse_duration(text))
        moment = datetime.fromisoformat(text.strip())
    except OverflowError:
        raise ValueError(f"{text!r} is too long ago") from None
    except ValueError as error:
        if _DURATION.fullmatch(text.strip()):
            raise
        raise ValueError(
            f"{text!r} is neither a duration such as 10m, 2h or 3d nor a time such as 2008-10-06T20:00:00Z"
        ) from error
    return format_timestamp(moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo))


def format_age(seconds: float) -> str:
    """Return an age in its largest unit, such as ``14m`` or ``18y``."""
    if seconds == math.inf:
        return "forever"
    seconds = max(seconds, 0)
    for unit, length in (("y", 31_557_600), ("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds)}s"


def format_seconds(seconds: float) -> str:
    """Return a duration such as ``12 ms`` or ``4.5 s``; from a minute on as ``format_age`` does."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else format_age(seconds)


def format_bytes(count: int) -> str:
    """Return a number of bytes such as ``512 B`` or ``1.2 MB``; a kilobyte has 1000."""
    size = float(count)
    if size < 1000:
        return f"{count} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


_MAX_LISTED_SYMBOLS = 5
_MAX_TEXT_LENGTH = 160


def join_symbols(symbols: Sequence[str]) -> str:
    """Return the symbols separated by commas; of many only the first ones."""
    if len(symbols) <= _MAX_LISTED_SYMBOLS + 1:
        return ", ".join(symbols)
    return f"{', '.join(symbols[:_MAX_LISTED_SYMBOLS])} and {len(symbols) - _MAX_LISTED_SYMBOLS} more"


def escape_line(text: str) -> str:
    """Return text from outside for use in a message: escaped, on one line, at most 160 characters."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= _MAX_TEXT_LENGTH else escaped[: _MAX_TEXT_LENGTH - 3] + "..."
