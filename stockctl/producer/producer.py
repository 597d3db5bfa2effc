"""Producers: direct for sources that can be read again, buffered by an outbox for live ones."""

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
from stockctl.producer.stats import DeliverySnapshot, DeliveryStats, Totals
from stockctl.sources.base import Source


class DirectProducer:
    """Sends what a source yields, tick by tick, so that no quote waits for a later one.

    While the stream takes nothing, the source waits: it is for sources that lose nothing by that and can
    be run again, such as a replay. ``BufferedProducer`` is for the others.

    Args:
        source: where quotes come from.
        stream: where they go.
        limit: how many quotes to send at most; 0 means all.
        observe: called after each batch with its result.
        grace: seconds for what is in hand after the wish to stop.
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
        self._cutter = Batcher(limit)
        self._observe = observe
        self._grace = grace
        self._meter = DeliveryStats()
        self.place = ""
        """Where the undelivered wait: nowhere."""
        self.undelivered = 0
        """How many quotes were in hand when the time was over."""
        self.undelivered_rejections = 0
        """How many of the records that the source could not read were."""
        self.doubted = self.dropped = self.dropped_rejections = 0
        """What only an outbox has."""

    @property
    def totals(self) -> Totals:
        """What was done so far."""
        return self._meter.totals

    def snapshot(self) -> DeliverySnapshot:
        """Return the figures of this moment; any thread may ask."""
        return self._meter.snapshot()

    def run(self, stop: Event) -> Totals:
        """Send until the source ends, the limit is reached or ``stop`` is set; then what is in hand.

        A passing fault is waited for, however long; after the wish to stop, ``grace`` seconds.

        Raises:
            StockctlError: the source or the stream failed; ``totals`` tells what was done before.
        """
        closing = GracePeriod(stop, self._grace)
        delivery = Delivery(self._stream, self._meter, RetryPolicy(self._meter, closing), self._observe)
        for tick in drain(self._source, stop, self._grace):
            for batch in self._cutter.cut(tick):
                before = self.totals.sent
                if closing.over or not delivery.deliver(batch):
                    self.undelivered += len(batch.records) - (self.totals.sent - before)
                    self.undelivered_rejections += len(batch.rejections)
            if self._cutter.full:
                break
        return self.totals


class InFlightBatch:
    """Notes in the outbox how it stands with one parcel.

    Args:
        outbox: where it was taken from.
        parcel: what is to be delivered.
    """

    def __init__(self, outbox: Outbox, parcel: PendingBatch) -> None:
        self._outbox = outbox
        self._rest = parcel
        self.doubted = parcel.doubted
        """Whether an earlier run may have delivered it."""

    def begin(self) -> None:
        """Note that it is under way."""
        self._outbox.begin(self._rest)

    def settle(self, left: Sequence[Record]) -> None:
        """Note that all of it but ``left`` was delivered."""
        self._rest = self._outbox.settle(self._rest, left)

    def withdraw(self) -> None:
        """Note that it is under way no more, and has not arrived."""
        self._outbox.withdraw(self._rest)


_CHECK_SECONDS = 0.5
_IDLE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class BufferedProducer:
    """Puts what a source yields into an outbox, out of which a thread delivers it.

    What waits from an earlier run goes first. A stream that takes nothing for a while delays quotes and
    loses none; whatever ends the run leaves in the outbox what was not delivered.

    Args:
        source: where quotes come from.
        open_stream: opens the stream; called and left in the thread that delivers.
        outbox: where quotes wait.
        limit: how many quotes to take from the source at most; 0 means all.
        observe: called in the thread that delivers, with the result of what was taken.
        grace: seconds for what waits after the wish to stop; when the source ended by itself, seconds
            without any success.
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
        self._cutter = Batcher(limit)
        self._observe = observe
        self._grace = grace
        self._meter = DeliveryStats()
        self._failure: BaseException | None = None
        self._unwritable: OutboxError | None = None
        self._not_stored = 0
        self.place = str(outbox.path)
        """Where the undelivered wait."""

    @property
    def totals(self) -> Totals:
        """What was done so far."""
        return self._meter.totals

    @property
    def undelivered(self) -> int:
        """How many quotes wait in the outbox."""
        return self._outbox.waiting

    @property
    def undelivered_rejections(self) -> int:
        """How many records wait there that the source could not read."""
        return self._outbox.waiting_rejections

    @property
    def doubted(self) -> int:
        """How many of the quotes that wait may have arrived: their delivery had begun."""
        return self._outbox.doubted

    @property
    def dropped(self) -> int:
        """How many quotes a full outbox dropped."""
        return self._outbox.dropped

    @property
    def dropped_rejections(self) -> int:
        """How many records that the source could not read it dropped."""
        return self._outbox.dropped_rejections

    def snapshot(self) -> DeliverySnapshot:
        """Return the figures of this moment; any thread may ask."""
        outbox = self._outbox
        return self._meter.snapshot(
            waiting=outbox.waiting + outbox.waiting_rejections,
            dropped=outbox.dropped + outbox.dropped_rejections,
        )

    def run(self, stop: Event) -> Totals:
        """Take and deliver until the source ends, the limit is reached or ``stop`` is set; then deliver on.

        What the source has in hand when ``stop`` is set is taken too. ``stop`` is set by this method as
        well, when delivering fails for good, or the outbox cannot be written.

        Raises:
            StockctlError: the source, the stream or the outbox failed; ``totals`` and ``undelivered``
                tell how far it came.
        """
        self._greet()
        closing = GracePeriod(stop, self._grace)
        thread = Thread(target=self._deliver, args=(closing, stop), name="delivery", daemon=True)
        thread.start()
        try:
            self._take(stop, closing)
        finally:
            self._outbox.finish()
            closing.source_ended()
            self._await(thread, closing)
        if self._failure is not None:
            raise self._failure
        return self.totals

    def _greet(self) -> None:
        quotes, rejections = self._outbox.waiting, self._outbox.waiting_rejections
        if not quotes and not rejections:
            return
        unreadable = f" and {rejections:,} unreadable records" if rejections else ""
        doubted = self._outbox.doubted
        perhaps = (
            f" {doubted:,} of them were under way when it ended, and may have arrived." if doubted else ""
        )
        _log.info("%s quotes%s wait in the outbox from an earlier run; they go first.%s",
                  f"{quotes:,}", unreadable, perhaps)  # fmt: skip

    def _take(self, stop: Event, closing: GracePeriod) -> None:
        try:
            for tick in drain(self._source, stop, self._grace):
                for batch in self._cutter.cut(tick):
                    self._put(batch, stop, closing)
                if self._cutter.full:
                    break
        finally:
            if self._not_stored:
                _log.error(
                    "%s quotes that were read could not be stored: they are lost.", f"{self._not_stored:,}"
                )
        if self._unwritable is not None:
            raise self._unwritable

    def _put(self, batch: Batch, stop: Event, closing: GracePeriod) -> None:
        """Put a batch; once that has failed, only count what is lost, as nothing may overtake it."""
        if self._unwritable is None:
            try:
                self._outbox.put(batch, stop.is_set, lambda: closing.over)
            except OutboxError as error:
                self._unwritable = error
                stop.set()
            else:
                return
        self._not_stored += batch.length

    def _await(self, thread: Thread, closing: GracePeriod) -> None:
        """Wait for the thread until it ends or its time is over; a call under way may then be cut off."""
        while thread.is_alive():
            thread.join(_CHECK_SECONDS)
            if closing.over:
                thread.join(_CHECK_SECONDS)
                return

    def _deliver(self, closing: GracePeriod, stop: Event) -> None:
        patience = RetryPolicy(self._meter, closing, lambda: self._outbox.waiting)
        try:
            while not self._emptied(patience, closing):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for this one
            self._failure = error
            stop.set()

    def _emptied(self, patience: RetryPolicy, closing: GracePeriod) -> bool:
        """Open the stream and deliver to the end; return False when that is to be tried again."""
        began = time.monotonic()
        try:
            with self._open_stream() as stream:
                self._empty(stream, patience, closing)
        except DeliveryError as fault:
            if not fault.retryable:
                raise
            return not patience.rest(fault, began)
        return True

    def _empty(self, stream: Stream, patience: RetryPolicy, closing: GracePeriod) -> None:
        delivery = Delivery(stream, self._meter, patience, self._observe)
        while not self._outbox.exhausted:
            parcel = self._outbox.take(stream.batch_records, _IDLE_SECONDS)
            if parcel is not None and not delivery.deliver(parcel.batch, InFlightBatch(self._outbox, parcel)):
                return
            if closing.over:
                return
