"""Exponential backoff with jitter."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

_LARGEST_EXPONENT = 64


def _unlimited() -> float:
    return math.inf


@dataclass
class Backoff:
    """Delays that double with each consecutive failure, up to a cap.

    The delays are random, so that clients which failed together do not retry together. After the n-th
    failure the delay is a uniform random number

    - with ``full`` jitter from 0 to ``first * 2**(n - 1)`` seconds, at most ``cap``;
    - with ``half`` jitter from the upper half of ``first * 2**n`` seconds, at most ``cap``, and never below
      ``first``: a poller that sets ``first`` to its interval never polls more often because of a failure.

    Use ``pause`` to retry one call a limited number of times, and ``next_delay`` with ``reset`` to retry
    without a limit. An instance on which only ``delay`` and ``pause`` are called may be shared by threads.
    """

    first: float = 0.1
    cap: float = 5.0
    jitter: Literal["full", "half"] = "full"
    attempts: int = 8
    """The maximum number of attempts, for ``pause``."""
    uniform: Callable[[float, float], float] = random.uniform
    """Returns a random number between two others."""
    sleep: Callable[[float], None] = time.sleep
    seconds_left: Callable[[], float] = _unlimited
    """Returns how many seconds the caller may still take; ``pause`` refuses a longer delay."""
    failures: int = field(default=0, init=False)
    """Consecutive failures, as counted by ``next_delay``."""

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after ``failures`` consecutive failures; ``failures`` is at least 1."""
        doubled = self.first * 2.0 ** min(failures - 1, _LARGEST_EXPONENT)
        if self.jitter == "full":
            return self.uniform(0, min(self.cap, doubled))
        longest = min(max(self.cap, self.first), doubled * 2)
        return max(self.first, self.uniform(longest / 2, longest))

    def pause(self, tries: int) -> bool:
        """Sleep after failed attempt number ``tries``.

        Return False without sleeping if no attempt is left.
        """
        if tries >= self.attempts:
            return False
        delay = self.delay(tries)
        if delay >= self.seconds_left():
            return False
        self.sleep(delay)
        return True

    def next_delay(self) -> float:
        """Count one more failure and return the seconds to wait after it."""
        self.failures += 1
        return self.delay(self.failures)

    def reset(self) -> int:
        """Forget the failures after a success, and return how many there were."""
        failures, self.failures = self.failures, 0
        return failures
