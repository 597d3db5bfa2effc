"""How many requests go to Yahoo in a minute, from all threads together."""

import time
from collections.abc import Callable
from threading import Event, Lock

from stockctl.sources.yahoo.caller import Stopped

BURST_SECONDS = 10.0
"""After a pause, what this many seconds allow may go at once."""


class RateLimiter:
    """A token bucket on requests.

    In any ``t`` seconds no more requests begin than the rate allows in ``t + BURST_SECONDS``, and one
    more. What a request turned out to cost beyond itself (a cookie, a second try) is charged afterwards,
    and makes later ones wait. Every method may be called from any thread.

    Args:
        per_minute: requests; above zero.
        clock: seconds that never go back.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._cost = 60.0 / per_minute
        self._clock = clock
        self._lock = Lock()
        self._free_at = -float("inf")

    def take(self) -> float:
        """Take room for a request and return the seconds to wait before it begins."""
        with self._lock:
            now = self._clock()
            begins = max(self._free_at, now - BURST_SECONDS)
            self._free_at = begins + self._cost
            return max(0.0, begins - now)

    def charge(self, requests: int) -> None:
        """Count requests that were made already, in consequence of one that was let through."""
        with self._lock:
            self._free_at = max(self._free_at, self._clock() - BURST_SECONDS) + requests * self._cost

    def wait(self, stop: Event) -> None:
        """Wait until one more request may begin.

        Raises:
            Stopped: ``stop`` was set first.
        """
        if stop.wait(self.take()):
            raise Stopped
