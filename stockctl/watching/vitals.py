"""Signs of life of a producer's two threads: the one that reads the source, the one that delivers."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

PATIENCE = 300.0
"""Seconds without a sign before a thread counts as hung: more than a slow call with all its tries takes."""


class Verdict(NamedTuple):
    """Whether a producer is alive; the reason tells what is not."""

    healthy: bool
    reason: str | None = None


class Vitals:
    """Collects the signs, and judges by them: one thread reads, one delivers, any may ask for the verdict.

    The reading thread is alive as long as it takes ticks, looks at its wish to stop, or sleeps for a time
    that it named beforehand. While it hands a tick over it depends on the delivery: a full outbox makes it
    wait for as long as that works.

    The delivery is alive as long as calls to the stream begin or end. A stream that cannot be reached is no
    illness: each try in vain is a sign. With nothing to deliver and no call under way none is expected.

    Args:
        patience: seconds without a sign before a thread counts as hung.
        clock: seconds that never go back.
    """

    def __init__(self, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._source = self._delivery = self._idle = clock()
        self._sleeps_until = -math.inf
        self._hands_over = self._ended = False
        self._calls = 0

    def looked(self) -> None:
        """Note that the source looked at the wish to stop, or did something else that only the living do."""
        self._source = self._clock()

    def sleeps(self, seconds: float | None) -> None:
        """Note that the source sleeps for so long, until it is woken; None: for as long as it likes."""
        self._source = self._clock()
        self._sleeps_until = math.inf if seconds is None else self._source + seconds

    def wakes(self) -> None:
        """Note that the source sleeps no more."""
        self._source = self._clock()
        self._sleeps_until = -math.inf

    def hands_over(self) -> None:
        """Note that the source has yielded a tick, which is being taken."""
        self._source = self._clock()
        self._hands_over = True

    def takes_up(self) -> None:
        """Note that the source was asked for its next tick."""
        self._source = self._clock()
        self._hands_over = False

    def ended(self) -> None:
        """Note that nothing more is read."""
        self._ended = True

    def calls(self) -> None:
        """Note that a call to the stream begins."""
        self._delivery = self._clock()
        self._calls += 1

    def returns(self) -> None:
        """Note that a call to the stream has ended, well or not."""
        self._delivery = self._clock()
        self._calls -= 1

    def verdict(self, waiting: int) -> Verdict:
        """Judge, knowing how many quotes wait for their delivery."""
        now = self._clock()
        if not waiting and not self._calls:
            self._idle = now
        silent, undelivered = now - self._source, now - max(self._delivery, self._idle)
        if undelivered > self._patience:
            return Verdict(False, f"the delivery has shown no sign of life for {undelivered:.0f} s")
        if self._ended or silent <= self._patience or now <= self._sleeps_until + self._patience:
            return Verdict(True)
        if self._hands_over and now - self._delivery <= self._patience:
            return Verdict(True)
        return Verdict(False, f"the source has shown no sign of life for {silent:.0f} s")
