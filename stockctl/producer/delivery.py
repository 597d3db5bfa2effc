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

FIRST_DELAY = 0.25
LONGEST_DELAY = 30.0
_LOGGED_AFTER_FAILURES = 3
_LOGGED_AFTER_SECONDS = 2.0
_EVENT = {"event": "delivery"}
"""Marks log records on a change of the delivery's state, which some logs show in another form."""

_log = logging.getLogger(__name__)


class RetryPolicy:
    """Waits between attempts, whose number is unlimited; logs a lasting failure once.

    The delays are those of a ``Backoff`` with full jitter, from ``FIRST_DELAY`` up to ``LONGEST_DELAY``.

    Args:
        stats: stores the reason why nothing is delivered.
        grace_period: limits the time after the end of the run began.
        waiting: returns how many quotes wait, for the log.
        uniform: returns a random number between two others.
    """

    def __init__(
        self,
        stats: DeliveryStats,
        grace_period: GracePeriod,
        waiting: Callable[[], int] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._stats = stats
        self._grace_period = grace_period
        self._waiting = waiting
        self._backoff = Backoff(FIRST_DELAY, LONGEST_DELAY, uniform=uniform)
        self._failing_since: float | None = None
        self._logged = False

    def wait(self, error: DeliveryError, started_at: float) -> bool:
        """Wait after a failed attempt that started at ``started_at``; return whether to try again."""
        delay = self._backoff.next_delay()
        self._failing_since = started_at if self._failing_since is None else self._failing_since
        lasted = time.monotonic() - self._failing_since
        failures = self._backoff.failures
        if not self._logged and (failures >= _LOGGED_AFTER_FAILURES or lasted >= _LOGGED_AFTER_SECONDS):
            self._logged = True
            self._stats.set_fault(error.message)
            _log.warning("%s Trying again until it works%s.", error.message, self._count(), extra=_EVENT)
        return self._grace_period.wait(delay)

    def succeeded(self) -> None:
        """Record that an attempt succeeded."""
        self._grace_period.succeeded()
        if self._logged and self._failing_since is not None:
            lasted = time.monotonic() - self._failing_since
            _log.info("Delivering again after %.0f s%s.", lasted, self._count(), extra=_EVENT)
            self._stats.set_fault(None)
        self._backoff.reset()
        self._failing_since, self._logged = None, False

    def _count(self) -> str:
        return "" if self._waiting is None else f"; {self._waiting():,} quotes wait"


Observe = Callable[[SendResult], None]


class DeliveryTracker(Protocol):
    """Tracks one batch until it is delivered."""

    @property
    def possibly_sent(self) -> bool:
        """Whether an earlier run may have delivered the batch."""

    def start(self) -> None:
        """Record that an attempt starts, after which the batch may have arrived."""

    def acknowledge(self, remaining: Sequence[Record]) -> None:
        """Record that all of the batch except ``remaining`` was delivered."""

    def abort(self) -> None:
        """Record that none of the remaining items has arrived."""


class NullTracker:
    """For a batch that the source can repeat."""

    possibly_sent = False

    def start(self) -> None:
        """Do nothing."""

    def acknowledge(self, remaining: Sequence[Record]) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


_NULL_TRACKER = NullTracker()


class Delivery:
    """Sends one batch after the other, and retries after a temporary error.

    Args:
        stream: accepts records.
        stats: counts the results.
        retry_policy: waits between attempts.
        observe: called with each result, after the batch is acknowledged.
    """

    def __init__(
        self,
        stream: Stream,
        stats: DeliveryStats,
        retry_policy: RetryPolicy,
        observe: Observe | None = None,
    ) -> None:
        self._stream = stream
        self._stats = stats
        self._retry_policy = retry_policy
        self._observe = observe

    def deliver(self, batch: Batch, tracker: DeliveryTracker = _NULL_TRACKER) -> bool:
        """Send ``batch``; return False if the grace period expired before all of it was accepted.

        Raises:
            DeliveryError: one that is not retryable.
        """
        remaining, unanswered = batch.records, False
        while True:
            started_at = time.monotonic()
            tracker.start()
            try:
                result = self._send(batch, remaining)
            except DeliveryError as error:
                unanswered = unanswered or error.result.possibly_duplicated > 0
                if accepted := len(remaining) - len(error.records):
                    tracker.acknowledge(error.records)
                    self._report(error.result, accepted if tracker.possibly_sent else 0)
                else:
                    self._stats.add(error.result)
                if not unanswered:
                    tracker.abort()
                remaining = error.records
                if not error.retryable:
                    raise
                if not self._retry_policy.wait(error, started_at):
                    return False
            else:
                tracker.acknowledge(())
                self._retry_policy.succeeded()
                self._stats.add_lag(batch.length, time.time() - batch.taken_at)
                self._report(result, len(remaining) if tracker.possibly_sent else 0)
                return True

    def _send(self, batch: Batch, remaining: Sequence[Record]) -> SendResult:
        if not batch.rejections:
            return self._stream.send(remaining)
        self._stream.refuse(batch.rejections)
        self._stats.add_refused(len(batch.rejections))
        return SendResult(0, quarantined=len(batch.rejections))

    def _report(self, result: SendResult, possibly_sent: int) -> None:
        if not result.is_final:  # a final result counts duplicates itself
            result = result._replace(possibly_duplicated=result.possibly_duplicated + possibly_sent)
        self._stats.add(result)
        if self._observe is not None:
            self._observe(result)
