"""Packs records into aggregates by shard."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.kinesis.kpl_encoder import Encoder
from stockctl.errors import AwsError

_REMEMBERED_KEYS = 100_000


class Shard(NamedTuple):
    """An open shard, and the lowest hash key that leads to it."""

    shard_id: str
    first: int


class OpenShards:
    """Which shard Kinesis puts a record into: the one in whose range the MD5 of its partition key lies.

    They are listed when they are first asked for; a reshard is seen at the next ``refresh``.

    Args:
        client: of Kinesis.
        stream: its name.
    """

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._shards: list[Shard] = []
        self._firsts: list[int] = []
        self._by_key: dict[str, Shard] = {}

    def of(self, key: str) -> Shard:
        """Return the shard of a partition key.

        Raises:
            AwsError: the shards cannot be listed, or none is open.
        """
        shard = self._by_key.get(key)
        if shard is None:
            shard = self._listed()[max(0, bisect_right(self._firsts, hash_key(key)) - 1)]
            if len(self._by_key) >= _REMEMBERED_KEYS:
                self._by_key.clear()
            self._by_key[key] = shard
        return shard

    def has(self, shard_id: str) -> bool:
        """Tell whether a shard was among the open ones when they were listed last."""
        return any(shard.shard_id == shard_id for shard in self._listed())

    @translate_errors()
    def refresh(self) -> None:
        """List the open shards again; when that fails, whoever asks for them next tries it anew.

        Raises:
            AwsError: they cannot be listed, or there is none.
        """
        self._shards = []
        self._by_key = {}
        # A stand-in for Kinesis may not know the filter.
        found = [
            Shard(shard["ShardId"], int(shard["HashKeyRange"]["StartingHashKey"]))
            for page in self._pages()
            for shard in page["Shards"]
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        ]
        if not found:
            raise AwsError(
                f"The stream {self._stream} has no open shard.",
                "It is being made or deleted: 'stockctl status' tells when it is there.",
            )
        self._shards = sorted(found, key=lambda shard: shard.first)
        self._firsts = [shard.first for shard in self._shards]

    def _pages(self) -> Iterator[Mapping[str, Any]]:
        # botocore's paginator names the stream on every page, which Kinesis refuses (boto/botocore#2009).
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
    """Return where a partition key lies among the 2**128 hash keys."""
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big")


MAX_BYTES = 100_000
"""Bytes of an aggregate and its key, at most.

Four of the units of 25 KB that are billed; a tenth of what a shard takes in a second, as an aggregate that
is throttled is sent again whole; some 500 quotes, as many as the largest call could hold singly; and, as
an event of one record cannot be cut in two, few enough for the smallest Lambda function to store in time.
"""


class Keyed(Protocol):
    """What can be packed: bytes, and the partition key whose records stay in order."""

    @property
    def key(self) -> str:
        """The partition key."""

    @property
    def data(self) -> bytes:
        """The bytes."""


K = TypeVar("K", bound=Keyed)


class Aggregate(NamedTuple, Generic[K]):
    """A record as Kinesis gets it, and what is in it.

    Kinesis takes it whole or not at all. Of those with one ``key`` a later one is not to be sent before
    the earlier one is taken.
    """

    data: bytes
    key: str
    """Its partition key: the ID of the shard, so that Lambda hands a shard's aggregates over in order."""
    hash_key: str
    """Its ExplicitHashKey, which leads to that shard whatever the key."""
    members: Sequence[K]
    """The records in it, in order; a single one may be there as it is, not packed."""

    @property
    def size(self) -> int:
        """Bytes that count against the limits of Kinesis."""
        return len(self.data) + len(self.key)


class Aggregator:
    """Packs records by the shards that they belong to.

    Args:
        shards: of the stream.
        max_bytes: of an aggregate and its key. A record that would fill more goes alone, as it is.
    """

    def __init__(self, shards: OpenShards, max_bytes: int = MAX_BYTES) -> None:
        self._shards = shards
        self._max_bytes = max_bytes

    def entries(self, records: Iterable[K]) -> list[Aggregate[K]]:
        """Return the aggregates that hold ``records``, those of a shard in the order in which to send them.

        Raises:
            AwsError: the shards cannot be listed.
        """
        lanes: dict[str, _ShardBuffer[K]] = {}
        for record in records:
            shard = self._shards.of(record.key)
            lane = lanes.get(shard.shard_id)
            if lane is None:
                lane = lanes[shard.shard_id] = _ShardBuffer(shard, self._max_bytes)
            lane.take(record)
        return [aggregate for lane in lanes.values() for aggregate in lane.finished()]

    def misplaced(self, aggregate: Aggregate[K], shard_id: str) -> bool:
        """Tell whether an aggregate that Kinesis put into ``shard_id`` has to be packed and sent again.

        It has to when its shard was closed by a reshard. Where it is now, consumers that know the shards'
        ranges drop it whole, and later records of its symbols may be handed over before it. The shards
        are listed anew, so what is still to be sent is to be packed anew as well.

        Raises:
            AwsError: the shards cannot be listed.
        """
        if shard_id == aggregate.key:
            return False
        if self._shards.has(aggregate.key):
            self._shards.refresh()
        return not (self._shards.has(aggregate.key) and self._shards.has(shard_id))


class _ShardBuffer(Generic[K]):
    """The aggregates of one shard."""

    def __init__(self, shard: Shard, max_bytes: int) -> None:
        self._shard = shard
        self._limit = max_bytes - len(shard.shard_id)
        self._done: list[Aggregate[K]] = []
        self._begin()

    def take(self, record: K) -> None:
        if not self._encoder.add(record.key, record.data):
            self._end()
            if not self._encoder.add(record.key, record.data):
                self._done.append(self._aggregate(record.data, [record]))
                return
        self._members.append(record)

    def finished(self) -> list[Aggregate[K]]:
        self._end()
        return self._done

    def _begin(self) -> None:
        self._encoder = Encoder(self._limit)
        self._members: list[K] = []

    def _end(self) -> None:
        if self._members:
            self._done.append(self._aggregate(self._encoder.encode(), self._members))
            self._begin()

    def _aggregate(self, data: bytes, members: Sequence[K]) -> Aggregate[K]:
        return Aggregate(data, self._shard.shard_id, str(self._shard.first), members)
