"""Packs records into aggregated records, by shard."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.kinesis.kpl_encoder import Encoder
from stockctl.backends.aws.kinesis.pending import E
from stockctl.errors import AwsError

_CACHED_KEYS = 100_000


class Shard(NamedTuple):
    """An open shard: its id, and the lowest hash key of its range."""

    shard_id: str
    starting_hash_key: int


class OpenShards:
    """Finds the shard of a record: the one whose range holds the MD5 of the partition key.

    The shards are listed at the first use; a reshard is seen after the next ``refresh``.

    Args:
        client: the client of Kinesis.
        stream: the name of the stream.
    """

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._shards: list[Shard] = []
        self._starts: list[int] = []
        self._by_key: dict[str, Shard] = {}

    def shard_of(self, key: str) -> Shard:
        """Return the shard of a partition key.

        Raises:
            AwsError: the shards cannot be listed, or none is open.
        """
        shard = self._by_key.get(key)
        if shard is None:
            shard = self._listed()[max(0, bisect_right(self._starts, hash_key(key)) - 1)]
            if len(self._by_key) >= _CACHED_KEYS:
                self._by_key.clear()
            self._by_key[key] = shard
        return shard

    def is_open(self, shard_id: str) -> bool:
        """Return whether a shard was open when the shards were last listed."""
        return any(shard.shard_id == shard_id for shard in self._listed())

    @translate_errors()
    def refresh(self) -> None:
        """List the open shards again; after a failure, the next use lists them.

        Raises:
            AwsError: they cannot be listed, or there is none.
        """
        self._shards = []
        self._by_key = {}
        # Services that are compatible with Kinesis may not know the filter.
        shards = [
            Shard(shard["ShardId"], int(shard["HashKeyRange"]["StartingHashKey"]))
            for page in self._pages()
            for shard in page["Shards"]
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        ]
        if not shards:
            raise AwsError(
                f"The stream {self._stream} has no open shard.",
                "It is being created or deleted: run 'stockctl status' to see when it is ready.",
            )
        self._shards = sorted(shards, key=lambda shard: shard.starting_hash_key)
        self._starts = [shard.starting_hash_key for shard in self._shards]

    def _pages(self) -> Iterator[Mapping[str, Any]]:
        # botocore's paginator sends the name with every page, which Kinesis rejects (boto/botocore#2009).
        page = self._client.list_shards(StreamName=self._stream, ShardFilter={"Type": "AT_LATEST"})
        yield page
        while token := page.get("NextToken"):
            page = self._client.list_shards(NextToken=token)
            yield page

    def _listed(self) -> list[Shard]:
        if not self._shards:
            self.refresh()
        return self._shards


def hash_key(key: str) -> int:
    """Return the hash key of a partition key, from 0 to 2**128 - 1."""
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big")


MAX_BYTES = 100_000
"""Maximum bytes of an aggregate and its key.

This is four billing units of 25 KB, and about 500 quotes. It is a tenth of what a shard takes in a second,
because an aggregate that is throttled is sent again as a whole. And it is small enough for the smallest
Lambda function to store in time, because an event with a single record cannot be split.
"""


class Aggregate(NamedTuple, Generic[E]):
    """An aggregated record, and the records in it.

    Kinesis accepts it as a whole or not at all. Of aggregates with the same ``key``, a later one must not be
    sent before Kinesis has accepted the earlier one.
    """

    data: bytes
    key: str
    """Its partition key: the shard id, so that Lambda delivers the aggregates of a shard in order."""
    hash_key: str
    """Its ExplicitHashKey, which selects that shard, independently of the key."""
    members: Sequence[E]
    """The records in it, in order; ``data`` of a single large record is the record itself, not packed."""

    @property
    def size(self) -> int:
        """Number of bytes that count against the limits of Kinesis."""
        return len(self.data) + len(self.key)


class Aggregator:
    """Packs records by the shards that they belong to.

    Args:
        shards: the shards of the stream.
        max_bytes: the maximum size of an aggregate and its key. A larger record is sent alone, not packed.
    """

    def __init__(self, shards: OpenShards, max_bytes: int = MAX_BYTES) -> None:
        self._shards = shards
        self._max_bytes = max_bytes

    def aggregate(self, records: Iterable[E]) -> list[Aggregate[E]]:
        """Return aggregates that hold ``records``; those of a shard are in sending order.

        Raises:
            AwsError: the shards cannot be listed.
        """
        buffers: dict[str, _ShardBuffer[E]] = {}
        for record in records:
            shard = self._shards.shard_of(record.key)
            buffer = buffers.get(shard.shard_id)
            if buffer is None:
                buffer = buffers[shard.shard_id] = _ShardBuffer(shard, self._max_bytes)
            buffer.add(record)
        return [aggregate for buffer in buffers.values() for aggregate in buffer.finish()]

    def is_misplaced(self, aggregate: Aggregate[E], shard_id: str) -> bool:
        """Return whether an aggregate that Kinesis put into ``shard_id`` must be packed and sent again.

        It must if a reshard closed its shard: in another shard, consumers that check the ranges drop the
        aggregate, and later records of its symbols may be delivered before it. The shards are then listed
        again, so that all pending records must be packed again.

        Raises:
            AwsError: the shards cannot be listed.
        """
        if shard_id == aggregate.key:
            return False
        if self._shards.is_open(aggregate.key):
            self._shards.refresh()
        return not (self._shards.is_open(aggregate.key) and self._shards.is_open(shard_id))


class _ShardBuffer(Generic[E]):
    """Collects the aggregates of one shard."""

    def __init__(self, shard: Shard, max_bytes: int) -> None:
        self._shard = shard
        self._limit = max_bytes - len(shard.shard_id)
        self._finished: list[Aggregate[E]] = []
        self._start_aggregate()

    def add(self, record: E) -> None:
        if not self._encoder.add(record.key, record.data):
            self._end_aggregate()
            if not self._encoder.add(record.key, record.data):
                self._finished.append(self._aggregate(record.data, [record]))
                return
        self._members.append(record)

    def finish(self) -> list[Aggregate[E]]:
        self._end_aggregate()
        return self._finished

    def _start_aggregate(self) -> None:
        self._encoder = Encoder(self._limit)
        self._members: list[E] = []

    def _end_aggregate(self) -> None:
        if self._members:
            self._finished.append(self._aggregate(self._encoder.encode(), self._members))
            self._start_aggregate()

    def _aggregate(self, data: bytes, members: Sequence[E]) -> Aggregate[E]:
        return Aggregate(data, self._shard.shard_id, str(self._shard.starting_hash_key), members)
