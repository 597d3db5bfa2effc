"""Records that wait to be sent, so that those of a symbol keep their order."""

from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Generic, Protocol, TypeVar

from stockctl.market.quote import read_record
from stockctl.market.refusal import Refusal
from stockctl.pipeline.ports import Record

_NAMED = 5


class Entry(Protocol):
    """What Kinesis takes as one record: its bytes, and the partition key, which those in order share."""

    @property
    def data(self) -> bytes:
        """The bytes."""

    @property
    def key(self) -> str:
        """The partition key."""


E = TypeVar("E", bound=Entry)


def keyed(record: Record) -> Record:
    """Return ``record`` with its symbol as its key; what holds no quote gets a key of its own."""
    if record.key:
        return record
    try:
        return record._replace(key=read_record(record.data).quote.symbol)
    except Refusal:
        return record._replace(key=sha256(record.data).hexdigest())


class Waiting(Generic[E]):
    """Entries in lanes, one a key; only the first of a lane may be sent."""

    def __init__(self, entries: Sequence[E]) -> None:
        self._heads: dict[str, E] = {}
        self._behind: dict[str, deque[E]] = {}
        self._tries: dict[str, int] = {}
        for entry in entries:
            if entry.key in self._heads:
                self._behind.setdefault(entry.key, deque()).append(entry)
            else:
                self._heads[entry.key] = entry

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._heads)

    def heads(self) -> list[E]:
        """Return the first entry of each lane."""
        return list(self._heads.values())

    def all(self) -> Iterator[E]:
        """Yield what waits, lane by lane."""
        for key, head in self._heads.items():
            yield head
            yield from self._behind.get(key, ())

    def taken(self, head: E) -> None:
        """Let the next one of its lane come forward."""
        key = head.key
        if self._tries:
            self._tries.pop(key, None)
        lane = self._behind.get(key)
        if lane is None:
            del self._heads[key]
            return
        self._heads[key] = lane.popleft()
        if not lane:
            del self._behind[key]

    def failed(self, head: E) -> None:
        """Count a try in vain; the entry stays at the head of its lane."""
        self._tries[head.key] = self._tries.get(head.key, 0) + 1

    @property
    def tries(self) -> int:
        """How often the most unlucky of the heads was tried in vain."""
        return max(self._tries.values(), default=0)


def names(records: Sequence[Record]) -> str:
    """Return the first of the records of each key, a few of them, for a person."""
    firsts: dict[str, Record] = {}
    for record in records:
        firsts.setdefault(record.key, record)
    rest = f" and {len(firsts) - _NAMED} more symbols" if len(firsts) > _NAMED else ""
    return ", ".join(_name(record) for record in list(firsts.values())[:_NAMED]) + rest


def _name(record: Record) -> str:
    try:
        quote = read_record(record.data).quote
    except Refusal:
        return f"record {record.key[:12]}..."
    return f"{quote.symbol} {quote.timestamp}"


def calls(entries: Sequence[E], most: int, most_bytes: int) -> Iterator[tuple[Sequence[E], int]]:
    """Cut entries into calls of ``most`` entries and ``most_bytes`` bytes at most, each with its bytes."""
    call: list[E] = []
    size = 0
    for entry in entries:
        bytes_of_entry = len(entry.data) + len(entry.key)
        if call and (len(call) == most or size + bytes_of_entry > most_bytes):
            yield call, size
            call, size = [], 0
        call.append(entry)
        size += bytes_of_entry
    if call:
        yield call, size
