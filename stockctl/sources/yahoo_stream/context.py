"""What the parts of the streaming source share: clock, counters, status."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random

from stockctl.sources.calendars import MarketHours
from stockctl.sources.yahoo.throttle import CircuitBreaker, RateLimiter


@dataclass
class Counters:
    """Figures since the source was made; each is written by one thread and may be read by any."""

    connected: bool = False
    """Whether the live connection is up now."""
    connections: int = 0
    """How often it came up."""
    failures: int = 0
    """How often it broke or could not be made."""
    fallback_polls: int = 0
    """Polls that Yahoo answered: while the connection was down, and one each time it came up."""
    frames: int = 0
    """Messages that came over the connection, good and bad."""
    bad_frames: int = 0
    """Messages that nobody can decode."""
    refused: int = 0
    """Messages whose quote breaks the contract: no price, a time in the future."""
    unasked: int = 0
    """Messages about symbols that are not, or no longer, asked for."""
    timeless: int = 0
    """Quotes left out because nobody says since when their price holds."""
    duplicates: int = 0
    """Quotes that had been handed on already."""
    backwards: int = 0
    """Quotes older than the newest one of their symbol."""
    outside: int = 0
    """Quotes from before or after the regular session, which are left out."""
    wakeups: int = 0
    """How often the connection's loop went round: once a message and once a heartbeat."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many quotes were left out though nothing is wrong with their price, by the reason."""
        return {"backwards": self.backwards, "timeless": self.timeless, "outside_session": self.outside}

    @property
    def reconnects(self) -> int:
        """How often the connection came up again."""
        return max(0, self.connections - 1)


@dataclass(frozen=True)
class SharedContext:
    """Handed to each part when it is made."""

    counters: Counters
    breaker: CircuitBreaker
    """Decides whether Yahoo may be asked."""
    limiter: RateLimiter | None
    """Decides how often; None holds nothing back."""
    hours: MarketHours
    """When silence is a fault, and which quotes are of a regular session."""
    clock: Callable[[], datetime]
    """The time of day."""
    rng: Random
    """Where the jitter of waits comes from."""
