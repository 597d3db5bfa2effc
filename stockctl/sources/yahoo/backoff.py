"""How long to leave Yahoo alone after faults."""

from random import Random


class Backoff:
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
