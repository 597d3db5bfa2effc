"""What a server says about when to come back."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}")


def seconds_of(header: object, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait at ``now``, or None for none.

    It holds a number of seconds or a date of HTTP; a date that is over, and what is neither, is none.
    """
    text = header.strip() if isinstance(header, str) else ""
    if _SECONDS.fullmatch(text):
        return float(text) or None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    left = (moment - now).total_seconds()
    return left if left > 0 else None
