"""Requests a minute: a token bucket, and Retry-After headers."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event, Lock

from stockctl.rate_limit import TokenBucket
from stockctl.sources.base import SourceStopped

BURST_SECONDS = 10.0
"""After a pause, the requests of this many seconds may be sent at once."""


class RateLimiter:
    """A token bucket for requests, safe to use from any thread.

    In any ``t`` seconds no more requests start than the rate allows in ``t + BURST_SECONDS``, and one more.
    Requests that one request caused (for a cookie, or a second try) are charged afterwards, and make later
    ones wait.

    Args:
        per_minute: requests a minute; above zero.
        clock: returns seconds that never go back.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._lock = Lock()
        self._bucket = TokenBucket(per_minute / 60.0, BURST_SECONDS)

    def reserve(self) -> float:
        """Reserve one request and return the seconds to wait before it starts."""
        with self._lock:
            now = self._clock()
            wait = self._bucket.wait_time(now)
            self._bucket.take(1, at=now + wait)
            return wait

    def charge(self, requests: int) -> None:
        """Count requests that were sent already, as a consequence of one that was reserved."""
        with self._lock:
            self._bucket.take(requests, at=self._clock())

    def wait(self, stop: Event) -> None:
        """Wait until one more request may start.

        Raises:
            SourceStopped: ``stop`` was set first.
        """
        if stop.wait(self.reserve()):
            raise SourceStopped


_SECONDS = re.compile(r"[0-9]{1,9}")


def parse_retry_after(header: object, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait from ``now``, or None.

    It holds a number of seconds or an HTTP date; a date in the past or an invalid value gives None.
    """
    text = header.strip() if isinstance(header, str) else ""
    if _SECONDS.fullmatch(text):
        return float(text) or None
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    seconds = (date - now).total_seconds()
    return seconds if seconds > 0 else None
