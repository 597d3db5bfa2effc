"""The outbox: a bounded durable queue of records that wait for delivery."""

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
from stockctl.producer.outbox.store import OutboxFile, Row

T = TypeVar("T")
FullPolicy = Literal["block", "drop-oldest"]
LOCK_SUFFIX = ".lock"

_CACHED_BATCHES = 64
_CACHED_BYTES = 8 << 20
_CHECK_SECONDS = 0.25

_log = logging.getLogger(__name__)


class PendingBatch(NamedTuple):
    """Batches that lie one behind the other, taken out together to be delivered."""

    first: int
    last: int
    batch: Batch
    size: int
    doubted: bool = False
    """Whether an earlier run had begun to deliver it."""


class Outbox:
    """Quotes that wait for their delivery, in order; they outlive the process.

    One thread puts, another takes. What was put is there after ``kill -9``; a reboot or a power cut can
    take the last second of it. One process uses an outbox at a time.

    Args:
        path: of the file; it and its folder are made when they are missing.
        limit: in bytes; a tick in hand when the run ends is stored beyond it.
        full: what happens at the limit: ``block`` makes who puts wait, ``drop-oldest`` makes room and
            writes down what was lost.

    Raises:
        OutboxError: another process uses it, or it is damaged, newer, or cannot be written.
    """

    def __init__(self, path: Path, *, limit: int, full: FullPolicy = "block") -> None:
        # One file has one lock, by whatever links it is named.
        self.path = path = path.resolve()
        self._limit = limit
        self._full = full
        with translate_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = ProcessLock(path.with_name(path.name + LOCK_SUFFIX), path)
        try:
            self._file = OutboxFile(path)
        except BaseException:
            self._lock.release()
            raise
        self._changed = Condition()
        self._gaps = DropLog(self._file.connection)
        content = self._file.content()
        self._quotes, self._rejections, self._size = content.quotes, content.rejections, content.size
        self._next, self._newest = content.first, content.last
        self._cache: dict[int, Row] = {}
        self._cached_bytes = 0
        self._oldest = -math.inf if content.first else None
        self._finished = False
        self._unnoted = self._unnoted_to = 0
        self._doubted_to = self._under_way = self._marked_earlier(content.first)
        self._begun, self._begun_earlier = 0, self._file.quotes_up_to(self._doubted_to)
        self._told_unmarked = False
        self._syncer = FsyncThread(self._file, self._waits_since)

    @property
    def waiting(self) -> int:
        """How many quotes wait, with those under way."""
        return self._quotes

    @property
    def waiting_rejections(self) -> int:
        """How many records wait that a source could not read."""
        return self._rejections

    @property
    def dropped(self) -> int:
        """How many quotes were dropped since the start."""
        return self._gaps.dropped

    @property
    def dropped_rejections(self) -> int:
        """How many records that a source could not read were dropped since the start."""
        return self._gaps.dropped_rejections

    @property
    def doubted(self) -> int:
        """How many of the quotes that wait may have arrived, as their delivery has begun."""
        return self._begun_earlier + self._begun

    @property
    def syncs(self) -> int:
        """How often what waits was forced onto the disk."""
        return self._syncer.syncs

    def synced(self, seconds: float) -> bool:
        """Wait until what was put is forced onto the disk; return False when it is not in time."""
        return self._syncer.synced(seconds)

    def put(self, batch: Batch, hurry: Callable[[], bool], over: Callable[[], bool] = lambda: False) -> None:
        """Add a batch; at the limit do what the policy says, until ``hurry`` tells to wait no more.

        A full disk, or another process that has locked the file, is waited for until it is ``over``.

        Raises:
            OutboxError: it cannot be written; nothing was added.
        """
        with self._changed:
            self._make_room(batch, hurry, over)
            self._append(self._patiently(lambda: self._file.append(self._newest + 1, batch), over))
            self._changed.notify_all()
        self._syncer.note()

    def take(self, most: int, seconds: float) -> PendingBatch | None:
        """Return what waits next, ``most`` records at most or one batch; None when nothing comes in time."""
        with self._changed:
            if not self._there() and not self._finished:
                self._changed.wait(seconds)
            try:
                return self._parcel(most) if self._there() else None
            except RetryableError:
                self._changed.wait(min(seconds, _CHECK_SECONDS))
                return None

    def begin(self, parcel: PendingBatch) -> None:
        """Note in the file that ``parcel`` may arrive from now on, for the run after a kill to know."""
        self._begun = 0 if parcel.doubted else len(parcel.batch.records)
        self._mark(max(parcel.last, self._doubted_to))

    def withdraw(self, parcel: PendingBatch) -> None:
        """Note that nothing of ``parcel`` has arrived since it was begun."""
        if not parcel.doubted:
            self._begun = 0
            self._mark(parcel.first - 1)

    def _mark(self, last: int) -> None:
        with self._changed:
            if last == self._under_way:
                return
            try:
                self._file.note_under_way(last)
            except RetryableError as error:
                if not self._told_unmarked:
                    _log.warning("%s What is sent again after a kill will not be told.", error.message)
                self._told_unmarked = True
            else:
                self._under_way = last

    def _marked_earlier(self, first: int) -> int:
        """Return up to where an earlier run had begun to deliver; numbers begin anew in an empty outbox."""
        last = self._file.under_way()
        if last and not first:
            self._file.note_under_way(0)
            return 0
        return last

    def settle(self, parcel: PendingBatch, left: Sequence[Record]) -> PendingBatch:
        """Note that all of ``parcel`` but ``left`` was delivered; return the parcel that remains.

        What cannot be noted now, on a full disk or as the file is locked, is noted later; what cannot be
        before the end is delivered again.

        Raises:
            OutboxError: the file cannot be used.
        """
        with self._changed:
            remains = self._noted(parcel, left)
            taken = len(parcel.batch.records) - len(left)
            self._quotes -= taken
            if parcel.doubted:
                self._begun_earlier -= taken
            else:
                self._begun = len(left)
            self._rejections -= len(parcel.batch.rejections)
            self._size -= parcel.size - remains.size
            if not self._quotes and not self._rejections:
                self._oldest = None
                with suppress(RetryableError):
                    self._file.shrink()
            self._changed.notify_all()
        if self._oldest is not None:
            self._syncer.note()
        return remains

    def _noted(self, parcel: PendingBatch, left: Sequence[Record]) -> PendingBatch:
        first = self._unnoted or parcel.first
        batch = parcel.batch._replace(records=left)
        try:
            if left:
                row = self._file.replace(first, parcel.last, parcel.first, batch)
            else:
                self._file.remove(first, parcel.last)
        except RetryableError:
            self._unnoted, self._unnoted_to = first, parcel.first - 1 if left else parcel.last
            return parcel._replace(batch=batch, size=parcel.size if left else 0)
        self._unnoted = 0
        return parcel._replace(last=parcel.first, batch=batch, size=row.size if left else 0)

    def finish(self) -> None:
        """Note that nothing more is put."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    @property
    def exhausted(self) -> bool:
        """Whether nothing is put any more, and all was taken."""
        with self._changed:
            return self._finished and not self._there()

    def close(self) -> None:
        """Close it; what waits stays there."""
        self._syncer.close()
        with self._changed:
            self._note_the_rest()
            self._file.close()
        self._lock.release()

    def _note_the_rest(self) -> None:
        if not self._unnoted:
            return
        try:
            self._file.remove(self._unnoted, self._unnoted_to)
        except RetryableError as error:
            _log.warning("%s What was delivered last is sent again by the next run.", error.message)

    def _there(self) -> bool:
        return 0 < self._next <= self._newest

    def _waits_since(self) -> float | None:
        return self._oldest

    def _make_room(self, batch: Batch, hurry: Callable[[], bool], over: Callable[[], bool]) -> None:
        if not self._fits(batch):
            if self._full == "block":
                self._wait_for_room(batch, hurry)
            else:
                self._patiently(lambda: self._drop_for(batch), over)
        elif self._full == "drop-oldest":
            self._gaps.room()

    def _fits(self, batch: Batch) -> bool:
        return self._size == 0 or self._size + _size(batch) <= self._limit

    def _wait_for_room(self, batch: Batch, hurry: Callable[[], bool]) -> None:
        began = time.monotonic()
        _log.warning(
            "The outbox %s is full (%s quotes): the source waits (stream.outbox_full = block).",
            self.path,
            f"{self._quotes:,}",
        )
        while not self._fits(batch) and not hurry():
            self._changed.wait(_CHECK_SECONDS)
        if self._fits(batch):
            _log.info("The outbox has room again after %.0f s.", time.monotonic() - began)

    def _drop_for(self, batch: Batch) -> None:
        while not self._fits(batch) and self._there():
            row = self._row(self._next)
            if row is None:
                break
            with self._gaps.dropping(row.batch, self._file.transaction()):
                self._file.remove(row.number, row.number)
            self._advance(row)
            self._quotes -= len(row.batch.records)
            if row.number <= self._doubted_to:
                self._begun_earlier -= len(row.batch.records)
            self._rejections -= len(row.batch.rejections)
            self._size -= row.size

    def _append(self, row: Row) -> None:
        self._newest = row.number
        self._next = self._next or row.number
        self._quotes += len(row.batch.records)
        self._rejections += len(row.batch.rejections)
        self._size += row.size
        self._oldest = row.put_at if self._oldest is None else self._oldest
        if len(self._cache) < _CACHED_BATCHES and self._cached_bytes < _CACHED_BYTES:
            self._cache[row.number] = row
            self._cached_bytes += row.size

    def _patiently(self, write: Callable[[], T], over: Callable[[], bool]) -> T:
        """Write; for what keeps it from that and may pass, wait, and say so once."""
        began, told = time.monotonic(), False
        while True:
            try:
                written = write()
            except RetryableError as error:
                if over():
                    raise
                if not told:
                    _log.warning("%s The source waits.", error.message)
                    told = True
                self._changed.wait(_CHECK_SECONDS)
            else:
                if told:
                    _log.info("The outbox can be written again after %.0f s.", time.monotonic() - began)
                return written

    def _parcel(self, most: int) -> PendingBatch | None:
        row = self._row(self._next)
        if row is None:
            self._next = self._newest + 1
            return None
        self._advance(row)
        self._oldest = row.put_at
        first, last, size = row.number, row.number, row.size
        doubted = first <= self._doubted_to
        if row.batch.rejections or row.batch.length >= most:
            return PendingBatch(first, last, row.batch, size, doubted)
        records = list(row.batch.records)
        while self._there() and (more := self._row_at_hand(self._next)) is not None:
            if more.batch.rejections or len(records) + more.batch.length > most:
                break
            if doubted and more.number > self._doubted_to:
                break
            self._advance(more)
            records += more.batch.records
            last, size = more.number, size + more.size
        return PendingBatch(first, last, Batch(records, (), row.batch.taken_at), size, doubted)

    def _row(self, number: int) -> Row | None:
        return self._cache.get(number) or self._file.read(number)

    def _row_at_hand(self, number: int) -> Row | None:
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
    """Open an outbox for the time of a block.

    Raises:
        OutboxError: another process uses it, or it is damaged, newer, or cannot be written.
    """
    outbox = Outbox(path, limit=limit, full=full)
    try:
        yield outbox
    finally:
        outbox.close()


def _size(batch: Batch) -> int:
    return sum(len(item[0]) for item in batch.records) + sum(len(item[0]) for item in batch.rejections)
