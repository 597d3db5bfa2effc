"""Tries with jittered pauses between them, within the time that is left."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass


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
