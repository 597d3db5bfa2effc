"""Limits on requests to Yahoo: rate limiter, circuit breaker, Retry-After."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from random import Random
from threading import Event, Lock
from typing import NamedTuple

from stockctl.rate_limit import TokenBucket
from stockctl.retry import Backoff
from stockctl.sources.base import SourceStopped
from stockctl.sources.yahoo.errors import CircuitOpen, RateLimited

LONGEST_WAIT = 300.0
"""Seconds that Yahoo is left alone at most, unless it asks for more itself."""
LONGEST_REQUEST = 3600.0
"""Seconds of a ``Retry-After`` that are granted: no header may silence a program for days."""
_SPREAD = 1.1


class BreakerState(StrEnum):
    """What a breaker does with a request: let it go, withhold it, or let one go to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerView(NamedTuple):
    """A breaker at one moment, for whoever shows it."""

    state: BreakerState
    until: datetime | None
    """When Yahoo may be asked again; None while the breaker is closed."""
    limits: int
    """How many times Yahoo has set a limit so far."""


class CircuitBreaker:
    """A circuit breaker on HTTP 429, to be shared by all that ask Yahoo.

    It opens at a 429 and withholds every request until a wait is over, which doubles each time, with
    jitter, and is never shorter than what Yahoo asks for in ``Retry-After``. Then it is half open: one
    request goes, and closes it with an answer or opens it again with another 429. What was on its way
    when it opened neither closes it nor makes the wait longer. Every method may be called from any thread.

    Args:
        first: seconds of the shortest wait; see ``Backoff``.
        cap: seconds of the longest one, unless ``Retry-After`` is longer.
        rng: where the jitter comes from.
        clock: seconds that never go back.
        today: the time of day, for ``until``.
    """

    def __init__(
        self,
        first: float = 30.0,
        cap: float = LONGEST_WAIT,
        *,
        rng: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rng = Random() if rng is None else rng  # noqa: S311 - jitter is no secret
        self._backoff = Backoff(first, cap, "half", uniform=self._rng.uniform)
        self._clock = clock
        self._today = today
        self._lock = Lock()
        self._opens_at: float | None = None
        self._until: datetime | None = None
        self._probe: object = None
        self._limits = 0

    @property
    def state(self) -> BreakerState:
        """What it does with a request now."""
        return self.view().state

    @property
    def until(self) -> datetime | None:
        """When Yahoo may be asked again (it may be over); None while the breaker is closed."""
        return self.view().until

    @property
    def left(self) -> float:
        """Seconds until Yahoo may be asked again; 0 when it may be now."""
        with self._lock:
            return self._left()

    def view(self) -> BreakerView:
        """Return state, time and count of this moment."""
        with self._lock:
            if self._opens_at is None:
                state = BreakerState.CLOSED
            else:
                state = BreakerState.OPEN if self._left() > 0 else BreakerState.HALF_OPEN
            return BreakerView(state, self._until, self._limits)

    def check(self) -> None:
        """Refuse while it is open, and count nothing.

        Raises:
            CircuitOpen: it is open.
        """
        with self._lock:
            if self._left() > 0:
                raise CircuitOpen

    @contextmanager
    def request(self) -> Iterator[None]:
        """Let one request go within the block, and learn from a ``RateLimited`` that leaves it.

        Raises:
            CircuitOpen: it is open, or half open with another request on its way.
        """
        probe = self._admit()
        answered = False
        try:
            yield
            answered = True
        except CircuitOpen:
            raise
        except RateLimited as fault:
            self.limited(fault.retry_after)
            raise
        finally:
            if probe is not None:
                self._conclude(probe, answered=answered)

    def limited(self, retry_after: float | None = None) -> None:
        """Open, because Yahoo has answered 429 and asked for ``retry_after`` seconds (None: for none)."""
        with self._lock:
            wait = self._left()
            if wait <= 0:
                wait = self._backoff.next_delay()
                self._limits += 1
            if retry_after is not None:
                asked = min(retry_after, LONGEST_REQUEST)
                wait = max(wait, self._rng.uniform(asked, asked * _SPREAD))
            self._probe = None
            self._opens_at = self._clock() + wait
            self._until = self._today() + timedelta(seconds=wait)

    def _admit(self) -> object:
        """Let a request go; return a token when it is the one that decides, and None otherwise."""
        with self._lock:
            if self._opens_at is None:
                return None
            if self._probe is not None or self._left() > 0:
                raise CircuitOpen
            self._probe = object()
            return self._probe

    def _conclude(self, probe: object, *, answered: bool) -> None:
        with self._lock:
            if self._probe is not probe:
                return
            self._probe = None
            if answered:
                self._opens_at = self._until = None
                self._backoff.reset()

    def _left(self) -> float:
        return 0.0 if self._opens_at is None else max(0.0, self._opens_at - self._clock())


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
        self._clock = clock
        self._lock = Lock()
        self._bucket = TokenBucket(per_minute / 60.0, BURST_SECONDS)

    def take(self) -> float:
        """Take room for a request and return the seconds to wait before it begins."""
        with self._lock:
            now = self._clock()
            wait = self._bucket.wait_time(now)
            self._bucket.take(1, at=now + wait)
            return wait

    def charge(self, requests: int) -> None:
        """Count requests that were made already, in consequence of one that was let through."""
        with self._lock:
            self._bucket.take(requests, at=self._clock())

    def wait(self, stop: Event) -> None:
        """Wait until one more request may begin.

        Raises:
            Stopped: ``stop`` was set first.
        """
        if stop.wait(self.take()):
            raise SourceStopped


_SECONDS = re.compile(r"[0-9]{1,9}")


def parse_retry_after(header: object, now: datetime) -> float | None:
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
