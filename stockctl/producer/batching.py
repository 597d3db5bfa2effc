"""Ticks cut into batches: what a source yields, as records on their way."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from stockctl.market.quote import Quote, encode_quote
from stockctl.pipeline.ports import Record, Rejection
from stockctl.sources.base import Tick

BATCH_RECORDS = 500


class Batch(NamedTuple):
    """Records, or what a source could not read, in the order of the source; one of both is empty."""

    records: Sequence[Record]
    rejections: Sequence[Rejection]
    taken_at: float
    """When the producer took them, in seconds since 1970."""

    @property
    def length(self) -> int:
        """How many items there are."""
        return len(self.records) or len(self.rejections)


class Batcher:
    """Cuts ticks into batches, and counts quotes up to a limit.

    Args:
        limit: how many quotes to let pass at most; 0 means all.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self.quotes = 0

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return bool(self._limit) and self.quotes >= self._limit

    def cut(self, tick: Tick) -> Iterator[Batch]:
        """Yield the batches of ``tick``: at each step what was refused, then the quotes."""
        rest = iter(tick)
        while items := list(islice(rest, BATCH_RECORDS)):
            yield from self._split(items)

    def _split(self, items: Sequence[Quote | Rejection]) -> Iterator[Batch]:
        moment = time.time()
        rejections = [item for item in items if isinstance(item, Rejection)]
        quotes = [item for item in items if not isinstance(item, Rejection)]
        if self._limit:
            quotes = quotes[: self._limit - self.quotes]
        if rejections:
            yield Batch((), rejections, moment)
        if quotes:
            self.quotes += len(quotes)
            yield Batch([record_of(quote) for quote in quotes], (), moment)


def record_of(quote: Quote) -> Record:
    """Return ``quote`` as it travels."""
    return Record(encode_quote(quote), quote.source, quote.symbol)
