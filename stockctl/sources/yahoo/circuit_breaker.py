"""The circuit breaker: after a rate limit, it allows no requests to Yahoo for some time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random
from threading import Lock
from typing import NamedTuple

from stockctl.retry import Backoff
from stockctl.sources.yahoo.errors import CircuitOpen, RateLimited

MAX_WAIT = 300.0
"""The longest wait in seconds after a failure, unless Yahoo asks for a longer one itself."""


MAX_RETRY_AFTER = 3600.0
"""The longest ``Retry-After`` in seconds that is accepted, so that a header cannot stop requests for days."""


_RETRY_AFTER_SPREAD = 1.1


class BreakerState(StrEnum):
    """What a breaker does with requests: allow all, refuse all, or allow one as a test."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerSnapshot(NamedTuple):
    """The state of a breaker at one moment."""

    state: BreakerState
    until: datetime | None
    """When requests are allowed again; None while the breaker is closed."""
    rate_limits: int
    """How many times Yahoo has set a limit so far."""


class CircuitBreaker:
    """A circuit breaker on HTTP 429, shared by all clients of Yahoo.

    A 429 opens it, and every request is refused until a wait is over. The wait doubles with each 429 in a
    row, with jitter, and is never shorter than the ``Retry-After`` that Yahoo sends. Then the breaker is half
    open: one request is sent as a test; an answer closes the breaker, and another 429 opens it again.
    Requests that were already sent when it opened neither close it nor make the wait longer. All methods
    are safe to call from any thread.

    Args:
        first: the shortest wait in seconds; see ``Backoff``.
        cap: the longest wait in seconds, unless ``Retry-After`` is longer.
        rng: the random numbers for the jitter.
        clock: returns seconds that never go back.
        wall_clock: returns the current time, for ``until``.
    """

    def __init__(
        self,
        first: float = 30.0,
        cap: float = MAX_WAIT,
        *,
        rng: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rng = Random() if rng is None else rng  # noqa: S311 - jitter is no secret
        self._backoff = Backoff(first, cap, "half", uniform=self._rng.uniform)
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = Lock()
        self._open_until: float | None = None
        self._until: datetime | None = None
        self._probe: object = None
        self._rate_limits = 0

    @property
    def state(self) -> BreakerState:
        """The current state."""
        return self.snapshot().state

    @property
    def until(self) -> datetime | None:
        """When requests are allowed again (it may be in the past); None while the breaker is closed."""
        return self.snapshot().until

    @property
    def seconds_left(self) -> float:
        """Seconds until requests are allowed again; 0 when they are."""
        with self._lock:
            return self._seconds_left()

    def snapshot(self) -> BreakerSnapshot:
        """Return the current state, time and count."""
        with self._lock:
            if self._open_until is None:
                state = BreakerState.CLOSED
            else:
                state = BreakerState.OPEN if self._seconds_left() > 0 else BreakerState.HALF_OPEN
            return BreakerSnapshot(state, self._until, self._rate_limits)

    def check(self) -> None:
        """Refuse a request while the breaker is open; changes nothing.

        Raises:
            CircuitOpen: it is open.
        """
        with self._lock:
            if self._seconds_left() > 0:
                raise CircuitOpen

    @contextmanager
    def request(self) -> Iterator[None]:
        """Guard one request, sent within the block; a ``RateLimited`` from it opens the breaker.

        Raises:
            CircuitOpen: it is open, or half open while another request tests the limit.
        """
        probe = self._admit()
        answered = False
        try:
            yield
            answered = True
        except CircuitOpen:
            raise
        except RateLimited as error:
            self.record_rate_limit(error.retry_after)
            raise
        finally:
            if probe is not None:
                self._finish_probe(probe, answered=answered)

    def record_rate_limit(self, retry_after: float | None = None) -> None:
        """Open the breaker after a 429, with the seconds of its ``Retry-After``, if any."""
        with self._lock:
            wait = self._seconds_left()
            if wait <= 0:
                wait = self._backoff.next_delay()
                self._rate_limits += 1
            if retry_after is not None:
                requested = min(retry_after, MAX_RETRY_AFTER)
                wait = max(wait, self._rng.uniform(requested, requested * _RETRY_AFTER_SPREAD))
            self._probe = None
            self._open_until = self._clock() + wait
            self._until = self._wall_clock() + timedelta(seconds=wait)

    def _admit(self) -> object:
        """Allow a request; return a token if it is the one that tests the limit, and None otherwise."""
        with self._lock:
            if self._open_until is None:
                return None
            if self._probe is not None or self._seconds_left() > 0:
                raise CircuitOpen
            self._probe = object()
            return self._probe

    def _finish_probe(self, probe: object, *, answered: bool) -> None:
        with self._lock:
            if self._probe is not probe:
                return
            self._probe = None
            if answered:
                self._open_until = self._until = None
                self._backoff.reset()

    def _seconds_left(self) -> float:
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self._clock())
