"""Pending entries: one queue per partition key, and splitting into requests of limited size."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar


class PartitionedEntry(Protocol):
    """Data with a partition key. Entries with the same key are sent in order."""

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
        self._heads: dict[str, E] = {}
        self._rest: dict[str, deque[E]] = {}
        self._failures: dict[str, int] = {}
        for entry in entries:
            if entry.key in self._heads:
                self._rest.setdefault(entry.key, deque()).append(entry)
            else:
                self._heads[entry.key] = entry

    def __bool__(self) -> bool:
        """Return whether any entry is pending."""
        return bool(self._heads)

    def __iter__(self) -> Iterator[E]:
        """Yield the pending entries, queue by queue."""
        for key, head in self._heads.items():
            yield head
            yield from self._rest.get(key, ())

    def next_entries(self) -> list[E]:
        """Return the first entry of each queue."""
        return list(self._heads.values())

    def mark_sent(self, head: E) -> None:
        """Remove the first entry of a queue, so that the next one may be sent."""
        key = head.key
        if self._failures:
            self._failures.pop(key, None)
        rest = self._rest.get(key)
        if rest is None:
            del self._heads[key]
            return
        self._heads[key] = rest.popleft()
        if not rest:
            del self._rest[key]

    def mark_failed(self, head: E) -> None:
        """Count a failed attempt; the entry stays the first of its queue."""
        self._failures[head.key] = self._failures.get(head.key, 0) + 1

    @property
    def max_failures(self) -> int:
        """The highest number of failed attempts of a pending entry."""
        return max(self._failures.values(), default=0)


def split_into_requests(
    entries: Sequence[E], max_entries: int, max_bytes: int
) -> Iterator[tuple[Sequence[E], int]]:
    """Yield the entries in requests of limited size, each with its number of bytes."""
    request: list[E] = []
    size = 0
    for entry in entries:
        entry_size = len(entry.data) + len(entry.key)
        if request and (len(request) == max_entries or size + entry_size > max_bytes):
            yield request, size
            request, size = [], 0
        request.append(entry)
        size += entry_size
    if request:
        yield request, size
