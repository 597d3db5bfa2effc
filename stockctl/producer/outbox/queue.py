"""The outbox: a bounded, durable queue of records that wait for delivery."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition
from typing import Literal, NamedTuple, TypeVar

from stockctl.pipeline.ports import Record
from stockctl.producer.batching import Batch
from stockctl.producer.outbox.drops import DropLog
from stockctl.producer.outbox.errors import RetryableError, translate_errors
from stockctl.producer.outbox.fsync import FsyncThread
from stockctl.producer.outbox.lock import ProcessLock
from stockctl.producer.outbox.paths import LOCK, beside
from stockctl.producer.outbox.started_deliveries import StartedDeliveries
from stockctl.producer.outbox.store import OutboxFile, Row
from stockctl.producer.stats import Backlog

T = TypeVar("T")
FullPolicy = Literal["block", "drop-oldest"]

_CACHED_BATCHES = 64
_CACHED_BYTES = 8 << 20
_CHECK_SECONDS = 0.25

_log = logging.getLogger(__name__)


class PendingBatch(NamedTuple):
    """Adjacent batches, taken together for delivery."""

    first: int
    last: int
    batch: Batch
    size: int
    possibly_sent: bool = False
    """Whether an earlier run had started to deliver it."""


class Outbox:
    """Stores quotes in order until they are delivered, across restarts.

    One thread puts, another one takes. What was put survives ``kill -9``; a crash of the machine may cost the
    last second. One process at a time uses an outbox.

    Args:
        path: the path of the file; it is created with its folder if missing.
        limit: the maximum size in bytes. When the run ends, the current tick is stored even above it.
        full: what to do at the limit: ``block`` makes ``put`` wait, ``drop-oldest`` makes room and records
            what was lost.

    Raises:
        OutboxError: another process uses it, it is damaged or not writable, or a newer stockctl created it.
    """

    def __init__(self, path: Path, *, limit: int, full: FullPolicy = "block") -> None:
        # Resolve links, so that one file has one lock.
        self.path = path = path.resolve()
        self._limit = limit
        self._full = full
        with translate_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = ProcessLock(beside(path, LOCK), path)
        try:
            self._file = OutboxFile(path)
        except BaseException:
            self._lock.release()
            raise
        self._changed = Condition()
        self._drops = DropLog(self._file.connection)
        content = self._file.content()
        self._quotes, self._rejections, self._size = content.quotes, content.rejections, content.size
        self._next, self._newest = content.first, content.last
        self._cache: dict[int, Row] = {}
        self._cached_bytes = 0
        self._oldest_put_at = -math.inf if content.first else None
        self._finished = False
        self._undeleted_first = self._undeleted_last = 0
        self._started = StartedDeliveries(self._file, content.first)
        self._fsync = FsyncThread(self._file, lambda: self._oldest_put_at)

    @property
    def backlog(self) -> Backlog:
        """What waits or is being sent, and what was dropped since the start; any thread may call."""
        return Backlog(
            quotes=self._quotes,
            rejections=self._rejections,
            possibly_sent=self._started.quotes,
            dropped=self._drops.dropped,
            dropped_rejections=self._drops.dropped_rejections,
            path=self.path,
        )

    @property
    def syncs(self) -> int:
        """The number of times that the file was synced to the disk."""
        return self._fsync.syncs

    def wait_for_sync(self, seconds: float) -> bool:
        """Wait until everything that was put is synced to the disk; return False after the time limit."""
        return self._fsync.wait_for_sync(seconds)

    def put(
        self,
        batch: Batch,
        stop_waiting: Callable[[], bool],
        give_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a batch.

        Args:
            batch: the batch to add.
            stop_waiting: returns whether to stop waiting for room and store beyond the limit.
            give_up: returns whether to stop waiting for a full disk or a file that another process locked.

        Raises:
            OutboxError: the file cannot be written; nothing was added.
        """
        with self._changed:
            self._make_room(batch, stop_waiting, give_up)
            self._append(self._retry(lambda: self._file.append(self._newest + 1, batch), give_up))
            self._changed.notify_all()
        self._fsync.written()

    def take(self, limit: int, seconds: float) -> PendingBatch | None:
        """Return the next batches, at most ``limit`` records or one batch; None if none comes in time."""
        with self._changed:
            if not self._has_next() and not self._finished:
                self._changed.wait(seconds)
            try:
                return self._take(limit) if self._has_next() else None
            except RetryableError:
                self._changed.wait(min(seconds, _CHECK_SECONDS))
                return None

    def start(self, pending: PendingBatch) -> None:
        """Record in the file that ``pending`` may arrive from now on."""
        with self._changed:
            quotes = len(pending.batch.records)
            self._started.start(pending.last, quotes, earlier=pending.possibly_sent)

    def abort(self, pending: PendingBatch) -> None:
        """Record that nothing of ``pending`` has arrived since it was started."""
        with self._changed:
            self._started.abort(pending.first, earlier=pending.possibly_sent)

    def acknowledge(self, pending: PendingBatch, remaining: Sequence[Record]) -> PendingBatch:
        """Remove all of ``pending`` except ``remaining``, and return the rest of it.

        What cannot be removed now, because the disk is full or the file is locked, is removed later. What
        cannot be removed before the end is delivered again.

        Raises:
            OutboxError: the file cannot be used.
        """
        with self._changed:
            rest = self._delete(pending, remaining)
            self._quotes -= len(pending.batch.records) - len(remaining)
            self._started.acknowledge(pending.batch, remaining, earlier=pending.possibly_sent)
            self._rejections -= len(pending.batch.rejections)
            self._size -= pending.size - rest.size
            if not self._quotes and not self._rejections:
                self._oldest_put_at = None
                with suppress(RetryableError):
                    self._file.shrink()
            self._changed.notify_all()
        if self._oldest_put_at is not None:
            self._fsync.written()
        return rest

    def _delete(self, pending: PendingBatch, remaining: Sequence[Record]) -> PendingBatch:
        first = self._undeleted_first or pending.first
        batch = pending.batch._replace(records=remaining)
        try:
            if remaining:
                row = self._file.replace(first, pending.last, pending.first, batch)
            else:
                self._file.remove(first, pending.last)
        except RetryableError:
            self._undeleted_first = first
            self._undeleted_last = pending.first - 1 if remaining else pending.last
            return pending._replace(batch=batch, size=pending.size if remaining else 0)
        self._undeleted_first = 0
        return pending._replace(last=pending.first, batch=batch, size=row.size if remaining else 0)

    def finish(self) -> None:
        """Record that nothing more will be put."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    @property
    def exhausted(self) -> bool:
        """Whether nothing more will be put and everything was taken."""
        with self._changed:
            return self._finished and not self._has_next()

    def close(self) -> None:
        """Close the file; waiting batches stay in it."""
        self._fsync.close()
        with self._changed:
            self._delete_rest()
            self._file.close()
        self._lock.release()

    def _delete_rest(self) -> None:
        if not self._undeleted_first:
            return
        try:
            self._file.remove(self._undeleted_first, self._undeleted_last)
        except RetryableError as error:
            _log.warning("%s The next run sends the last delivered quotes again.", error.message)

    def _has_next(self) -> bool:
        return 0 < self._next <= self._newest

    def _make_room(self, batch: Batch, stop_waiting: Callable[[], bool], give_up: Callable[[], bool]) -> None:
        if not self._fits(batch):
            if self._full == "block":
                self._wait_for_room(batch, stop_waiting)
            else:
                self._retry(lambda: self._drop_for(batch), give_up)
        elif self._full == "drop-oldest":
            self._drops.has_room()

    def _fits(self, batch: Batch) -> bool:
        return self._size == 0 or self._size + _size(batch) <= self._limit

    def _wait_for_room(self, batch: Batch, stop_waiting: Callable[[], bool]) -> None:
        started_at = time.monotonic()
        _log.warning(
            "The outbox %s is full (%s quotes): the source waits (stream.outbox_full = block).",
            self.path,
            f"{self._quotes:,}",
        )
        while not self._fits(batch) and not stop_waiting():
            self._changed.wait(_CHECK_SECONDS)
        if self._fits(batch):
            _log.info("The outbox has room again after %.0f s.", time.monotonic() - started_at)

    def _drop_for(self, batch: Batch) -> None:
        while not self._fits(batch) and self._has_next():
            row = self._row(self._next)
            if row is None:
                break
            with self._drops.dropping(row.batch, self._file.transaction()):
                self._file.remove(row.number, row.number)
            self._advance(row)
            self._quotes -= len(row.batch.records)
            self._started.drop(row.number, len(row.batch.records))
            self._rejections -= len(row.batch.rejections)
            self._size -= row.size

    def _append(self, row: Row) -> None:
        self._newest = row.number
        self._next = self._next or row.number
        self._quotes += len(row.batch.records)
        self._rejections += len(row.batch.rejections)
        self._size += row.size
        self._oldest_put_at = row.put_at if self._oldest_put_at is None else self._oldest_put_at
        if len(self._cache) < _CACHED_BATCHES and self._cached_bytes < _CACHED_BYTES:
            self._cache[row.number] = row
            self._cached_bytes += row.size

    def _retry(self, write: Callable[[], T], give_up: Callable[[], bool]) -> T:
        """Write; after a temporary error, wait and retry, and log that once."""
        started_at, logged = time.monotonic(), False
        while True:
            try:
                written = write()
            except RetryableError as error:
                if give_up():
                    raise
                if not logged:
                    _log.warning("%s The source waits.", error.message)
                    logged = True
                self._changed.wait(_CHECK_SECONDS)
            else:
                if logged:
                    _log.info("The outbox can be written again after %.0f s.", time.monotonic() - started_at)
                return written

    def _take(self, limit: int) -> PendingBatch | None:
        row = self._row(self._next)
        if row is None:
            self._next = self._newest + 1
            return None
        self._advance(row)
        self._oldest_put_at = row.put_at
        first, last, size = row.number, row.number, row.size
        earlier = self._started.in_earlier_run(first)
        if row.batch.rejections or row.batch.length >= limit:
            return PendingBatch(first, last, row.batch, size, earlier)
        records = list(row.batch.records)
        while self._has_next() and (more := self._row_without_waiting(self._next)) is not None:
            if more.batch.rejections or len(records) + more.batch.length > limit:
                break
            if earlier and not self._started.in_earlier_run(more.number):
                break
            self._advance(more)
            records += more.batch.records
            last, size = more.number, size + more.size
        return PendingBatch(first, last, Batch(records, (), row.batch.taken_at), size, earlier)

    def _row(self, number: int) -> Row | None:
        return self._cache.get(number) or self._file.read(number)

    def _row_without_waiting(self, number: int) -> Row | None:
        try:
            return self._row(number)
        except RetryableError:
            return None

    def _advance(self, row: Row) -> None:
        self._next = row.number + 1
        if self._cache.pop(row.number, None) is not None:
            self._cached_bytes -= row.size


@contextmanager
def open_outbox(path: Path, *, limit: int, full: FullPolicy = "block") -> Iterator[Outbox]:
    """Open an outbox while the block runs.

    Raises:
        OutboxError: another process uses it, it is damaged or not writable, or a newer stockctl created it.
    """
    outbox = Outbox(path, limit=limit, full=full)
    try:
        yield outbox
    finally:
        outbox.close()


def _size(batch: Batch) -> int:
    return sum(len(item[0]) for item in batch.records) + sum(len(item[0]) for item in batch.rejections)
