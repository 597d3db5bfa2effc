"""A stand-in for S3, DynamoDB and SNS: it keeps quotes, answers each call after a fixed time, and counts."""

import asyncio
import json
import multiprocessing
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

_PUBLISHED = (
    b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult>"
    b"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>"
)


@contextmanager
def serve(delay: float) -> Iterator[str]:
    """Run a stand-in in a process of its own and return its URL; ``delay`` is in seconds."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(sender, delay))
    process.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}"
    finally:
        process.terminate()
        process.join()


def _main(sender: Connection, delay: float) -> None:
    asyncio.run(StandIn(delay).serve(sender))


class StandIn:
    """What the account holds, and what was asked of it."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._calls: Counter[str] = Counter()
        self._times: dict[str, list[str]] = defaultdict(list)
        self._items: dict[tuple[str, str], dict[str, Any]] = {}
        self._inserted: list[dict[str, Any]] = []

    async def serve(self, sender: Connection) -> None:
        """Answer until the process is ended."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        sender.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
            if headers.get("expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            answer = self._answer(line.split()[1], headers.get("x-amz-target", ""), body)
            await asyncio.sleep(self._delay)
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n".encode() + answer)
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    def _answer(self, path: str, target: str, body: bytes) -> bytes:
        if path == "/inserted":
            return json.dumps(self._inserted).encode()
        if path == "/calls":
            calls, self._calls = self._calls, Counter()
            return json.dumps(calls).encode()
        if not target:
            publishes = body.startswith(b"Action=Publish")
            self._calls["sns:Publish" if publishes else "s3:PutObject"] += 1
            return _PUBLISHED if publishes else b""
        operation = target.rpartition(".")[2]
        self._calls[f"dynamodb:{operation}"] += 1
        return json.dumps(self._dynamodb(operation, json.loads(body))).encode()

    def _dynamodb(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "Query":
            symbol = request["ExpressionAttributeValues"][":p"]["S"]
            newest = self._times[symbol][-request["Limit"] :]
            items = [self._items[symbol, timestamp] for timestamp in reversed(newest)]
            return {"Items": items, "Count": len(items)}
        if operation == "BatchWriteItem":
            for requests in request["RequestItems"].values():
                for put in requests:
                    self._store(put["PutRequest"]["Item"])
            return {"UnprocessedItems": {}}
        if operation == "PutItem" and "alert_id" not in request["Item"]:
            self._store(request["Item"])
        return {}

    def _store(self, item: dict[str, Any]) -> None:
        symbol, timestamp = item["symbol"]["S"], item["timestamp"]["S"]
        insort(self._times[symbol], timestamp)
        self._items[symbol, timestamp] = item
        self._inserted.append(item)
