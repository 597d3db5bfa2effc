"""What the parts of one live source have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from stockctl.sources.hours import Hours
from stockctl.sources.yahoo import Breaker, RateLimiter
from stockctl.sources.yahoo_live.counters import Counters


@dataclass(frozen=True)
class Kit:
    """Handed to each part when it is made."""

    counters: Counters
    breaker: Breaker
    """Decides whether Yahoo may be asked."""
    limiter: RateLimiter | None
    """Decides how often; None holds nothing back."""
    hours: Hours
    """When silence is a fault, and which quotes are of a regular session."""
    clock: Callable[[], datetime]
    """The time of day."""
    rng: Random
    """Where the jitter of waits comes from."""
