"""Lambda's documented way of feeding a function from a stream, small and deterministic.

What it keeps to: batches in stream order; with parallelisation, lanes by partition key; a failed
invocation brings the whole batch again; a partial answer completes what lies before the lowest sequence
number that it names, and brings the rest again; an answer with an empty or unknown number is a complete
failure; bisection cuts a failed batch in two, which is no retry; after so many retries, or at such an
age, the records go to the on-failure destination and the lane moves on. The batching window decides when
a batch is made and not what becomes of it: it is left out.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Handler = Callable[[dict[str, Any]], Any]


class Killed(BaseException):
    """The function's process is gone: out of memory, out of time, or its host failed."""


class StreamRecord(NamedTuple):
    """A record of a stream: what orders it, what places it in a lane, and what the function is given."""

    sequence_number: str
    partition_key: str
    event: Mapping[str, Any]


@dataclass(frozen=True)
class EventSource:
    """The settings of an event source mapping; None means without limit."""

    batch_size: int = 100
    parallelization: int = 1
    bisect: bool = True
    partial_responses: bool = True
    retries: int | None = None
    record_age: int | None = None
    """In invocations of the lane since the records were first handed over: the model has no other clock."""


class Batch(NamedTuple):
    """Records that come again together."""

    records: Sequence[StreamRecord]
    retries: int
    born: int


class Lane:
    """Some of the records of a shard, one batch at a time."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._fresh: deque[StreamRecord] = deque()
        self._again: deque[Batch] = deque()
        self._invocations = 0
        self.discarded: list[StreamRecord] = []
        """What went to the on-failure destination."""

    def __bool__(self) -> bool:
        return bool(self._fresh or self._again)

    def append(self, record: StreamRecord) -> None:
        """Take what arrives in the stream."""
        self._fresh.append(record)

    def step(self, handler: Handler) -> None:
        """Hand over one batch once and act on what comes of it."""
        batch = self._again.popleft() if self._again else self._next()
        self._invocations += 1
        completed = self._invoke(handler, batch.records)
        if completed == len(batch.records):
            return
        rest = Batch(batch.records[completed:], batch.retries + 1, batch.born)
        if self._is_over(rest):
            self.discarded += rest.records
        elif self._source.bisect and not completed and len(rest.records) > 1:
            middle = len(rest.records) // 2
            self._again.appendleft(batch._replace(records=rest.records[middle:]))
            self._again.appendleft(batch._replace(records=rest.records[:middle]))
        else:
            self._again.appendleft(rest)

    def _next(self) -> Batch:
        size = min(self._source.batch_size, len(self._fresh))
        return Batch([self._fresh.popleft() for _ in range(size)], 0, self._invocations)

    def _invoke(self, handler: Handler, records: Sequence[StreamRecord]) -> int:
        """Return how many records, from the first on, are done with."""
        try:
            answer = handler({"Records": [dict(record.event) for record in records]})
        except (Exception, Killed):  # noqa: BLE001 - whatever it is, Lambda hands the batch over again
            return 0
        failures = (answer or {}).get("batchItemFailures") or []
        if not failures or not self._source.partial_responses:
            return len(records)
        numbers = [record.sequence_number for record in records]
        named = [failure.get("itemIdentifier") for failure in failures]
        return min(map(numbers.index, named)) if set(named) <= set(numbers) else 0

    def _is_over(self, rest: Batch) -> bool:
        retries, age = self._source.retries, self._source.record_age
        too_often = retries is not None and rest.retries > retries
        return too_often or (age is not None and self._invocations - rest.born >= age)


class Shard:
    """A shard and the lanes that its records fall into."""

    def __init__(self, source: EventSource) -> None:
        self.lanes = [Lane(source) for _ in range(source.parallelization)]

    def extend(self, records: Iterable[StreamRecord]) -> None:
        """Take what arrives in the stream."""
        for record in records:
            digest = hashlib.md5(record.partition_key.encode()).digest()
            self.lanes[digest[0] % len(self.lanes)].append(record)

    def run(self, handler: Handler, most: int = 10_000) -> None:
        """Let the lanes take turns until all is done with, which must come about.

        Raises:
            AssertionError: records are left after ``most`` turns.
        """
        for _ in range(most):
            waiting = [lane for lane in self.lanes if lane]
            if not waiting:
                return
            for lane in waiting:
                lane.step(handler)
        raise AssertionError("the function gets nowhere")

    @property
    def discarded(self) -> list[StreamRecord]:
        """What went to the on-failure destination, with its data."""
        return [record for lane in self.lanes for record in lane.discarded]
