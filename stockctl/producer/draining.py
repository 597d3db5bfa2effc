"""All that a source yields, with what it has in hand when it is told to end."""

import logging
from collections.abc import Iterator
from threading import Event

from stockctl.producer.closing import Closing
from stockctl.sources.base import Source, Tick

LEAST_SECONDS = 10.0

_log = logging.getLogger(__name__)


def drained(source: Source, stop: Event, grace: float) -> Iterator[Tick]:
    """Yield the ticks of ``source`` to its end.

    One that goes on though ``stop`` is set is left after ``grace`` seconds, or ``LEAST_SECONDS`` if that is
    more, and this is said.
    """
    closing = Closing(stop, max(grace, LEAST_SECONDS))
    for tick in source.ticks(stop):
        yield tick
        if closing.over:
            _log.warning("The source %s does not end: what it still gives is not taken.", source.name)
            return
