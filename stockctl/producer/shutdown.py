"""How a producer ends: the grace period, and draining the outbox."""

import logging
import time
from collections.abc import Callable, Iterator
from threading import Event

from stockctl.sources.base import Source, Tick

GRACE_SECONDS = 10.0
_CHECK_SECONDS = 0.25


class GracePeriod:
    """Tells who waits whether to go on.

    Before the wish to stop there is no bound. After it ``grace`` seconds are left in all. When the source
    has ended by itself, there are ``grace`` seconds from the last success: a backlog that goes out may
    take its time, a stream that does not answer may not.

    Args:
        stop: the wish to stop, set by whoever has it.
        grace: in seconds.
        clock: seconds that never go back.
    """

    def __init__(
        self, stop: Event, grace: float = GRACE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stop = stop
        self._grace = grace
        self._clock = clock
        self._deadline: float | None = None
        self._ended = Event()

    @property
    def near(self) -> bool:
        """Whether the run is to end."""
        return self._stop.is_set() or self._ended.is_set()

    @property
    def seconds_left(self) -> float | None:
        """How long the run may still take; None: as long as it needs."""
        if not self.near:
            return None
        if self._deadline is None:
            self._deadline = self._clock() + self._grace
        return max(0.0, self._deadline - self._clock())

    @property
    def over(self) -> bool:
        """Whether no time is left."""
        return self.seconds_left == 0.0

    def source_ended(self) -> None:
        """Note that nothing more comes."""
        self._ended.set()

    def succeeded(self) -> None:
        """Note that something was delivered."""
        if not self._stop.is_set():
            self._deadline = None

    def rest(self, seconds: float) -> bool:
        """Wait, less when the end comes near; return whether to go on."""
        until = self._clock() + seconds
        if not self.near:
            while (more := until - self._clock()) > 0 and not self._stop.wait(min(more, _CHECK_SECONDS)):
                if self._ended.is_set():
                    break
            return not self.over
        left = self.seconds_left
        if left:
            time.sleep(min(seconds, left, 1.0))
        return not self.over


LEAST_SECONDS = 10.0

_log = logging.getLogger(__name__)


def drain(source: Source, stop: Event, grace: float) -> Iterator[Tick]:
    """Yield the ticks of ``source`` to its end.

    One that goes on though ``stop`` is set is left after ``grace`` seconds, or ``LEAST_SECONDS`` if that is
    more, and this is said.
    """
    closing = GracePeriod(stop, max(grace, LEAST_SECONDS))
    for tick in source.ticks(stop):
        yield tick
        if closing.over:
            _log.warning("The source %s does not end: what it still gives is not taken.", source.name)
            return
