"""Records that wait to be sent, so that those of a symbol keep their order."""

from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from stockctl.market.quote import read_record
from stockctl.market.refusal import Refusal

_NAMED = 5


class Entry(NamedTuple):
    """A record on its way, and the partition key whose records stay in order: the symbol."""

    data: bytes
    key: str
    timestamp: str

    @property
    def size(self) -> int:
        """Bytes that count against the limits of Kinesis."""
        return len(self.data) + len(self.key)

    @property
    def name(self) -> str:
        """The record, for a person."""
        return f"{self.key} {self.timestamp}" if self.timestamp else f"record {self.key[:12]}..."


def entry_of(data: bytes) -> Entry:
    """Return ``data`` with its symbol; what holds no quote gets a key of its own."""
    try:
        quote = read_record(data).quote
    except Refusal:
        return Entry(data, sha256(data).hexdigest(), "")
    return Entry(data, quote.symbol, quote.timestamp)


class Waiting:
    """Entries in lanes, one a key; only the first of a lane may be sent."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._lanes: dict[str, deque[Entry]] = {}
        for entry in entries:
            self._lanes.setdefault(entry.key, deque()).append(entry)
        self._tries: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def heads(self) -> list[Entry]:
        """Return the first entry of each lane."""
        return [lane[0] for lane in self._lanes.values()]

    def taken(self, head: Entry) -> None:
        """Let the next one of its lane come forward."""
        lane = self._lanes[head.key]
        lane.popleft()
        self._tries.pop(head.key, None)
        if not lane:
            del self._lanes[head.key]

    def failed(self, head: Entry) -> None:
        """Count a try in vain; the entry stays at the head of its lane."""
        self._tries[head.key] = self._tries.get(head.key, 0) + 1

    @property
    def tries(self) -> int:
        """How often the most unlucky of the heads was tried in vain."""
        return max(self._tries.values(), default=0)

    def names(self) -> str:
        """Return the first undelivered record of each lane, a few of them, for a person."""
        heads = self.heads()
        rest = f" and {len(heads) - _NAMED} more symbols" if len(heads) > _NAMED else ""
        return ", ".join(head.name for head in heads[:_NAMED]) + rest


def calls(entries: Sequence[Entry], most: int, most_bytes: int) -> Iterator[Sequence[Entry]]:
    """Cut entries into calls of ``most`` entries and ``most_bytes`` bytes at most."""
    call: list[Entry] = []
    size = 0
    for entry in entries:
        if call and (len(call) == most or size + entry.size > most_bytes):
            yield call
            call, size = [], 0
        call.append(entry)
        size += entry.size
    if call:
        yield call
