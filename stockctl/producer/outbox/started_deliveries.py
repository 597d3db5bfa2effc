"""Stores in the outbox's file the last batch whose delivery has started.

After a kill, this tells the next run which quotes may have been delivered already.
"""

import logging
from collections.abc import Sequence

from stockctl.pipeline.ports import Record
from stockctl.producer.batching import Batch
from stockctl.producer.outbox.errors import RetryableError
from stockctl.producer.outbox.store import OutboxFile

_log = logging.getLogger(__name__)


class StartedDeliveries:
    """Counts the quotes in the outbox that may have been sent. The caller must hold the lock of the outbox.

    Args:
        file: the file of the outbox.
        first: the number of the oldest batch in it; 0 if it is empty.
    """

    def __init__(self, file: OutboxFile, first: int) -> None:
        self._file = file
        self._stored = file.under_way()
        if self._stored and not first:
            # Numbers begin again in an empty outbox.
            file.set_under_way(0)
            self._stored = 0
        self._earlier_last = self._stored
        self._earlier_quotes = file.quotes_up_to(self._earlier_last)
        self._quotes = 0
        self._failure_logged = False

    @property
    def quotes(self) -> int:
        """How many of the waiting quotes may have been sent."""
        return self._earlier_quotes + self._quotes

    def in_earlier_run(self, number: int) -> bool:
        """Return whether an earlier run had started to deliver the batch with this number."""
        return number <= self._earlier_last

    def start(self, last: int, quotes: int, *, earlier: bool) -> None:
        """Record that the delivery of the batches up to number ``last`` starts."""
        self._quotes = 0 if earlier else quotes
        self._store(max(last, self._earlier_last))

    def abort(self, first: int, *, earlier: bool) -> None:
        """Record that nothing of the batches from number ``first`` on has arrived."""
        if not earlier:
            self._quotes = 0
            self._store(first - 1)

    def acknowledge(self, batch: Batch, remaining: Sequence[Record], *, earlier: bool) -> None:
        """Record that all of ``batch`` except ``remaining`` was delivered."""
        if earlier:
            self._earlier_quotes -= len(batch.records) - len(remaining)
        else:
            self._quotes = len(remaining)

    def drop(self, number: int, quotes: int) -> None:
        """Record that a batch was dropped."""
        if self.in_earlier_run(number):
            self._earlier_quotes -= quotes

    def _store(self, last: int) -> None:
        if last == self._stored:
            return
        try:
            self._file.set_under_way(last)
        except RetryableError as error:
            if not self._failure_logged:
                _log.warning("%s After a kill, quotes sent twice will not be counted.", error.message)
            self._failure_logged = True
        else:
            self._stored = last
