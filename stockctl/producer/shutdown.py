"""How a run ends: the grace period for undelivered quotes, and reading a source to its end."""

import logging
import time
from collections.abc import Callable, Iterator
from threading import Event

from stockctl.sources.base import Source, Tick

GRACE_SECONDS = 10.0
_CHECK_SECONDS = 0.25


class GracePeriod:
    """Limits how long a run may take to end.

    Before ``stop`` is set there is no limit. After that, the run has ``grace`` seconds to end. If the source
    ended by itself, each successful delivery restarts the ``grace`` seconds: a large backlog may take longer,
    a stream that does not respond may not.

    Args:
        stop: set when the run must stop.
        grace: the grace period in seconds.
        clock: returns monotonic seconds.
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
    def stopping(self) -> bool:
        """Whether the run is ending."""
        return self._stop.is_set() or self._ended.is_set()

    @property
    def seconds_left(self) -> float | None:
        """How many seconds the run may still take; None means no limit."""
        if not self.stopping:
            return None
        if self._deadline is None:
            self._deadline = self._clock() + self._grace
        return max(0.0, self._deadline - self._clock())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.seconds_left == 0.0

    def source_ended(self) -> None:
        """Record that the source yields nothing more."""
        self._ended.set()

    def succeeded(self) -> None:
        """Record that something was delivered."""
        if not self._stop.is_set():
            self._deadline = None

    def wait(self, seconds: float) -> bool:
        """Wait ``seconds``, or less if the run is ending; return whether to continue."""
        until = self._clock() + seconds
        if not self.stopping:
            while (more := until - self._clock()) > 0 and not self._stop.wait(min(more, _CHECK_SECONDS)):
                if self._ended.is_set():
                    break
            return not self.expired
        left = self.seconds_left
        if left:
            time.sleep(min(seconds, left, 1.0))
        return not self.expired


LEAST_SECONDS = 10.0

_log = logging.getLogger(__name__)


def drain(source: Source, stop: Event, grace: float) -> Iterator[Tick]:
    """Yield the ticks of ``source`` to its end.

    If the source continues after ``stop`` is set, stop reading it after ``grace`` seconds, but at least
    ``LEAST_SECONDS``, and log a warning.
    """
    grace_period = GracePeriod(stop, max(grace, LEAST_SECONDS))
    for tick in source.ticks(stop):
        yield tick
        if grace_period.expired:
            _log.warning("The source %s does not stop: its remaining quotes are not read.", source.name)
            return
