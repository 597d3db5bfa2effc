"""What the parts of the streaming source share: clock, counters, limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random

from stockctl.sources.calendars import MarketHours
from stockctl.sources.yahoo.circuit_breaker import CircuitBreaker
from stockctl.sources.yahoo.rate_limit import RateLimiter


@dataclass
class Counters:
    """Counters since the source was created; each is written by one thread and read by any."""

    connected: bool = False
    """Whether the connection is up now."""
    connections: int = 0
    """How often it was opened."""
    failures: int = 0
    """How often it broke or could not be opened."""
    fallback_polls: int = 0
    """Answered polls: those while the connection was down, and one each time it was opened."""
    messages: int = 0
    """Messages received, valid or not."""
    invalid_messages: int = 0
    """Messages that cannot be decoded."""
    rejected: int = 0
    """Messages whose quote is invalid: no price, a time in the future."""
    unsubscribed: int = 0
    """Messages about symbols that are not, or no longer, subscribed to."""
    timeless: int = 0
    """Quotes left out because the time of their price is unknown."""
    duplicates: int = 0
    """Quotes that were yielded before."""
    backwards: int = 0
    """Quotes older than the newest one of their symbol."""
    outside_session: int = 0
    """Quotes left out because they are from before or after the regular session."""
    wakeups: int = 0
    """Iterations of the connection's loop: one a message and one a heartbeat."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many quotes were left out though their price is valid, by reason."""
        return {
            "backwards": self.backwards,
            "timeless": self.timeless,
            "outside_session": self.outside_session,
        }

    @property
    def reconnects(self) -> int:
        """How often the connection was opened again."""
        return max(0, self.connections - 1)


@dataclass(frozen=True)
class SharedContext:
    """What each part of the source gets when it is created."""

    counters: Counters
    breaker: CircuitBreaker
    """Decides whether requests may be sent to Yahoo."""
    limiter: RateLimiter | None
    """Limits the rate of requests; None means no limit."""
    hours: MarketHours
    """Whether silence is an error, and which quotes are of a regular session."""
    clock: Callable[[], datetime]
    """The current time."""
    rng: Random
    """The source of the jitter in waits."""
