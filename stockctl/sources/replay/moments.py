"""From the times that files hold to the one form this project writes."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stockctl.errors import UsageError
from stockctl.market.refusal import Refusal, shown
from stockctl.market.timestamp import format_timestamp

_REMEMBERED = 1 << 15  # symbols share their times, and a file by symbol comes back to each of them
_CLOSE = "16:00"
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)? ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def moment_reader(timezone: str) -> Callable[[str], str]:
    """Return a function from a time as text to a canonical timestamp.

    It reads ISO 8601 dates and times with ``-`` and ``:``: ``2008-10-06``, which means 16:00 in
    ``timezone``; ``2008-10-06 15:59:30.25``, a time in ``timezone``; ``2008-10-06T19:59Z`` or with any
    offset. What is finer than a millisecond is cut. A naive time that comes twice when clocks go back
    is the earlier one; one that is skipped when they go forward counts on from before.

    Raises:
        UsageError: there is no such time zone. The function itself raises ``Refusal``.
    """
    zone = _zone(timezone)

    @lru_cache(maxsize=_REMEMBERED)
    def moment(text: str) -> str:
        return _timestamp(text, zone)

    return moment


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"The time zone {shown(name)} is unknown.",
            "Give a name of the IANA time zone database, such as America/New_York, Europe/Berlin or UTC.",
        ) from None


def _timestamp(text: str, zone: ZoneInfo) -> str:
    match = _MOMENT.fullmatch(text.strip().upper())
    if match is None:
        raise Refusal("timestamp is missing" if not text.strip() else _unlike(text))
    day, minute, second, fraction, offset = match.groups()
    clock = f"{minute or _CLOSE}:{second or '00'}.{fraction or '':0<3.3}"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset or ''}")
    except ValueError:
        raise Refusal(f"timestamp {shown(text)} is not in the calendar") from None
    if moment.tzinfo is UTC:
        return f"{day}T{clock}Z"  # as most files have it; formatting would take most of the time
    return format_timestamp(moment if offset else moment.replace(tzinfo=zone))


def _unlike(text: str) -> str:
    return (
        f"timestamp {shown(text)} is not an ISO 8601 time "
        "such as 2008-10-06, 2008-10-06 15:59:30 or 2008-10-06T19:59:30.250Z"
    )
