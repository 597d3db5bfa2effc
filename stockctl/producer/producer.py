"""The two producers: direct for sources that can be read again, buffered by an outbox for live sources."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Event, Thread

from stockctl.pipeline.ports import DeliveryError, Record, Stream
from stockctl.producer.batching import Batch, Batcher
from stockctl.producer.delivery import Delivery, Observe, RetryPolicy
from stockctl.producer.outbox.errors import OutboxError
from stockctl.producer.outbox.queue import Outbox, PendingBatch
from stockctl.producer.shutdown import GRACE_SECONDS, GracePeriod, drain
from stockctl.producer.stats import Backlog, DeliverySnapshot, DeliveryStats, Totals
from stockctl.sources.base import Source

_CHECK_SECONDS = 0.5
_IDLE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class DirectProducer:
    """Sends each tick of a source at once, so that no quote waits for a later one.

    While the stream accepts nothing, the source waits. This is for sources that lose nothing by that and can
    be run again, such as a replay. ``BufferedProducer`` is for all others.

    Args:
        source: yields quotes.
        stream: accepts them.
        limit: the maximum number of quotes to send; 0 means no limit.
        observe: called with the result of each batch.
        grace: seconds to deliver the current batch after ``stop`` is set.
    """

    def __init__(
        self,
        source: Source,
        stream: Stream,
        *,
        limit: int = 0,
        observe: Observe | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._source = source
        self._stream = stream
        self._batcher = Batcher(limit)
        self._observe = observe
        self._grace = grace
        self._stats = DeliveryStats()
        self.backlog = Backlog()
        """What was read and not delivered when the grace period expired."""

    @property
    def totals(self) -> Totals:
        """The counts since the start."""
        return self._stats.totals

    def snapshot(self) -> DeliverySnapshot:
        """Return the metrics of this moment; any thread may call."""
        return self._stats.snapshot()

    def run(self, stop: Event) -> Totals:
        """Send until the source ends, the limit is reached or ``stop`` is set; then finish the current batch.

        A retryable error is retried without a limit, or for ``grace`` seconds after ``stop`` is set.

        Raises:
            StockctlError: the source or the stream failed; ``totals`` counts what was done before.
        """
        grace_period = GracePeriod(stop, self._grace)
        retry_policy = RetryPolicy(self._stats, grace_period)
        delivery = Delivery(self._stream, self._stats, retry_policy, self._observe)
        for tick in drain(self._source, stop, self._grace):
            for batch in self._batcher.cut(tick):
                before = self.totals.sent
                if grace_period.expired or not delivery.deliver(batch):
                    sent, backlog = self.totals.sent - before, self.backlog
                    self.backlog = Backlog(
                        quotes=backlog.quotes + len(batch.records) - sent,
                        rejections=backlog.rejections + len(batch.rejections),
                    )
            if self._batcher.full:
                break
        return self.totals


class InFlightBatch:
    """Records the progress of the delivery of one batch in the outbox.

    Args:
        outbox: the batch comes from here.
        batch: the batch to deliver.
    """

    def __init__(self, outbox: Outbox, batch: PendingBatch) -> None:
        self._outbox = outbox
        self._remaining = batch
        self.possibly_sent = batch.possibly_sent
        """Whether an earlier run may have delivered it."""

    def start(self) -> None:
        """Record that its delivery starts."""
        self._outbox.start(self._remaining)

    def acknowledge(self, remaining: Sequence[Record]) -> None:
        """Record that all of it except ``remaining`` was delivered."""
        self._remaining = self._outbox.acknowledge(self._remaining, remaining)

    def abort(self) -> None:
        """Record that none of the remaining items has arrived."""
        self._outbox.abort(self._remaining)


class BufferedProducer:
    """Puts what a source yields into an outbox, from which a thread delivers it.

    What waits from an earlier run goes first. A stream that accepts nothing for a while delays quotes and
    loses none. Whatever ends the run, the outbox keeps what was not delivered.

    Args:
        source: yields quotes.
        open_stream: opens the stream; called in the thread that delivers, which also closes it.
        outbox: stores quotes until they are delivered.
        limit: the maximum number of quotes to read; 0 means no limit.
        observe: called in the thread that delivers, with each result.
        grace: seconds to deliver what waits after ``stop`` is set. If the source ends by itself, the seconds
            without any success after which to give up.
    """

    def __init__(
        self,
        source: Source,
        open_stream: Callable[[], AbstractContextManager[Stream]],
        outbox: Outbox,
        *,
        limit: int = 0,
        observe: Observe | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._source = source
        self._open_stream = open_stream
        self._outbox = outbox
        self._batcher = Batcher(limit)
        self._observe = observe
        self._grace = grace
        self._stats = DeliveryStats()
        self._delivery_error: BaseException | None = None
        self._outbox_error: OutboxError | None = None
        self._lost = 0

    @property
    def totals(self) -> Totals:
        """The counts since the start."""
        return self._stats.totals

    @property
    def backlog(self) -> Backlog:
        """What the outbox holds, and what it dropped."""
        return self._outbox.backlog

    def snapshot(self) -> DeliverySnapshot:
        """Return the metrics of this moment; any thread may call."""
        backlog = self.backlog
        return self._stats.snapshot(
            waiting=backlog.waiting, dropped=backlog.dropped + backlog.dropped_rejections
        )

    def run(self, stop: Event) -> Totals:
        """Read and deliver until the source ends, the limit is reached or ``stop`` is set; deliver the rest.

        What the source still yields after ``stop`` is set is taken too. This method also sets ``stop``, if
        the delivery fails for good or the outbox cannot be written.

        Raises:
            StockctlError: the source, the stream or the outbox failed; ``totals`` and ``backlog`` have what
                was done before.
        """
        self._log_backlog()
        grace_period = GracePeriod(stop, self._grace)
        thread = Thread(target=self._deliver, args=(grace_period, stop), name="delivery", daemon=True)
        thread.start()
        try:
            self._read(stop, grace_period)
        finally:
            self._outbox.finish()
            grace_period.source_ended()
            self._join(thread, grace_period)
        if self._delivery_error is not None:
            raise self._delivery_error
        return self.totals

    def _log_backlog(self) -> None:
        backlog = self.backlog
        if not backlog.waiting:
            return
        unreadable = f" and {backlog.rejections:,} unreadable records" if backlog.rejections else ""
        possibly_sent = (
            f" The delivery of {backlog.possibly_sent:,} of them had started, so they may have arrived."
            if backlog.possibly_sent
            else ""
        )
        _log.info(
            "%s quotes%s wait in the outbox from an earlier run; they go first.%s",
            f"{backlog.quotes:,}",
            unreadable,
            possibly_sent,
        )

    def _read(self, stop: Event, grace_period: GracePeriod) -> None:
        try:
            for tick in drain(self._source, stop, self._grace):
                for batch in self._batcher.cut(tick):
                    self._put(batch, stop, grace_period)
                if self._batcher.full:
                    break
        finally:
            if self._lost:
                _log.error("%s quotes that were read could not be stored: they are lost.", f"{self._lost:,}")
        if self._outbox_error is not None:
            raise self._outbox_error

    def _put(self, batch: Batch, stop: Event, grace_period: GracePeriod) -> None:
        """Put a batch into the outbox. After a failure, only count the lost quotes, to keep the order."""
        if self._outbox_error is None:
            try:
                self._outbox.put(batch, stop.is_set, lambda: grace_period.expired)
            except OutboxError as error:
                self._outbox_error = error
                stop.set()
            else:
                return
        self._lost += batch.length

    def _join(self, thread: Thread, grace_period: GracePeriod) -> None:
        """Wait for the thread until the grace period expires; a call in progress may then be cut off."""
        while thread.is_alive():
            thread.join(_CHECK_SECONDS)
            if grace_period.expired:
                thread.join(_CHECK_SECONDS)
                return

    def _deliver(self, grace_period: GracePeriod, stop: Event) -> None:
        retry_policy = RetryPolicy(self._stats, grace_period, lambda: self._outbox.backlog.quotes)
        try:
            while not self._open_and_empty(retry_policy, grace_period):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for this one
            self._delivery_error = error
            stop.set()

    def _open_and_empty(self, retry_policy: RetryPolicy, grace_period: GracePeriod) -> bool:
        """Open the stream and deliver to the end; return False if that must be tried again."""
        started_at = time.monotonic()
        try:
            with self._open_stream() as stream:
                self._empty(stream, retry_policy, grace_period)
        except DeliveryError as error:
            if not error.retryable:
                raise
            return not retry_policy.wait(error, started_at)
        return True

    def _empty(self, stream: Stream, retry_policy: RetryPolicy, grace_period: GracePeriod) -> None:
        delivery = Delivery(stream, self._stats, retry_policy, self._observe)
        while not self._outbox.exhausted:
            pending = self._outbox.take(stream.batch_records, _IDLE_SECONDS)
            if pending is not None:
                tracker = InFlightBatch(self._outbox, pending)
                if not delivery.deliver(pending.batch, tracker):
                    return
            if grace_period.expired:
                return
