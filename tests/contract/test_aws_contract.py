"""The AWS adapters under the contracts of the ports, on moto."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from contract_alerts import AlertLogContract, AlertReaderContract
from contract_objects import ArchiveContract, QuarantineContract
from contract_quotes import QuoteReaderContract, QuoteTableContract
from contract_stream import StreamContract
from moto.s3.models import s3_backends

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.dynamodb.alerts import DynamoAlertLog
from stockctl.backends.aws.dynamodb.items import alert_item, read_alert, read_quote
from stockctl.backends.aws.dynamodb.quotes import DynamoQuoteTable
from stockctl.backends.aws.dynamodb.readers import DynamoAlertReader, DynamoQuoteReader
from stockctl.backends.aws.kinesis.stream import KinesisStream
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.s3 import S3Archive, S3Quarantine, WriteOnceBucket
from stockctl.market.alert import Alert
from stockctl.market.quote import EnrichedQuote
from stockctl.pipeline.ports import Rejection
from stockctl.retry import Backoff
from support.aws.lambda_functions import (
    Context,
    Functions,
    clients_of,
    kinesis_record,
    load_functions,
    table_records,
)
from support.aws.lambda_model import EventSource, Shard, StreamRecord
from support.aws.memory_services import Memory
from support.aws.moto_account import ACCOUNT, ALERTS, BUCKET, NOW, QUOTES, STREAM, account

pytestmark = pytest.mark.slow


class OnAws:
    """An empty account, and what is read back from it."""

    @pytest.fixture
    def connection(self) -> Iterator[Connection]:
        with account() as connection:
            yield connection

    @pytest.fixture
    def parallel(self) -> Iterator[Parallel]:
        crew = Parallel(2)
        yield crew
        crew.close()

    @pytest.fixture
    def bucket(self, connection: Connection, parallel: Parallel) -> WriteOnceBucket:
        return WriteOnceBucket(connection.client("s3"), BUCKET, ACCOUNT, parallel, Backoff())

    @pytest.fixture
    def quote_table(self, connection: Connection, parallel: Parallel) -> Callable[[], DynamoQuoteTable]:
        client = connection.client("dynamodb")
        return lambda: DynamoQuoteTable(client, QUOTES, parallel, Backoff(), ttl=None, clock=lambda: NOW)

    @pytest.fixture
    def alert_reader(self, connection: Connection) -> DynamoAlertReader:
        return DynamoAlertReader(connection.client("dynamodb"), ALERTS, lambda: NOW)

    @pytest.fixture
    def objects(self) -> Callable[[], Mapping[tuple[str, str], bytes]]:
        return lambda: raw_objects(kept_by_s3("raw-data/"))

    @pytest.fixture
    def rejections(self) -> Callable[[], Sequence[Rejection]]:
        return lambda: kept_rejections(kept_by_s3("quarantine/"))

    @pytest.fixture
    def logged(self, alert_reader: DynamoAlertReader) -> Callable[[], Sequence[Alert]]:
        return alert_reader.recent


def kept_by_s3(prefix: str) -> dict[str, bytes]:
    """Return the objects below ``prefix`` as moto holds them, bytes by key."""
    keys = s3_backends[ACCOUNT]["aws"].buckets[BUCKET].keys
    return {name: key.value for name, key in keys.items() if name.startswith(prefix)}


def raw_objects(kept: Mapping[str, bytes]) -> dict[tuple[str, str], bytes]:
    """Return the raw archive, bytes by symbol and timestamp."""
    found = {}
    for key, body in kept.items():
        folder, symbol, name = key.split("/")
        assert folder == "raw-data"
        day, _, time = name.removesuffix(".json").partition("T")
        found[symbol, f"{day}T{time.replace('-', ':')}"] = body
    return found


def kept_rejections(kept: Mapping[str, bytes]) -> list[Rejection]:
    """Return the quarantined records."""
    found = []
    for key, body in kept.items():
        document = json.loads(body)
        rejection = Rejection(b64decode(document["bytes"]), document["origin"], document["reason"])
        assert key == f"quarantine/{rejection.key}.json"
        found.append(rejection)
    return found


class TestAwsQuoteTable(OnAws, QuoteTableContract):
    @pytest.fixture
    def stored(self, connection: Connection, parallel: Parallel) -> Callable[[], Sequence[EnrichedQuote]]:
        reader = DynamoQuoteReader(connection.client("dynamodb"), QUOTES, parallel)
        return lambda: [quote for newest in reader.latest() for quote in reader.history(newest.symbol)]

    @pytest.fixture
    def table(self, quote_table: Callable[[], DynamoQuoteTable]) -> DynamoQuoteTable:
        return quote_table()

    @pytest.fixture
    def other_table(self, quote_table: Callable[[], DynamoQuoteTable]) -> DynamoQuoteTable:
        return quote_table()


class TestAwsQuoteReader(OnAws, QuoteReaderContract):
    @pytest.fixture
    def reader(self, connection: Connection, parallel: Parallel) -> DynamoQuoteReader:
        return DynamoQuoteReader(connection.client("dynamodb"), QUOTES, parallel)

    @pytest.fixture
    def store(self, quote_table: Callable[[], DynamoQuoteTable]) -> Callable[[Sequence[EnrichedQuote]], None]:
        return quote_table().insert


class TestAwsArchive(OnAws, ArchiveContract):
    @pytest.fixture
    def archive(self, bucket: WriteOnceBucket) -> S3Archive:
        return S3Archive(bucket)

    @pytest.fixture
    def other_archive(self, bucket: WriteOnceBucket) -> S3Archive:
        return S3Archive(bucket)


class TestAwsQuarantine(OnAws, QuarantineContract):
    @pytest.fixture
    def quarantine(self, bucket: WriteOnceBucket) -> S3Quarantine:
        return S3Quarantine(bucket)

    @pytest.fixture
    def other_quarantine(self, bucket: WriteOnceBucket) -> S3Quarantine:
        return S3Quarantine(bucket)


class TestAwsAlertLog(OnAws, AlertLogContract):
    @pytest.fixture
    def log(self, connection: Connection, parallel: Parallel) -> DynamoAlertLog:
        return DynamoAlertLog(connection.client("dynamodb"), ALERTS, parallel)


class TestAwsAlertReader(OnAws, AlertReaderContract):
    @pytest.fixture
    def reader(self, alert_reader: DynamoAlertReader) -> DynamoAlertReader:
        return alert_reader

    @pytest.fixture
    def log_alerts(self, connection: Connection) -> Callable[[Sequence[Alert]], None]:
        def log(alerts: Sequence[Alert]) -> None:
            puts = [{"PutRequest": {"Item": alert_item(alert)}} for alert in alerts]
            for start in range(0, len(puts), 25):
                connection.client("dynamodb").batch_write_item(
                    RequestItems={ALERTS: puts[start : start + 25]}
                )

        return log


class TestAwsStream(OnAws, StreamContract):
    """Both functions stand behind the stream, fed as Lambda feeds them, their services in memory."""

    @pytest.fixture
    def functions(self) -> Functions:
        return load_functions()

    @pytest.fixture
    def memory(self, connection: Connection, functions: Functions) -> Iterator[Memory]:
        memory = Memory()
        with memory.behind(connection.client("s3"), *clients_of(functions)):
            yield memory

    @pytest.fixture
    def stream(self, connection: Connection, bucket: WriteOnceBucket, memory: Memory) -> KinesisStream:
        return KinesisStream(connection.client("kinesis"), STREAM, S3Quarantine(bucket), Backoff())

    @pytest.fixture
    def stored(self, memory: Memory) -> Callable[[], Sequence[EnrichedQuote]]:
        return lambda: [read_quote(item) for item in memory.quotes.values()]

    @pytest.fixture
    def objects(self, memory: Memory) -> Callable[[], Mapping[tuple[str, str], bytes]]:
        return lambda: raw_objects(
            {key: body for key, body in memory.objects.items() if not key.startswith("quarantine/")}
        )

    @pytest.fixture
    def rejections(self, memory: Memory) -> Callable[[], Sequence[Rejection]]:
        return lambda: kept_rejections(
            {key: body for key, body in memory.objects.items() if not key.startswith("raw-data/")}
        )

    @pytest.fixture
    def logged(self, memory: Memory) -> Callable[[], Sequence[Alert]]:
        return lambda: [read_alert(item) for item in memory.alerts.values()]

    @pytest.fixture
    def settle(self, connection: Connection, functions: Functions, memory: Memory) -> Callable[[], None]:
        kinesis, seen = connection.client("kinesis"), Counter[str]()

        def run() -> None:
            for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
                records = shard_records(kinesis, shard["ShardId"])
                feed(records[seen[shard["ShardId"]] :], functions.ingest)
                seen[shard["ShardId"]] = len(records)
            changes = table_records(memory.inserted)
            feed(changes[seen["table"] :], functions.trend)
            seen["table"] = len(changes)

        return run


def shard_records(kinesis: Any, shard: str) -> list[StreamRecord]:
    """Return everything that a shard holds."""
    iterator = kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    return [
        kinesis_record(record["Data"], int(record["SequenceNumber"]), record["PartitionKey"])
        for record in kinesis.get_records(ShardIterator=iterator)["Records"]
    ]


def feed(records: Sequence[StreamRecord], function: ModuleType) -> None:
    """Hand ``records`` to a function; it must take them at once."""
    shard = Shard(EventSource(retries=0))
    shard.extend(records)
    shard.run(partial(function.handler, context=Context()))
    assert shard.discarded == []
