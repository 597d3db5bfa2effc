"""From a source into a stream: batches, limits and progress."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Event

from stockctl.market.quote import Quote, encode_quote
from stockctl.pipeline.ports import Receipt, Record, Rejection, Stream
from stockctl.sources.base import Source, Tick

BATCH_RECORDS = 500


@dataclass
class Totals:
    """What a producer has done so far, in records."""

    sent: int = 0
    stored: int = 0
    repeated: int = 0
    quarantined: int = 0
    alerts: int = 0
    kept_here: bool = True

    def add(self, receipt: Receipt) -> None:
        """Count what became of one batch."""
        self.sent += receipt.sent
        self.stored += receipt.stored
        self.repeated += receipt.repeated
        self.quarantined += receipt.quarantined
        self.alerts += len(receipt.alerts)
        self.kept_here = self.kept_here and receipt.kept_here


class Producer:
    """Sends what a source yields, tick by tick, so that no quote waits for a later one.

    Args:
        source: where quotes come from.
        stream: where they go.
        limit: how many quotes to send at most; 0 means all.
        observe: called after each batch with its receipt.
    """

    def __init__(
        self,
        source: Source,
        stream: Stream,
        *,
        limit: int = 0,
        observe: Callable[[Receipt], None] | None = None,
    ) -> None:
        self._source = source
        self._stream = stream
        self._limit = limit
        self._observe = observe
        self.totals = Totals()

    def run(self, stop: Event) -> Totals:
        """Send until the source ends, the limit is reached or ``stop`` is set; a batch begun is finished.

        Raises:
            StockctlError: the source or the stream failed; ``totals`` tells what was done before.
        """
        for tick in self._source.ticks(stop):
            for batch in _batches(tick):
                self._send(batch)
                if stop.is_set() or self._limit_reached():
                    return self.totals
        return self.totals

    def _limit_reached(self) -> bool:
        return bool(self._limit) and self.totals.sent >= self._limit

    def _send(self, batch: Tick) -> None:
        rejections = [item for item in batch if isinstance(item, Rejection)]
        quotes: Sequence[Quote] = [item for item in batch if not isinstance(item, Rejection)]
        if self._limit:
            quotes = quotes[: self._limit - self.totals.sent]
        if rejections:
            self._stream.refuse(rejections)
            self._count(Receipt(0, quarantined=len(rejections)))
        if quotes:
            self._count(self._stream.send([_record(quote) for quote in quotes]))

    def _count(self, receipt: Receipt) -> None:
        self.totals.add(receipt)
        if self._observe is not None:
            self._observe(receipt)


def _record(quote: Quote) -> Record:
    return Record(encode_quote(quote), quote.source)


def _batches(tick: Tick) -> Iterator[Tick]:
    rest = iter(tick)
    while batch := list(islice(rest, BATCH_RECORDS)):
        yield batch
