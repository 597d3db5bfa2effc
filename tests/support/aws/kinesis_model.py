"""A Kinesis stream in memory: hash key ranges, reshards, ListShards, and a consumer of Amazon's kind.

It keeps to what is documented: ListShards in pages whose token stands alone, closed shards listed without
the filter, a record routed by ExplicitHashKey or else by the MD5 of its key.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aws_kinesis_agg.deaggregator import deaggregate_records

HASH_KEYS = 1 << 128
MAGIC = bytes.fromhex("f3899ac2")


def md5_number(key: str) -> int:
    """Return the hash key of a partition key."""
    return int(hashlib.md5(key.encode()).hexdigest(), 16)


@dataclass
class ModelShard:
    """One shard: its range, both ends included, and what was put into it."""

    number: int
    first: int
    last: int
    open: bool = True
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def shard_id(self) -> str:
        """The name."""
        return f"shardId-{self.number:012}"

    def described(self) -> dict[str, Any]:
        """Return the response of ListShards."""
        numbers = {"StartingSequenceNumber": "1"} | ({} if self.open else {"EndingSequenceNumber": "2"})
        return {
            "ShardId": self.shard_id,
            "HashKeyRange": {"StartingHashKey": str(self.first), "EndingHashKey": str(self.last)},
            "SequenceNumberRange": numbers,
        }


class ModelStream:
    """A stream of ``count`` shards; ListShards answers ``page`` of them at once."""

    def __init__(self, count: int, page: int = 1000) -> None:
        edges = [HASH_KEYS * number // count for number in range(count + 1)]
        self.shards = [ModelShard(n, edges[n], edges[n + 1] - 1) for n in range(count)]
        self.listed = 0
        self.filters = True
        """Whether ListShards knows its filter."""
        self.unlisted = 0
        """How many calls of ListShards fail from now on."""
        self._page = page

    def split(self, shard: ModelShard) -> None:
        """Cut the range of an open shard in two."""
        shard.open = False
        middle = (shard.first + shard.last) // 2
        self._add(shard.first, middle)
        self._add(middle + 1, shard.last)

    def merge(self, left: ModelShard, right: ModelShard) -> None:
        """Join two open shards that lie beside each other."""
        assert left.last + 1 == right.first
        left.open = right.open = False
        self._add(left.first, right.last)

    def _add(self, first: int, last: int) -> None:
        self.shards.append(ModelShard(len(self.shards), first, last))

    @property
    def open_shards(self) -> list[ModelShard]:
        """The shards that records go into, by their ranges."""
        return sorted((shard for shard in self.shards if shard.open), key=lambda shard: shard.first)

    def shard_of(self, number: int) -> ModelShard:
        """Return the open shard in whose range a hash key lies."""
        (found,) = [shard for shard in self.shards if shard.open and shard.first <= number <= shard.last]
        return found

    def put(self, data: bytes, key: str, hash_key: str) -> str:
        """Take a record and return the ID of its shard."""
        assert 1 <= len(key) <= 256
        assert len(data) + len(key.encode()) <= 1 << 20
        shard = self.shard_of(int(hash_key))
        shard.records.append({"data": data, "key": key})
        return shard.shard_id

    @contextmanager
    def behind(self, client: Any) -> Iterator[None]:
        """Answer the ListShards calls of ``client``."""

        def remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
            context["parameters"] = params

        def answer(context: dict[str, Any], **_: object) -> Any:
            if self.unlisted:
                self.unlisted -= 1
                error = {"Code": "ServiceUnavailable", "Message": "Try again."}
                return SimpleNamespace(status_code=503), {"Error": error}
            return SimpleNamespace(status_code=200), self._list(context["parameters"])

        client.meta.events.register("before-parameter-build.kinesis.ListShards", remember, unique_id="model")
        client.meta.events.register("before-call.kinesis.ListShards", answer, unique_id="model-answer")
        try:
            yield
        finally:
            client.meta.events.unregister("before-parameter-build.kinesis.ListShards", unique_id="model")
            client.meta.events.unregister("before-call.kinesis.ListShards", unique_id="model-answer")

    def _list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        token = parameters.get("NextToken", "")
        alone = not parameters.keys() & {"StreamName", "ShardFilter"}
        assert alone == bool(token), "NextToken and StreamName cannot be provided together"
        self.listed += 1
        asked = parameters.get("ShardFilter") == {"Type": "AT_LATEST"}
        latest = token.startswith("open") or (asked and self.filters)
        found = [shard.described() for shard in self.shards if shard.open or not latest]
        start = int(token.partition(":")[2] or 0)
        end = start + self._page
        more = {"NextToken": f"{'open' if latest else 'all'}:{end}"} if end < len(found) else {}
        return {"Shards": found[start:end], **more}

    def consumed(self, shard: ModelShard) -> list[tuple[str, bytes]]:
        """Return key and bytes of what a consumer that knows the shard's range is handed, in order.

        An aggregated record with any member from outside that range is dropped whole, as Amazon's own
        library does.
        """
        found = []
        for record in shard.records:
            members = deaggregated(record["data"], record["key"])
            hashes = [md5_number(key) for key, _ in members]
            plain = not record["data"].startswith(MAGIC)
            if plain or all(shard.first <= number <= shard.last for number in hashes):
                found += members
        return found


def deaggregated(data: bytes, key: str = "outer") -> list[tuple[str, bytes]]:
    """Return key and bytes of what Amazon's library finds in a record; of one not aggregated, itself."""
    event = {
        "eventID": "shardId-000000000000:1",
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "partitionKey": key,
            "data": b64encode(data),
        },
    }
    found: Sequence[Any] = deaggregate_records([event])
    return [(each["kinesis"]["partitionKey"], b64decode(each["kinesis"]["data"])) for each in found]
