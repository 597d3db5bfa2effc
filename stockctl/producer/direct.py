"""From a source that can be asked again straight into a stream, in one thread."""

from threading import Event

from stockctl.pipeline.ports import Stream
from stockctl.producer.batches import Cutter
from stockctl.producer.closing import GRACE_SECONDS, Closing
from stockctl.producer.delivery import Delivery, Observe
from stockctl.producer.draining import drained
from stockctl.producer.meter import Meter, Snapshot, Totals
from stockctl.producer.patience import Patience
from stockctl.sources.base import Source


class Producer:
    """Sends what a source yields, tick by tick, so that no quote waits for a later one.

    While the stream takes nothing, the source waits: it is for sources that lose nothing by that and can
    be run again, such as a replay. ``BufferedProducer`` is for the others.

    Args:
        source: where quotes come from.
        stream: where they go.
        limit: how many quotes to send at most; 0 means all.
        observe: called after each batch with its receipt.
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
        self._cutter = Cutter(limit)
        self._observe = observe
        self._grace = grace
        self._meter = Meter()
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

    def snapshot(self) -> Snapshot:
        """Return the figures of this moment; any thread may ask."""
        return self._meter.snapshot()

    def run(self, stop: Event) -> Totals:
        """Send until the source ends, the limit is reached or ``stop`` is set; then what is in hand.

        A passing fault is waited for, however long; after the wish to stop, ``grace`` seconds.

        Raises:
            StockctlError: the source or the stream failed; ``totals`` tells what was done before.
        """
        closing = Closing(stop, self._grace)
        delivery = Delivery(self._stream, self._meter, Patience(self._meter, closing), self._observe)
        for tick in drained(self._source, stop, self._grace):
            for batch in self._cutter.cut(tick):
                before = self.totals.sent
                if closing.over or not delivery.deliver(batch):
                    self.undelivered += len(batch.records) - (self.totals.sent - before)
                    self.undelivered_rejections += len(batch.rejections)
            if self._cutter.full:
                break
        return self.totals
