"""Cuts the ticks of a source into batches of records."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from stockctl.market.quote import Quote, encode_quote
from stockctl.pipeline.ports import Record, Rejection
from stockctl.sources.base import Tick

BATCH_RECORDS = 500


class Batch(NamedTuple):
    """Records or rejections of a source, in its order; one of the two is empty."""

    records: Sequence[Record]
    rejections: Sequence[Rejection]
    taken_at: float
    """When the producer took them from the source, in seconds since 1970."""

    @property
    def length(self) -> int:
        """The number of items."""
        return len(self.records) or len(self.rejections)


class Batcher:
    """Cuts ticks into batches, up to a limit of quotes.

    Args:
        limit: the maximum number of quotes; 0 means no limit.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self.quotes = 0

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return bool(self._limit) and self.quotes >= self._limit

    def cut(self, tick: Tick) -> Iterator[Batch]:
        """Yield the batches of ``tick``: in each step its rejections, then its quotes."""
        rest = iter(tick)
        while items := list(islice(rest, BATCH_RECORDS)):
            yield from self._split(items)

    def _split(self, items: Sequence[Quote | Rejection]) -> Iterator[Batch]:
        now = time.time()
        rejections = [item for item in items if isinstance(item, Rejection)]
        quotes = [item for item in items if not isinstance(item, Rejection)]
        if self._limit:
            quotes = quotes[: self._limit - self.quotes]
        if rejections:
            yield Batch((), rejections, now)
        if quotes:
            self.quotes += len(quotes)
            yield Batch([record_of(quote) for quote in quotes], (), now)


def record_of(quote: Quote) -> Record:
    """Return the record for ``quote``."""
    return Record(encode_quote(quote), quote.source, quote.symbol, quote)
