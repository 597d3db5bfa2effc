"""The open shards of a stream, and which of them a partition key leads to."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
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

    @explained()
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
