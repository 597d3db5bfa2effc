"""What an outbox that was full let go: how much, of when, of which symbols."""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from stockctl.pipeline.ports import Record

_log = logging.getLogger(__name__)

EPISODE_SECONDS = 60.0
"""Quotes dropped within this time of one another make one gap."""

_NAMED = 5
_KEPT = 1000
_MARK = b'"timestamp":"'
_TIMESTAMP = 24


class Gap(NamedTuple):
    """Quotes that were dropped and will never arrive."""

    first: str
    last: str
    """Market times of the oldest and the newest of them; empty when they are not known."""
    quotes: int
    symbols: int
    """How many symbols they belong to."""
    named: str
    """Some of these symbols."""

    def __str__(self) -> str:
        """Return the gap in words."""
        more = ", ..." if self.symbols > _NAMED else ""
        times = f"{self.first} to {self.last}" if self.first != self.last else self.first
        return f"{self.quotes:,} quotes of {self.named}{more} ({times})"


class Gaps:
    """Writes down what is dropped, as one gap for each episode.

    Args:
        connection: to the outbox; the caller holds a transaction when quotes are dropped.
        clock: seconds that never go back.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._number = 0
        self._gap = Gap("", "", 0, 0, "")
        self._symbols: set[str] = set()
        self._last_drop: float | None = None
        self.dropped = 0
        """How many quotes were dropped since the start."""

    def add(self, records: Sequence[Record]) -> None:
        """Write down that ``records`` are dropped."""
        now = self._clock()
        if self._last_drop is None or now - self._last_drop > EPISODE_SECONDS:
            self._begin()
        self._last_drop = now
        self.dropped += len(records)
        self._symbols.update(record.key for record in records)
        times = [text for record in records if (text := _timestamp(record.data))]
        known = [text for text in (self._gap.first, self._gap.last) if text]
        self._gap = Gap(
            min(times + known, default=""),
            max(times + known, default=""),
            self._gap.quotes + len(records),
            len(self._symbols),
            ", ".join(sorted(self._symbols)[:_NAMED]),
        )
        self._connection.execute("REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?)", (self._number, *self._gap))

    def room(self) -> None:
        """Note that nothing had to be dropped; it ends the episode after a while."""
        if self._last_drop is not None and self._clock() - self._last_drop > EPISODE_SECONDS:
            _log.warning("The outbox has room again. Dropped for good: %s.", self._gap)
            self._last_drop = None

    def _begin(self) -> None:
        (newest,) = self._connection.execute("SELECT max(number) FROM gaps").fetchone()
        self._number = (newest or 0) + 1
        self._connection.execute("DELETE FROM gaps WHERE number <= ?", (self._number - _KEPT,))
        self._gap, self._symbols = Gap("", "", 0, 0, ""), set()
        _log.warning(
            "The outbox is full: the oldest quotes in it are dropped (stream.outbox_full = drop-oldest)."
        )


def read_gaps(connection: sqlite3.Connection) -> list[Gap]:
    """Return the gaps of an outbox, oldest first."""
    rows = connection.execute("SELECT first, last, quotes, symbols, named FROM gaps ORDER BY number")
    return [Gap(*row) for row in rows]


def _timestamp(data: bytes) -> str:
    at = data.find(_MARK)
    return data[at + len(_MARK) : at + len(_MARK) + _TIMESTAMP].decode("ascii", "replace") if at >= 0 else ""
