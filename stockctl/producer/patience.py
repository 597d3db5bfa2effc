"""Waiting for a fault to pass, and saying so once."""

import logging
import random
import time
from collections.abc import Callable

from stockctl.pipeline.ports import Undelivered
from stockctl.producer.closing import Closing
from stockctl.producer.meter import Meter

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
_TOLD_AFTER_FAULTS = 3
_TOLD_AFTER_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Patience:
    """Pauses between tries, for ever; what blinks is not worth a word, what lasts is said once.

    A pause is drawn evenly from 0 to a bound that doubles up to ``LONGEST_PAUSE``, so that many producers
    who failed together do not come back together.

    Args:
        meter: is told why nothing is delivered.
        closing: how long it may go on.
        waiting: how many quotes wait, for a person.
        draw: draws a number between two others.
    """

    def __init__(
        self,
        meter: Meter,
        closing: Closing,
        waiting: Callable[[], int] | None = None,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._meter = meter
        self._closing = closing
        self._waiting = waiting
        self._draw = draw
        self._faults = 0
        self._since: float | None = None
        self._told = False

    def rest(self, fault: Undelivered, began: float) -> bool:
        """Pause after a fault in a try that ``began`` then; return whether to try again."""
        self._faults += 1
        self._since = began if self._since is None else self._since
        lasted = time.monotonic() - self._since
        if not self._told and (self._faults >= _TOLD_AFTER_FAULTS or lasted >= _TOLD_AFTER_SECONDS):
            self._told = True
            self._meter.tell(fault.message)
            _log.warning("%s Trying again until it works%s.", fault.message, self._counted())
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._faults - 1, 16))
        return self._closing.rest(self._draw(0.0, bound))

    def rewarded(self) -> None:
        """Note that a try went well."""
        self._closing.succeeded()
        if self._told and self._since is not None:
            _log.info("Delivering again after %.0f s%s.", time.monotonic() - self._since, self._counted())
            self._meter.tell(None)
        self._faults, self._since, self._told = 0, None, False

    def _counted(self) -> str:
        return "" if self._waiting is None else f"; {self._waiting():,} quotes wait"
