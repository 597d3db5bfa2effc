"""Moments as text: UTC, ISO 8601, milliseconds, ``Z``; fixed width, so that text order is time order."""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from stockctl.market.validation import InvalidQuote, truncate

NEW_YORK = "America/New_York"
_CANONICAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def parse_timestamp(value: object, field: str = "timestamp") -> str:
    """Return ``value`` when it is a moment in the one form this project writes.

    Raises:
        InvalidQuote: it has another form, or names a moment that the calendar does not have.
    """
    if isinstance(value, str) and _CANONICAL.fullmatch(value) and _exists(value):
        return value
    raise InvalidQuote(f"{field} {truncate(value)} is not a UTC time such as 2008-10-06T20:00:00.000Z")


@lru_cache(maxsize=4096)
def _exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def format_timestamp(moment: datetime) -> str:
    """Return an aware ``moment`` as text, cut (not rounded) to milliseconds.

    Raises:
        InvalidQuote: the moment lies outside the years 1 to 9999 once it is in UTC.
    """
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        raise InvalidQuote(f"time {truncate(str(moment))} is outside the calendar") from None
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def to_datetime(timestamp: str) -> datetime:
    """Return the aware UTC moment of a canonical ``timestamp``."""
    return datetime.fromisoformat(timestamp)


@lru_cache(maxsize=4096)
def new_york_date(timestamp: str) -> str:
    """Return the calendar date in New York, ``YYYY-MM-DD``, at a canonical ``timestamp``."""
    return _local_date(to_datetime(timestamp)).isoformat()


def _local_date(moment: datetime) -> date:
    try:
        return moment.astimezone(ZoneInfo(NEW_YORK)).date()
    except OverflowError:  # the first hours of year 1 are no date in New York
        return moment.date()


def object_name(timestamp: str) -> str:
    """Return ``timestamp`` as it stands in object keys and file names, where a colon is no good."""
    return timestamp.replace(":", "-")
