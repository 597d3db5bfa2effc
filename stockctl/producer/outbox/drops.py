"""Records which quotes were dropped because the outbox was full: their number, times and symbols."""

import heapq
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from stockctl.producer.batching import Batch

_log = logging.getLogger(__name__)

RANGE_SECONDS = 60.0
"""Quotes dropped within this time of one another make one range."""

_NAMED_SYMBOLS = 5
_KEPT_RANGES = 1000
_TIMESTAMP_KEY = b'"timestamp":"'
_TIMESTAMP_LENGTH = 24


class DroppedRange(NamedTuple):
    """Quotes and records that were dropped and will never arrive."""

    first: str = ""
    last: str = ""
    """Timestamps of the oldest and the newest quote; empty if unknown."""
    quotes: int = 0
    symbols: int = 0
    """How many different symbols they have."""
    named: str = ""
    """Some of these symbols."""
    rejections: int = 0
    """Records that the source could not read."""
    origins: str = ""
    """The sources of these records."""

    def __str__(self) -> str:
        """Return a description."""
        parts = [self._quotes()] if self.quotes else []
        if self.rejections:
            parts.append(f"{self.rejections:,} unreadable records of {self.origins}")
        return " and ".join(parts)

    def _quotes(self) -> str:
        more = ", ..." if self.symbols > _NAMED_SYMBOLS else ""
        times = f"{self.first} to {self.last}" if self.first != self.last else self.first
        return f"{self.quotes:,} quotes of {self.named}{more} ({times})"


class _OpenRange(NamedTuple):
    """A range that may still grow."""

    number: int
    dropped: DroppedRange
    symbols: frozenset[str]
    last_drop: float


class DropLog:
    """Records in the outbox what is dropped: one range for each time that the outbox was full.

    Args:
        connection: the SQLite connection to the outbox.
        clock: returns monotonic seconds.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._open_range: _OpenRange | None = None
        self.dropped = 0
        """Quotes dropped since the start."""
        self.dropped_rejections = 0
        """Records that the source could not read, dropped since the start."""

    @contextmanager
    def dropping(self, batch: Batch, transaction: AbstractContextManager[None]) -> Iterator[None]:
        """Record that ``batch`` is dropped, in one ``transaction`` with what the block does.

        If the record cannot be written because the disk is full, the batch does not count as dropped.
        """
        with transaction:
            is_new, open_range = self._grow(batch)
            self._write(open_range)
            yield
        self._open_range = open_range
        self.dropped += len(batch.records)
        self.dropped_rejections += len(batch.rejections)
        if is_new:
            _log.warning(
                "The outbox is full: its oldest quotes are dropped (stream.outbox_full = drop-oldest)."
            )

    def has_room(self) -> None:
        """Record that nothing had to be dropped; after ``RANGE_SECONDS`` this closes the open range."""
        if self._open_range is not None and self._clock() - self._open_range.last_drop > RANGE_SECONDS:
            _log.warning("The outbox has room again. Lost: %s.", self._open_range.dropped)
            self._open_range = None

    def _grow(self, batch: Batch) -> tuple[bool, _OpenRange]:
        """Return whether a new range begins, and the range with ``batch`` in it."""
        now, before = self._clock(), self._open_range
        if before is None or now - before.last_drop > RANGE_SECONDS:
            (newest,) = self._connection.execute("SELECT max(number) FROM gaps").fetchone()
            return True, _with(_OpenRange((newest or 0) + 1, DroppedRange(), frozenset(), now), batch, now)
        return False, _with(before, batch, now)

    def _write(self, open_range: _OpenRange) -> None:
        oldest = open_range.number - _KEPT_RANGES
        self._connection.execute("DELETE FROM gaps WHERE number <= ?", (oldest,))
        self._connection.execute(
            "REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (open_range.number, *open_range.dropped)
        )


def read_drops(connection: sqlite3.Connection) -> list[DroppedRange]:
    """Return the dropped ranges of an outbox, oldest first."""
    rows = connection.execute(
        "SELECT first, last, quotes, symbols, named, rejections, origins FROM gaps ORDER BY number"
    )
    return [DroppedRange(*row) for row in rows]


def _with(open_range: _OpenRange, batch: Batch, now: float) -> _OpenRange:
    before, symbols = open_range.dropped, open_range.symbols.union(record.key for record in batch.records)
    times = [text for record in batch.records if (text := _timestamp(record.data))]
    times += [text for text in (before.first, before.last) if text]
    origins = {each.origin.partition(":")[0] for each in batch.rejections}.union(_split(before.origins))
    grown = DroppedRange(
        min(times, default=""),
        max(times, default=""),
        before.quotes + len(batch.records),
        len(symbols),
        ", ".join(heapq.nsmallest(_NAMED_SYMBOLS, symbols)),
        before.rejections + len(batch.rejections),
        ", ".join(heapq.nsmallest(_NAMED_SYMBOLS, origins)),
    )
    return _OpenRange(open_range.number, grown, symbols, now)


def _split(names: str) -> list[str]:
    return names.split(", ") if names else []


def _timestamp(data: bytes) -> str:
    start = data.find(_TIMESTAMP_KEY)
    if start < 0:
        return ""
    start += len(_TIMESTAMP_KEY)
    return data[start : start + _TIMESTAMP_LENGTH].decode("ascii", "replace")
