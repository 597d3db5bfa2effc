"""A Kinesis on the loopback that keeps nothing, or only a journal, and fails as its script says.

It speaks what a producer needs: PutRecords, DescribeStreamSummary, ListShards, and GetCallerIdentity. It
runs in a process of its own, so that it takes no time of the client's interpreter; who times a client
starts it without a journal, and it does not even decode the records then.
"""

import asyncio
import base64
import json
import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from stockctl.backends.aws.kinesis.kpl_decoder import decode, is_aggregated

THROTTLED = "ProvisionedThroughputExceededException"
_COUNTED = b'"PartitionKey"'
_AGGREGATED = b'"ExplicitHashKey"'
_HASHES = 1 << 128
_IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::123456789012:user/test</Arn><UserId>test</UserId><Account>123456789012</Account>"
    b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


class Script(NamedTuple):
    """How the server behaves; the seed makes chance repeat itself."""

    shards: int = 100
    journal: str = ""
    """A file that gets a line of JSON for each record that is kept: partition key, data, and whether the
    call was answered."""
    seed: int = 1
    failing: float = 0.0
    """The share of records that are refused."""
    code: str = THROTTLED
    """With which code."""
    silent: float = 0.0
    """The share of calls that are never answered, half of them after their records were kept."""
    broken: float = 0.0
    """The share of calls that are answered with 500."""
    refuses: str = ""
    """The code that every PutRecords is refused with."""
    limit: float = 0.0
    """Records a second, above which records are refused; 0: no limit."""
    burst: float = 0.0
    """How many of those may come at once; 0: those of a second."""
    port: int = 0


@contextmanager
def kinesis_null(script: Script) -> Iterator["NullKinesis"]:
    """Run a server for the time of a block."""
    server = NullKinesis(script)
    server.start()
    try:
        yield server
    finally:
        server.close()


class NullKinesis:
    """A server that can stop and restart at the same address, which stays reserved meanwhile."""

    def __init__(self, script: Script) -> None:
        self._kept = _kept_port(script.port)
        self._script = script._replace(port=self._kept.getsockname()[1])
        self._process: Any = None
        self.url = f"http://127.0.0.1:{self._script.port}"

    def start(self, **changes: Any) -> None:
        """Come (back), perhaps with another script."""
        self._script = self._script._replace(**changes)
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_main, args=(sender, self._script), daemon=True)
        self._process.start()
        sender.close()
        receiver.recv()

    def stop(self) -> None:
        """Stop at once, also during a request."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def close(self) -> None:
        """Go away for good."""
        self.stop()
        self._kept.close()


def journal(path: Path) -> list[tuple[str, bytes]]:
    """Return the records of a server: partition keys and data in order of arrival.

    The server may be writing: a line without its end is not there yet.
    """
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    return [(key, base64.b64decode(data)) for key, data, _ in rows]


def unpacked(path: Path) -> list[tuple[str, bytes]]:
    """Return the same with aggregates taken apart."""
    found: list[tuple[str, bytes]] = []
    for key, data in journal(path):
        found += [inner[:2] for inner in decode(data)] if is_aggregated(data) else [(key, data)]
    return found


def unanswered(path: Path) -> int:
    """Return how many records a server stored without a response."""
    return sum(line.endswith("false]") for line in path.read_text().splitlines())


def _kept_port(port: int) -> socket.socket:
    """Return a socket that reserves a port (0 for any) and never answers; a server can share the port."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    kept.bind(("127.0.0.1", port))
    return kept


def _main(sender: Connection, script: Script) -> None:
    asyncio.run(_Server(script).serve(sender))


class _Server:
    def __init__(self, script: Script) -> None:
        self._script = script
        self._random = Random(script.seed)
        self._journal = open(script.journal, "a", buffering=1) if script.journal else None  # noqa: SIM115
        self._answers: dict[int, bytes] = {}
        self._most = script.burst or script.limit
        self._room = self._most
        self._refilled = 0.0
        self._plain = not (self._journal or script.failing or script.limit)

    async def serve(self, sender: Connection) -> None:
        """Answer until the process is ended."""
        server = await asyncio.start_server(
            self._connection, "127.0.0.1", self._script.port, limit=1 << 24, reuse_port=True
        )
        sender.send("ready")
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                if fields.get("expect"):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                answer = self._answer(fields.get("x-amz-target", "").rpartition(".")[2], body)
                if answer is None:
                    await asyncio.sleep(3600)
                    return
                status, content = answer
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\n"
                    f"Content-Length: {len(content)}\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, operation: str, body: bytes) -> tuple[int, bytes] | None:
        if operation == "describestreamsummary":
            return 200, json.dumps({"StreamDescriptionSummary": self._summary()}).encode()
        if operation == "listshards":
            return 200, json.dumps({"Shards": self._shards()}).encode()
        return self._put(body) if operation == "putrecords" else (200, _IDENTITY)

    def _put(self, body: bytes) -> tuple[int, bytes] | None:
        script = self._script
        if script.refuses:
            return 400, json.dumps({"__type": script.refuses, "message": "no"}).encode()
        if self._random.random() < script.broken:
            return 500, b'{"__type":"InternalFailure","message":"no"}'
        silent = self._random.random() < script.silent
        if silent and self._random.random() < 0.5:
            return None
        plain = self._plain and _AGGREGATED not in body
        answer = self._counted(body) if plain else self._kept(body, answered=not silent)
        return None if silent else (200, answer)

    def _counted(self, body: bytes) -> bytes:
        count = body.count(_COUNTED)
        if count not in self._answers:
            self._answers[count] = self._results([True] * count, [{}] * count)
        return self._answers[count]

    def _kept(self, body: bytes, *, answered: bool) -> bytes:
        records = json.loads(body)["Records"]
        self._make_room()
        taken = [self._takes() for _ in records]
        if self._journal is not None:
            kept = [record for record, yes in zip(records, taken, strict=True) if yes]
            self._journal.write(
                "".join(json.dumps([each["PartitionKey"], each["Data"], answered]) + "\n" for each in kept)
            )
        return self._results(taken, records)

    def _make_room(self) -> None:
        now = asyncio.get_running_loop().time()
        self._room = min(self._most, self._room + (now - self._refilled) * self._script.limit)
        self._refilled = now

    def _takes(self) -> bool:
        if self._script.limit:
            if self._room < 1:
                return False
            self._room -= 1
        return self._random.random() >= self._script.failing

    def _results(self, taken: list[bool], records: list[dict[str, str]]) -> bytes:
        results = [
            # What names a shard by its hash key carries that shard's name as its partition key.
            {
                "SequenceNumber": "1",
                "ShardId": record["PartitionKey"] if "ExplicitHashKey" in record else _shard_id(0),
            }
            if yes
            else {"ErrorCode": self._script.code, "ErrorMessage": "no"}
            for yes, record in zip(taken, records, strict=True)
        ]
        return json.dumps({"FailedRecordCount": taken.count(False), "Records": results}).encode()

    def _summary(self) -> dict[str, Any]:
        return {
            "StreamName": "stock-market-stream",
            "StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/stock-market-stream",
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1700000000,
            "EnhancedMonitoring": [],
            "OpenShardCount": self._script.shards,
        }

    def _shards(self) -> list[dict[str, Any]]:
        count = self._script.shards
        edges = [number * _HASHES // count for number in range(count + 1)]
        return [
            {
                "ShardId": _shard_id(number),
                "HashKeyRange": {
                    "StartingHashKey": str(edges[number]),
                    "EndingHashKey": str(edges[number + 1] - 1),
                },
                "SequenceNumberRange": {"StartingSequenceNumber": "1"},
            }
            for number in range(count)
        ]


def _shard_id(number: int) -> str:
    return f"shardId-{number:012}"
