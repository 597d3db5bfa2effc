"""Timestamps as text: UTC, ISO 8601 with milliseconds and ``Z``; fixed width, so they sort as text."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeGuard
from zoneinfo import ZoneInfo

from stockctl.market.errors import InvalidQuote, truncate

NEW_YORK = "America/New_York"
_CANONICAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def parse_timestamp(value: object, field: str = "timestamp") -> str:
    """Return ``value`` if it is a canonical timestamp.

    Raises:
        InvalidQuote: it has another form, or does not exist in the calendar.
    """
    if is_timestamp(value):
        return value
    raise InvalidQuote(f"{field} {truncate(value)} is not a UTC time such as 2008-10-06T20:00:00.000Z")


def is_timestamp(value: object) -> TypeGuard[str]:
    """Return whether ``value`` is a canonical timestamp."""
    return isinstance(value, str) and _CANONICAL.fullmatch(value) is not None and _exists(value)


@lru_cache(maxsize=4096)
def _exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def format_timestamp(moment: datetime) -> str:
    """Return an aware ``moment`` as a canonical timestamp, truncated (not rounded) to milliseconds.

    Raises:
        InvalidQuote: the moment is outside the years 1 to 9999 in UTC.
    """
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        raise InvalidQuote(f"time {truncate(str(moment))} is outside the calendar") from None
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def to_datetime(timestamp: str) -> datetime:
    """Return a canonical ``timestamp`` as an aware UTC datetime."""
    return datetime.fromisoformat(timestamp)


def format_duration(duration: timedelta) -> str:
    """Return a duration in whole seconds exactly, in the largest unit that divides it, such as ``90m``."""
    seconds = int(duration.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


@lru_cache(maxsize=4096)
def new_york_date(timestamp: str) -> str:
    """Return the calendar date in New York, ``YYYY-MM-DD``, at a canonical ``timestamp``."""
    return _local_date(to_datetime(timestamp)).isoformat()


def _local_date(moment: datetime) -> date:
    try:
        return moment.astimezone(ZoneInfo(NEW_YORK)).date()
    except OverflowError:  # the first hours of year 1 have no date in New York
        return moment.date()


def object_name(timestamp: str) -> str:
    """Return ``timestamp`` for object keys and file names: ``:`` becomes ``-``, as Hadoop paths require."""
    return timestamp.replace(":", "-")
