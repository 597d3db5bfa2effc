"""What an outbox that was full let go: how much, of when, of which symbols."""

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
"""Quotes dropped within this time of one another make one gap."""

_NAMED = 5
_KEPT = 1000
_MARK = b'"timestamp":"'
_TIMESTAMP = 24


class DroppedRange(NamedTuple):
    """What was dropped and will never arrive."""

    first: str = ""
    last: str = ""
    """Market times of the oldest and the newest quote; empty when they are not known."""
    quotes: int = 0
    symbols: int = 0
    """How many symbols they belong to."""
    named: str = ""
    """Some of these symbols."""
    rejections: int = 0
    """How many records were dropped that the source could not read."""
    origins: str = ""
    """From which sources these came."""

    def __str__(self) -> str:
        """Return the gap in words."""
        parts = [self._quotes()] if self.quotes else []
        if self.rejections:
            parts.append(f"{self.rejections:,} unreadable records of {self.origins}")
        return " and ".join(parts)

    def _quotes(self) -> str:
        more = ", ..." if self.symbols > _NAMED else ""
        times = f"{self.first} to {self.last}" if self.first != self.last else self.first
        return f"{self.quotes:,} quotes of {self.named}{more} ({times})"


class _OpenRange(NamedTuple):
    """A gap that may still grow."""

    number: int
    gap: DroppedRange
    symbols: frozenset[str]
    last_drop: float


class DropLog:
    """Writes down what is dropped, as one gap for each episode.

    Args:
        connection: to the outbox.
        clock: seconds that never go back.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._episode: _OpenRange | None = None
        self.dropped = 0
        """How many quotes were dropped since the start."""
        self.dropped_rejections = 0
        """How many records that a source could not read were."""

    @contextmanager
    def dropping(self, batch: Batch, transaction: AbstractContextManager[None]) -> Iterator[None]:
        """Write down that ``batch`` is dropped, in one ``transaction`` with what the block does for it.

        What is not written, as the disk is full, does not count.
        """
        with transaction:
            began, episode = self._grown(batch)
            self._write(episode)
            yield
        self._episode = episode
        self.dropped += len(batch.records)
        self.dropped_rejections += len(batch.rejections)
        if began:
            _log.warning(
                "The outbox is full: the oldest in it are dropped (stream.outbox_full = drop-oldest)."
            )

    def room(self) -> None:
        """Note that nothing had to be dropped; it ends the episode after a while."""
        if self._episode is not None and self._clock() - self._episode.last_drop > RANGE_SECONDS:
            _log.warning("The outbox has room again. Dropped for good: %s.", self._episode.gap)
            self._episode = None

    def _grown(self, batch: Batch) -> tuple[bool, _OpenRange]:
        """Return whether an episode begins, and the episode with ``batch`` in it."""
        now, before = self._clock(), self._episode
        if before is None or now - before.last_drop > RANGE_SECONDS:
            (newest,) = self._connection.execute("SELECT max(number) FROM gaps").fetchone()
            return True, _with(_OpenRange((newest or 0) + 1, DroppedRange(), frozenset(), now), batch, now)
        return False, _with(before, batch, now)

    def _write(self, episode: _OpenRange) -> None:
        self._connection.execute("DELETE FROM gaps WHERE number <= ?", (episode.number - _KEPT,))
        self._connection.execute(
            "REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (episode.number, *episode.gap)
        )


def read_drops(connection: sqlite3.Connection) -> list[DroppedRange]:
    """Return the gaps of an outbox, oldest first."""
    rows = connection.execute(
        "SELECT first, last, quotes, symbols, named, rejections, origins FROM gaps ORDER BY number"
    )
    return [DroppedRange(*row) for row in rows]


def _with(episode: _OpenRange, batch: Batch, now: float) -> _OpenRange:
    gap, symbols = episode.gap, episode.symbols.union(record.key for record in batch.records)
    times = [text for record in batch.records if (text := _timestamp(record.data))]
    times += [text for text in (gap.first, gap.last) if text]
    origins = {each.origin.partition(":")[0] for each in batch.rejections}.union(_split(gap.origins))
    grown = DroppedRange(
        min(times, default=""),
        max(times, default=""),
        gap.quotes + len(batch.records),
        len(symbols),
        ", ".join(heapq.nsmallest(_NAMED, symbols)),
        gap.rejections + len(batch.rejections),
        ", ".join(heapq.nsmallest(_NAMED, origins)),
    )
    return _OpenRange(episode.number, grown, symbols, now)


def _split(names: str) -> list[str]:
    return names.split(", ") if names else []


def _timestamp(data: bytes) -> str:
    at = data.find(_MARK)
    return data[at + len(_MARK) : at + len(_MARK) + _TIMESTAMP].decode("ascii", "replace") if at >= 0 else ""
