"""Delivers batches to a stream, with retries."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from stockctl.pipeline.ports import DeliveryError, Record, SendResult, Stream
from stockctl.producer.batching import Batch
from stockctl.producer.shutdown import GracePeriod
from stockctl.producer.stats import DeliveryStats
from stockctl.retry import Backoff

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
_LOGGED_AFTER_FAULTS = 3
_LOGGED_AFTER_SECONDS = 2.0
_EVENT = {"event": "delivery"}
"""Marks log records on a change of the delivery's state, which some logs show in another form."""

_log = logging.getLogger(__name__)


class RetryPolicy:
    """Pauses between tries, for ever; what blinks is not worth a word, what lasts is said once.

    The pauses are those of a ``Backoff`` with full jitter, from ``FIRST_PAUSE`` up to ``LONGEST_PAUSE``.

    Args:
        meter: is told why nothing is delivered.
        closing: how long it may go on.
        waiting: how many quotes wait, for a person.
        uniform: draws a number between two others.
    """

    def __init__(
        self,
        meter: DeliveryStats,
        closing: GracePeriod,
        waiting: Callable[[], int] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._meter = meter
        self._closing = closing
        self._waiting = waiting
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE, uniform=uniform)
        self._since: float | None = None
        self._told = False

    def rest(self, fault: DeliveryError, began: float) -> bool:
        """Pause after a fault in a try that ``began`` then; return whether to try again."""
        delay = self._backoff.next_delay()
        self._since = began if self._since is None else self._since
        lasted = time.monotonic() - self._since
        if not self._told and (
            self._backoff.failures >= _LOGGED_AFTER_FAULTS or lasted >= _LOGGED_AFTER_SECONDS
        ):
            self._told = True
            self._meter.tell(fault.message)
            _log.warning("%s Trying again until it works%s.", fault.message, self._counted(), extra=_EVENT)
        return self._closing.rest(delay)

    def rewarded(self) -> None:
        """Note that a try went well."""
        self._closing.succeeded()
        if self._told and self._since is not None:
            lasted = time.monotonic() - self._since
            _log.info("Delivering again after %.0f s%s.", lasted, self._counted(), extra=_EVENT)
            self._meter.tell(None)
        self._backoff.reset()
        self._since, self._told = None, False

    def _counted(self) -> str:
        return "" if self._waiting is None else f"; {self._waiting():,} quotes wait"


Observe = Callable[[SendResult], None]


class DeliveryTracker(Protocol):
    """Who answers for a batch until it is delivered."""

    @property
    def doubted(self) -> bool:
        """Whether an earlier run may have delivered it."""

    def begin(self) -> None:
        """Note, before a try, that from now on it may have arrived."""

    def settle(self, left: Sequence[Record]) -> None:
        """Note that something was taken, and what is left; nothing, when all of it was."""

    def withdraw(self) -> None:
        """Note that, for certain, nothing of what is left has arrived."""


class NullTracker:
    """For a batch that can be had again."""

    doubted = False

    def begin(self) -> None:
        """Note nothing."""

    def settle(self, left: Sequence[Record]) -> None:
        """Note nothing."""

    def withdraw(self) -> None:
        """Note nothing."""


_NONE = NullTracker()


class Delivery:
    """Sends batches, one after the other, and tries again for as long as a fault may pass.

    Args:
        stream: where records go.
        meter: counts what was done.
        patience: waits between tries.
        observe: called with the result of what was taken, after that is settled.
    """

    def __init__(
        self, stream: Stream, meter: DeliveryStats, patience: RetryPolicy, observe: Observe | None = None
    ) -> None:
        self._stream = stream
        self._meter = meter
        self._patience = patience
        self._observe = observe

    def deliver(self, batch: Batch, ledger: DeliveryTracker = _NONE) -> bool:
        """Send ``batch``; return False when the time was over before all of it was taken.

        Raises:
            DeliveryError: of a fault that does not pass.
        """
        left, doubted = batch.records, False
        while True:
            began = time.monotonic()
            ledger.begin()
            try:
                result = self._send(batch, left)
            except DeliveryError as fault:
                doubted = doubted or fault.result.possibly_duplicated > 0
                if taken := len(left) - len(fault.records):
                    ledger.settle(fault.records)
                    self._tell(fault.result, taken if ledger.doubted else 0)
                else:
                    self._meter.add(fault.result)
                if not doubted:
                    ledger.withdraw()
                left = fault.records
                if not fault.retryable:
                    raise
                if not self._patience.rest(fault, began):
                    return False
            else:
                ledger.settle(())
                self._patience.rewarded()
                self._meter.acknowledged(batch.length, time.time() - batch.taken_at)
                self._tell(result, len(left) if ledger.doubted else 0)
                return True

    def _send(self, batch: Batch, left: Sequence[Record]) -> SendResult:
        if not batch.rejections:
            return self._stream.send(left)
        self._stream.refuse(batch.rejections)
        self._meter.refused(len(batch.rejections))
        return SendResult(0, quarantined=len(batch.rejections))

    def _tell(self, result: SendResult, doubted: int) -> None:
        if not result.is_final:  # else it tells itself what was there already
            result = result._replace(possibly_duplicated=result.possibly_duplicated + doubted)
        self._meter.add(result)
        if self._observe is not None:
            self._observe(result)
