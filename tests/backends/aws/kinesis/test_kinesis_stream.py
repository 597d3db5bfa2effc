"""Sending records to Kinesis: limits, rejected records, and the order of each symbol."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.kinesis.stream import KinesisStream
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.s3 import S3Quarantine, WriteOnceBucket
from stockctl.errors import AwsError
from stockctl.market.quote import MAX_RECORD_BYTES
from stockctl.pipeline.ports import Record, Rejection
from stockctl.retry import Backoff
from support.aws.moto_account import ACCOUNT, BUCKET, STREAM
from support.quote_strategies import examples

THROTTLED = "ProvisionedThroughputExceededException"


def record(symbol: str, number: int, size: int = 0) -> Record:
    """Return a quote of ``symbol`` as a record of at least ``size`` bytes."""
    fields = {
        "symbol": symbol,
        "timestamp": f"2019-02-11T{14 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z",
        "price": 100,
        "source": "replay",
        "number": number,
    }
    text = json.dumps(fields)
    fields["padding"] = "x" * max(0, size - len(text) - len(', "padding": ""'))
    return Record(json.dumps(fields).encode() if size else text.encode(), "replay")


class Shards:
    """What stands behind PutRecords: checks its limits, fails records as it is told, keeps the rest.

    ``fails`` is asked with the key of a record and how often it came before.
    """

    def __init__(self, fails: Callable[[str, int], str | None] = lambda key, before: None) -> None:
        self.kept: dict[str, list[bytes]] = defaultdict(list)
        self.calls: list[int] = []
        self._fails = fails
        self._came: Counter[bytes] = Counter()

    def put(self, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Answer one call."""
        records = parameters["Records"]
        keys = [entry["PartitionKey"] for entry in records]
        assert 1 <= len(records) <= 500
        assert sum(len(entry["Data"]) + len(entry["PartitionKey"]) for entry in records) <= 5 * 2**20
        assert max(len(entry["Data"]) + len(entry["PartitionKey"]) for entry in records) <= 2**20
        assert len(set(keys)) == len(keys), "two records of one symbol in one call"
        self.calls.append(len(records))
        results = [self._take(entry["PartitionKey"], entry["Data"]) for entry in records]
        failed = sum("ErrorCode" in result for result in results)
        return SimpleNamespace(status_code=200), {"FailedRecordCount": failed, "Records": results}

    def _take(self, key: str, data: bytes) -> dict[str, str]:
        before = self._came[data]
        self._came[data] += 1
        if code := self._fails(key, before):
            return {"ErrorCode": code, "ErrorMessage": "no"}
        self.kept[key].append(data)
        return {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}


@contextmanager
def behind(client: Any, answer: Callable[[dict[str, Any]], Any]) -> Iterator[None]:
    """Have ``answer`` stand behind ``client``."""

    def remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        context["parameters"] = params

    def call(context: dict[str, Any], **_: object) -> Any:
        return answer(context["parameters"])

    client.meta.events.register("before-parameter-build", remember, unique_id="remember")
    client.meta.events.register("before-call", call, unique_id="call")
    try:
        yield
    finally:
        client.meta.events.unregister("before-parameter-build", unique_id="remember")
        client.meta.events.unregister("before-call", unique_id="call")


@pytest.fixture(scope="module")
def kinesis() -> Any:
    """A client of Kinesis."""
    from support.aws.moto_account import shared_connection

    return shared_connection().client("kinesis")


class Kept:
    """A quarantine in memory."""

    def __init__(self) -> None:
        self.rejections: list[Rejection] = []

    def put(self, rejections: Any) -> None:
        """Keep them."""
        self.rejections += rejections


def send(
    kinesis: Any, shards: Shards, records: list[Record], pauses: list[float] | None = None, attempts: int = 4
) -> Any:
    """Send ``records`` and return the receipt."""
    backoff = Backoff(
        attempts=attempts,
        sleep=[].append if pauses is None else pauses.append,
        uniform=lambda low, high: high,
    )
    with behind(kinesis, shards.put):
        return KinesisStream(kinesis, STREAM, Kept(), backoff).send(records)


@examples(80)
@given(
    st.lists(st.sampled_from(["AAPL", "MSFT", "^VIX", "BRK-B"]), max_size=60),
    st.dictionaries(st.tuples(st.sampled_from(["AAPL", "MSFT", "^VIX"]), st.integers(0, 2)), st.none()),
)
def test_whatever_fails_the_order_of_a_symbol_is_kept(kinesis: Any, symbols: list[str], failing: dict):
    """Rejected records are sent again, stored once, and not overtaken by others of their symbol."""
    records = [record(symbol, number) for number, symbol in enumerate(symbols)]
    shards = Shards(lambda key, before: THROTTLED if (key, before) in failing else None)
    assert send(kinesis, shards, records).sent == len(records)
    sent: dict[str, list[bytes]] = defaultdict(list)
    for symbol, item in zip(symbols, records, strict=True):
        sent[symbol].append(item.data)
    assert shards.kept == sent


def test_only_failed_records_are_sent_again(kinesis: Any):
    """Of a hundred symbols, the ten that failed come again, alone."""
    records = [record(f"S{number}", number) for number in range(100)]
    shards = Shards(lambda key, before: THROTTLED if key.endswith("7") and not before else None)
    send(kinesis, shards, records)
    assert shards.calls == [100, 10]


def test_a_call_takes_five_hundred_records(kinesis: Any):
    """1,200 symbols are three calls."""
    shards = Shards()
    send(kinesis, shards, [record(f"S{number}", number) for number in range(1200)])
    assert shards.calls == [500, 500, 200]


def test_a_call_takes_five_megabytes(kinesis: Any):
    """Bytes bound a call as well as records, keys among them."""
    shards = Shards()
    send(kinesis, shards, [record(f"S{number}", number, MAX_RECORD_BYTES - 10) for number in range(12)])
    assert shards.calls == [5, 5, 2]


def test_pauses_grow_while_records_fail_and_begin_anew_after_success(kinesis: Any):
    """The waiting is for the stream, not for the producer's past."""
    pauses: list[float] = []
    shards = Shards(lambda key, before: THROTTLED if before < 2 else None)
    send(kinesis, shards, [record("AAPL", 0), record("AAPL", 1)], pauses)
    assert pauses == [0.1, 0.2, 0.1, 0.2]


def test_pauses_are_drawn(kinesis: Any):
    """By default they vary, so that producers do not move in step."""
    pauses: list[float] = []
    shards = Shards(lambda key, before: THROTTLED if before < 3 else None)
    with behind(kinesis, shards.put):
        backoff = Backoff(sleep=pauses.append)
        KinesisStream(kinesis, STREAM, Kept(), backoff).send([record("A", n) for n in range(20)])
    assert len(pauses) == 60
    assert len(set(pauses)) > 50


def test_what_was_not_delivered_is_named(kinesis: Any):
    """After a bounded number of tries: how many, which from where on, why, and what to do."""
    records = [record(symbol, number) for number in range(3) for symbol in ("AAPL", "MSFT", "IBM")]
    shards = Shards(lambda key, before: THROTTLED if key == "MSFT" else None)
    with pytest.raises(AwsError) as failed:
        send(kinesis, shards, records)
    assert failed.value.message == (
        "3 of 9 quotes were not delivered to the stream stock-market-stream: MSFT 2019-02-11T14:00:00.000Z. "
        "Kinesis rejected them in 4 attempts (ProvisionedThroughputExceededException)."
    )
    assert "stream.shards" in (failed.value.hint or "")
    assert {key: len(kept) for key, kept in shards.kept.items()} == {"AAPL": 3, "IBM": 3}


def test_a_long_list_of_undelivered_symbols_is_cut(kinesis: Any):
    """Five are named, the others counted."""
    shards = Shards(lambda key, before: "InternalFailure")
    with pytest.raises(AwsError, match=r"^12 of 12 quotes .* S4 \S+ and 7 more symbols\. .*InternalFailure"):
        send(kinesis, shards, [record(f"S{number}", number) for number in range(12)])


def test_a_call_that_fails_as_a_whole_names_what_is_left(kinesis: Any):
    """A stream that is gone half-way: what was delivered is not counted as lost."""
    shards = Shards()

    def gone(parameters: dict[str, Any]) -> Any:
        if shards.calls:
            error = {"Code": "ResourceNotFoundException", "Message": "Stream not found"}
            return SimpleNamespace(status_code=400), {"Error": error}
        return shards.put(parameters)

    with behind(kinesis, gone), pytest.raises(AwsError) as failed:
        KinesisStream(kinesis, STREAM, Kept(), Backoff()).send([record("AAPL", n) for n in range(3)])
    assert failed.value.message.startswith(
        "2 of 3 quotes were not delivered to the stream stock-market-stream: AAPL 2019-02-11T14:00:01.000Z. "
        "stock-market-stream does not exist in region eu-west-1"
    )
    assert "stockctl provision" in (failed.value.hint or "")


def test_a_time_out_is_explained(kinesis: Any):
    """No answer is no delivery."""

    def silent(_: dict[str, Any]) -> Any:
        raise ReadTimeoutError(endpoint_url="https://kinesis.eu-west-1.amazonaws.com/")

    with behind(kinesis, silent), pytest.raises(AwsError, match=r"^1 of 1 quotes .* did not answer in time"):
        KinesisStream(kinesis, STREAM, Kept(), Backoff()).send([record("AAPL", 0)])


def test_a_record_that_is_too_large_is_quarantined(kinesis: Any):
    """It cannot be sent; the records around it are."""
    shards, quarantine = Shards(), Kept()
    records = [
        record("AAPL", 0),
        record("AAPL", 1, MAX_RECORD_BYTES + 1),
        record("AAPL", 2, MAX_RECORD_BYTES),
        record("AAPL", 3),
    ]
    with behind(kinesis, shards.put):
        receipt = KinesisStream(kinesis, STREAM, quarantine, Backoff()).send(records)
    assert (receipt.sent, receipt.quarantined) == (4, 2)
    assert [rejection.data for rejection in quarantine.rejections] == [records[1].data, records[2].data]
    assert f"{MAX_RECORD_BYTES + 1} bytes" in quarantine.rejections[0].reason
    assert shards.kept["AAPL"] == [records[0].data, records[3].data]


def test_what_is_no_quote_travels_under_a_key_of_its_own(kinesis: Any):
    """The stage behind the stream decides what cannot be read; the producer loses nothing."""
    shards = Shards()
    garbage = [b"\xff", b"{}", b"[" * 100_000, b'{"symbol":"\\ud800"}', b'{"symbol":""}', b"x" * 300]
    send(kinesis, shards, [*[Record(data, "test") for data in garbage], record("aapl", 0)])
    assert sorted(
        data for kept in shards.kept.values() for data in kept if kept is not shards.kept["AAPL"]
    ) == (sorted(garbage))
    assert all(1 <= len(key) <= 256 for key in shards.kept)
    assert shards.kept["AAPL"] == [record("aapl", 0).data]


def test_refused_rows_go_to_the_quarantine_of_the_bucket(
    connection: Connection, parallel: Parallel, backoff: Backoff
):
    """Unreadable records of a source are in the same quarantine as those of the functions."""
    bucket = WriteOnceBucket(connection.client("s3"), BUCKET, ACCOUNT, parallel, backoff)
    stream = KinesisStream(connection.client("kinesis"), STREAM, S3Quarantine(bucket), backoff)
    rejection = Rejection(b"a,b", "quotes.csv, record 2", "price 'b' is not a number")
    stream.refuse([rejection, rejection])
    (found,) = connection.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert found["Key"] == f"quarantine/{rejection.key}.json"


def test_a_bucket_that_is_gone_is_explained_when_rows_are_refused(
    connection: Connection, parallel: Parallel, backoff: Backoff
):
    """The quarantine's faults are sentences as well."""
    bucket = WriteOnceBucket(connection.client("s3"), "no-such-bucket", None, parallel, backoff)
    stream = KinesisStream(connection.client("kinesis"), STREAM, S3Quarantine(bucket), backoff)
    with pytest.raises(AwsError, match=r"no-such-bucket does not exist .*s3:PutObject: NoSuchBucket"):
        stream.refuse([Rejection(b"x", "y", "z")])


def test_a_real_stream_takes_them(connection: Connection, backoff: Backoff):
    """The records of a symbol lie in one shard, in order."""
    kinesis = connection.client("kinesis")
    records = [record(symbol, number) for number in range(12) for symbol in ("AAPL", "MSFT", "IBM", "NVDA")]
    KinesisStream(kinesis, STREAM, Kept(), backoff).send(records)
    found: dict[str, list[bytes]] = defaultdict(list)
    for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        for item in kinesis.get_records(ShardIterator=iterator)["Records"]:
            found[item["PartitionKey"]].append(item["Data"])
    assert {key: len(data) for key, data in found.items()} == dict.fromkeys(
        ("AAPL", "MSFT", "IBM", "NVDA"), 12
    )
    for symbol, data in found.items():
        assert data == [record(symbol, number).data for number in range(12)]
