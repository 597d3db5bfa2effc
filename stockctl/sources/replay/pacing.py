"""Waiting until a replayed moment is due."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from threading import Event

from stockctl.errors import UsageError
from stockctl.market.quote import Quote
from stockctl.market.timestamp import to_datetime

_LOG = logging.getLogger("stockctl.sources.replay")
_LONGEST_WAIT = 3600.0  # seconds; an event cannot wait for ever
_WORTH_SAYING = 60.0  # seconds


def check_speed(speed: float) -> None:
    """Make sure that ``speed`` is 0 or a positive number.

    Raises:
        UsageError: it is not.
    """
    if not 0 <= speed < math.inf:
        raise UsageError(
            f"A replay cannot have the speed {speed}.",
            "Give 0 (as fast as possible), 1 (real time), or 60 (a minute a second).",
        )


class Pacer:
    """Tells and awaits when moments are due: ``speed`` times as fast as they were, from the first on.

    Args:
        speed: above 0.
        stop: ends every wait.
        clock: seconds that only go forward.
    """

    def __init__(self, speed: float, stop: Event, clock: Callable[[], float]) -> None:
        self._speed = speed
        self._stop = stop
        self._clock = clock
        self._start: tuple[float, float] | None = None
        self._reached = ""

    def is_due(self, timestamp: str) -> bool:
        """Tell whether ``timestamp`` is reached; moments have to come in order."""
        return timestamp == self._reached or self._rest(timestamp) <= 0

    def wait_for(self, timestamp: str) -> bool:
        """Wait until ``timestamp`` is due; False means that ``stop`` came first."""
        rest = self._rest(timestamp)
        if rest >= _WORTH_SAYING:
            _LOG.info("the next quotes, of %s, are due in %s", timestamp, _duration(rest))
        while rest > 0:
            if self._stop.wait(min(rest, _LONGEST_WAIT)):
                return False
            rest = self._rest(timestamp)
        self._reached = timestamp
        return not self._stop.is_set()

    def _rest(self, timestamp: str) -> float:
        """Return the seconds until ``timestamp`` is due; the first one asked for is due at once."""
        moment, now = to_datetime(timestamp).timestamp(), self._clock()
        if self._start is None:
            self._start = moment, now
        first, began = self._start
        return began + (moment - first) / self._speed - now


def paced_ticks(quotes: Iterable[Quote], pacer: Pacer, most: int) -> Iterator[list[Quote]]:
    """Yield quotes when they are due: those of a moment together, with any that are overdue.

    A tick has at most ``most`` quotes. The iterator ends early when the pacer is stopped.
    """
    tick: list[Quote] = []
    for quote in quotes:
        if len(tick) >= most or not pacer.is_due(quote.timestamp):
            if tick:
                yield tick
                tick = []
            if not pacer.wait_for(quote.timestamp):
                return
        tick.append(quote)
    if tick:
        yield tick


def _duration(seconds: float) -> str:
    if seconds == math.inf:
        return "more than a lifetime"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    return f"{minutes} min" if minutes < 120 else f"{hours:,} h"
