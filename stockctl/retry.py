"""Exponential backoff with jitter."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random


def _unbounded() -> float:
    return math.inf


@dataclass(frozen=True)
class Backoff:
    """How often to try, and how long to wait between.

    The pause after try n is drawn evenly from 0 to ``first * 2**(n - 1)`` seconds, ``longest`` at most,
    so that many callers who failed together do not come back together.
    """

    attempts: int = 8
    first: float = 0.1
    longest: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[float, float], float] = random.uniform
    seconds_left: Callable[[], float] = _unbounded
    """How long the caller may still take; a pause that would not fit ends the tries."""

    def pause(self, tries: int) -> bool:
        """Wait before another try when there were ``tries``; tell at once when there may be none."""
        if tries >= self.attempts:
            return False
        pause = self.draw(0, min(self.longest, self.first * 2 ** (tries - 1)))
        if pause >= self.seconds_left():
            return False
        self.sleep(pause)
        return True


class DoublingBackoff:
    """Waits that double with each fault in a row, with jitter, so that programs do not come back as one.

    The n-th wait is drawn evenly from the upper half of ``first * 2**n`` seconds, or of ``cap`` once that
    is less. It is never below ``first``, so with ``first`` at the polling interval no fault is a reason to
    ask more often than usual.
    """

    def __init__(self, first: float, cap: float, rng: Random) -> None:
        self._first = first
        self._cap = max(cap, first)
        self._rng = rng
        self.faults = 0
        """Faults in a row so far."""

    def wait(self) -> float:
        """Count one more fault and return the seconds to wait after it."""
        self.faults += 1
        longest = min(self._first * 2.0 ** min(self.faults, 64), self._cap)
        return max(self._first, self._rng.uniform(longest / 2, longest))

    def reset(self) -> int:
        """Return how many faults in a row are over, and begin anew."""
        over, self.faults = self.faults, 0
        return over
