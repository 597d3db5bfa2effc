"""Entries that wait to be sent: one queue per partition key, cut into calls of limited size."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar


class PartitionedEntry(Protocol):
    """Bytes, and the partition key whose entries stay in order."""

    @property
    def data(self) -> bytes:
        """The bytes."""

    @property
    def key(self) -> str:
        """The partition key."""


E = TypeVar("E", bound=PartitionedEntry)


class PendingEntries(Generic[E]):
    """One queue per partition key; only the first entry of each queue may be sent."""

    def __init__(self, entries: Sequence[E]) -> None:
        self._first: dict[str, E] = {}
        self._later: dict[str, deque[E]] = {}
        self._failures: dict[str, int] = {}
        for entry in entries:
            if entry.key in self._first:
                self._later.setdefault(entry.key, deque()).append(entry)
            else:
                self._first[entry.key] = entry

    def __bool__(self) -> bool:
        """Return whether any entry waits."""
        return bool(self._first)

    def __iter__(self) -> Iterator[E]:
        """Yield the waiting entries, queue by queue."""
        for key, first in self._first.items():
            yield first
            yield from self._later.get(key, ())

    def sendable(self) -> list[E]:
        """Return the first entry of each queue."""
        return list(self._first.values())

    def mark_sent(self, first: E) -> None:
        """Remove the first entry of a queue, so that the next one may be sent."""
        key = first.key
        if self._failures:
            self._failures.pop(key, None)
        later = self._later.get(key)
        if later is None:
            del self._first[key]
            return
        self._first[key] = later.popleft()
        if not later:
            del self._later[key]

    def mark_failed(self, first: E) -> None:
        """Count a failed attempt; the entry stays the first of its queue."""
        self._failures[first.key] = self._failures.get(first.key, 0) + 1

    @property
    def failures(self) -> int:
        """The most failed attempts of any entry that waits."""
        return max(self._failures.values(), default=0)


def split_into_calls(
    entries: Sequence[E], max_entries: int, max_bytes: int
) -> Iterator[tuple[Sequence[E], int]]:
    """Yield the entries in calls of limited size, each with its number of bytes."""
    call: list[E] = []
    size = 0
    for entry in entries:
        entry_size = len(entry.data) + len(entry.key)
        if call and (len(call) == max_entries or size + entry_size > max_bytes):
            yield call, size
            call, size = [], 0
        call.append(entry)
        size += entry_size
    if call:
        yield call, size
