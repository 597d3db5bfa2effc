"""A token bucket, the base of all rate limiters."""

import math


class TokenBucket:
    """Allows ``rate`` tokens a second on average, and a burst after a pause.

    In any ``t`` seconds no more tokens are taken than the rate gives in ``t + burst`` seconds, and those of
    one call. The caller passes the time, in seconds that never go back. Not safe for several threads.

    Args:
        rate: tokens a second, above zero; it may be changed at any time.
        burst: for how many seconds tokens gather while none is taken.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self._burst = burst
        self._free_at = -math.inf

    def wait_time(self, now: float) -> float:
        """Return the seconds until tokens may be taken."""
        return max(0.0, self._free_at - now)

    def take(self, tokens: float, at: float) -> None:
        """Take tokens, though there may be fewer: what is missing makes later calls wait."""
        self._free_at = max(self._free_at, at - self._burst) + tokens / self.rate
