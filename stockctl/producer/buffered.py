"""From a source that cannot be asked again into a stream, by way of an outbox on disk."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Event, Thread

from stockctl.pipeline.ports import Record, Stream, Undelivered
from stockctl.producer.batches import Cutter
from stockctl.producer.closing import GRACE_SECONDS, Closing
from stockctl.producer.delivery import Delivery, Observe
from stockctl.producer.meter import Meter, Snapshot, Totals
from stockctl.producer.outbox import Outbox, Parcel
from stockctl.producer.patience import Patience
from stockctl.sources.base import Source

_GLANCE = 0.5
_IDLE = 5.0

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
        observe: called in the thread that delivers, with the receipt of what was taken.
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
        self._cutter = Cutter(limit)
        self._observe = observe
        self._grace = grace
        self._meter = Meter()
        self._failure: BaseException | None = None
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

    def snapshot(self) -> Snapshot:
        """Return the figures of this moment; any thread may ask."""
        return self._meter.snapshot(waiting=self._outbox.waiting, dropped=self._outbox.dropped)

    def run(self, stop: Event) -> Totals:
        """Take and deliver until the source ends, the limit is reached or ``stop`` is set; then deliver on.

        ``stop`` is set by this method as well, when delivering fails for good.

        Raises:
            StockctlError: the source, the stream or the outbox failed; ``totals`` and ``undelivered``
                tell how far it came.
        """
        if waiting := self._outbox.waiting:
            _log.info("%s quotes wait in the outbox from an earlier run; they go first.", f"{waiting:,}")
        closing = Closing(stop, self._grace)
        thread = Thread(target=self._deliver, args=(closing, stop), name="delivery", daemon=True)
        thread.start()
        try:
            self._take(stop)
        finally:
            self._outbox.finish()
            closing.source_ended()
            self._await(thread, closing)
        if self._failure is not None:
            raise self._failure
        return self.totals

    def _take(self, stop: Event) -> None:
        for tick in self._source.ticks(stop):
            for batch in self._cutter.cut(tick):
                self._outbox.put(batch, stop.is_set)
            if stop.is_set() or self._cutter.full:
                return

    def _await(self, thread: Thread, closing: Closing) -> None:
        """Wait for the thread until it ends or its time is over; a call under way may then be cut off."""
        while thread.is_alive():
            thread.join(_GLANCE)
            if closing.over:
                thread.join(_GLANCE)
                return

    def _deliver(self, closing: Closing, stop: Event) -> None:
        patience = Patience(self._meter, closing, lambda: self._outbox.waiting)
        try:
            while not self._emptied(patience, closing):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for this one
            self._failure = error
            stop.set()

    def _emptied(self, patience: Patience, closing: Closing) -> bool:
        """Open the stream and deliver to the end; return False when that is to be tried again."""
        began = time.monotonic()
        try:
            with self._open_stream() as stream:
                self._empty(stream, patience, closing)
        except Undelivered as fault:
            if not fault.passing:
                raise
            return not patience.rest(fault, began)
        return True

    def _empty(self, stream: Stream, patience: Patience, closing: Closing) -> None:
        delivery = Delivery(stream, self._meter, patience, self._observe)
        while not self._outbox.exhausted:
            parcel = self._outbox.take(stream.batch_records, _IDLE)
            if parcel is not None and not self._delivered(delivery, parcel):
                return
            if closing.over:
                return

    def _delivered(self, delivery: Delivery, parcel: Parcel) -> bool:
        rest = parcel

        def settle(left: Sequence[Record]) -> None:
            nonlocal rest
            rest = self._outbox.settle(rest, left)

        return delivery.deliver(parcel.batch, settle)
