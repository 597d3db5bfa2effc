"""The ingest function with aggregated records: the same result as with single records."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from aws_kinesis_agg.aggregator import AggRecord
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.aws.dynamodb.items import read_quote
from stockctl.backends.aws.kinesis.aggregator import Aggregator, OpenShards
from stockctl.backends.aws.kinesis.kpl_decoder import MAGIC
from stockctl.backends.aws.kinesis.kpl_encoder import Encoder
from stockctl.backends.aws.stack.lambda_code import HANDLERS, modules_of
from stockctl.errors import AwsError
from stockctl.market.timestamp import object_name
from stockctl.pipeline.ports import Record
from support.aws.lambda_functions import Context, Functions, event_of, kinesis_record, metrics_of, walk_of
from support.aws.lambda_model import EventSource
from support.aws.lambda_pipeline import RULES, Pipeline
from support.aws.memory_services import FAULTS, Memory
from support.aws.moto_account import BUCKET, QUOTES, STREAM, account
from support.quote_strategies import cut, examples, plain_quotes
from support.real_data import wire
from support.reference_figures import book_of

pytestmark = pytest.mark.slow

Logged = Callable[[str], list[dict[str, Any]]]
Items = Sequence[dict[str, Any] | bytes]
ORIGIN = f"shardId-000000000000:{0:056}"


class Keyed(NamedTuple):
    """A record to pack."""

    key: str
    data: bytes


def packed(items: Items) -> bytes:
    """Return quotes and other bytes as one aggregated record."""
    encoder = Encoder(1 << 20)
    for item in items:
        key, data = ("?", item) if isinstance(item, bytes) else (item["symbol"], wire(item))
        assert encoder.add(key, data)
    return encoder.encode()


def event(*payloads: bytes) -> dict[str, Any]:
    """Return a Kinesis event."""
    return event_of(kinesis_record(data, number, "shard") for number, data in enumerate(payloads))


def stored(memory: Memory) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the table by symbol and time."""
    return {quote[:2]: quote._asdict() for quote in map(read_quote, memory.quotes.values())}


def raw_objects(quotes: Sequence[dict[str, Any]]) -> dict[str, bytes]:
    """Return what the archive has to hold of quotes, the first of a symbol and time."""
    found: dict[str, bytes] = {}
    for quote in quotes:
        key = f"raw-data/{quote['symbol']}/{object_name(quote['timestamp'])}.json"
        found.setdefault(key, wire(quote))
    return found


def quarantined(memory: Memory) -> list[dict[str, Any]]:
    """Return what the quarantine holds."""
    return [json.loads(body) for key, body in memory.objects.items() if key.startswith("quarantine/")]


def test_members_are_stored_as_if_they_had_come_singly(
    functions: Functions, memory: Memory, capsys: pytest.CaptureFixture[str], logged: Logged
):
    """Aggregates and plain records in turn: figures, archive, metrics and log know no difference."""
    quotes = [quote for pair in zip(walk_of("AAPL", 30), walk_of("MSFT", 30), strict=True) for quote in pair]
    payloads = [packed(quotes[:25]), wire(quotes[25]), wire(quotes[26]), packed(quotes[27:28]),
                packed([*quotes[28:], quotes[3], b"?"])]  # fmt: skip
    functions.ingest.handler(event(*payloads), Context())
    assert stored(memory) == book_of(quotes).rows
    raw = {key: body for key, body in memory.objects.items() if key.startswith("raw-data/")}
    assert raw == raw_objects(quotes)
    metrics = metrics_of(capsys.readouterr().out)
    assert (metrics["records"], metrics["stored"], metrics["quarantined"]) == (62, 60, 1)
    (line,) = logged("batch ingested")
    assert (line["stored"], line["repeated"], line["quarantined"]) == (60, 1, 1)


def test_the_first_content_wins_across_records_and_members(functions: Functions, memory: Memory):
    """The order in which things came is the order of the records, and of the members within each."""
    first, *rest = [{**walk_of("AAPL", 1)[0], "price": str(price)} for price in range(100, 106)]
    functions.ingest.handler(event(packed([first, rest[0]]), wire(rest[1]), packed(rest[2:])), Context())
    (quote,) = stored(memory).values()
    assert quote["price"] == 100


def test_an_unreadable_member_is_quarantined_alone(functions: Functions, memory: Memory):
    """With its own bytes, and an origin that leads to it; the members beside it are stored."""
    quotes = walk_of("AAPL", 2)
    for _ in range(2):
        functions.ingest.handler(event(packed([quotes[0], b"\xff", quotes[1], b"{}"])), Context())
    assert stored(memory) == book_of(quotes).rows
    found = {document["origin"]: document for document in quarantined(memory)}
    assert set(found) == {f"{ORIGIN}#1", f"{ORIGIN}#3"}
    assert len(quarantined(memory)) == 2
    assert b64decode(found[f"{ORIGIN}#1"]["bytes"]) == b"\xff"
    assert found[f"{ORIGIN}#3"]["reason"] == "symbol is missing"


def damaged() -> Iterator[tuple[str, bytes]]:
    """Yield damaged aggregates, each with what is wrong."""
    whole = packed(walk_of("AAPL", 3))
    yield "cut", whole[:-1]
    yield "magic alone", MAGIC
    yield "a flipped bit", whole[:60] + bytes([whole[60] ^ 1]) + whole[61:]
    yield "a record more than its digest knows", whole[:-16] + packed(walk_of("AAPL", 1))[4:]


@pytest.mark.parametrize("data", [data for _, data in damaged()], ids=[name for name, _ in damaged()])
def test_a_damaged_aggregate_is_one_unreadable_record(functions: Functions, memory: Memory, data: bytes):
    """Nothing of it is stored, all of it is quarantined, and the other records are processed."""
    before, after = walk_of("MSFT", 1)[0], packed(walk_of("IBM", 2))
    for _ in range(2):
        functions.ingest.handler(event(data, wire(before), after), Context())
    assert {symbol for symbol, _ in stored(memory)} == {"MSFT", "IBM"}
    (document,) = quarantined(memory)
    assert document["origin"] == ORIGIN
    assert b64decode(document["bytes"]) == data
    assert document["reason"].startswith("aggregated record of ")


def test_an_aggregate_within_an_aggregate_is_no_quote(functions: Functions, memory: Memory):
    """Members are taken as they are, as Amazon's library does."""
    functions.ingest.handler(event(packed([packed(walk_of("AAPL", 1))])), Context())
    (document,) = quarantined(memory)
    assert document["origin"] == f"{ORIGIN}#0"
    assert not memory.quotes


def test_aggregates_of_amazon_s_library_are_taken(functions: Functions, memory: Memory):
    """Another producer may feed the stream."""
    quotes = walk_of("AAPL", 12)
    theirs = AggRecord()
    for quote in quotes:
        theirs.add_user_record(quote["symbol"], wire(quote), "12345")
    functions.ingest.handler(event(theirs.get_contents()[2]), Context())
    assert stored(memory) == book_of(quotes).rows


def test_the_calls_are_those_of_plain_records(functions: Functions, memory: Memory):
    """A thousand quotes in two records: as many objects, 40 batch writes, one read a symbol."""
    quotes = [quote for number in range(10) for quote in walk_of(f"S{number}", 100)]
    quotes.sort(key=lambda quote: (quote["timestamp"], quote["symbol"]))
    functions.ingest.handler(event(packed(quotes[:500]), packed(quotes[500:])), Context())
    assert stored(memory) == book_of(quotes).rows
    assert memory.calls == {"s3:PutObject": 1000, "dynamodb:BatchWriteItem": 40, "dynamodb:Query": 10}


def large_batch() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return 2,600 quotes of three symbols, and one event that holds them in six records."""
    quotes = [
        {**quote, "timestamp": f"2019-02-{11 + day:02}{quote['timestamp'][10:]}"}
        for symbol, days in (("AAPL", 7), ("MSFT", 4), ("IBM", 2))
        for day in range(days)
        for quote in walk_of(symbol, 200)
    ]
    quotes.sort(key=lambda quote: quote["timestamp"])
    return quotes, event(*(packed(quotes[start : start + 500]) for start in range(0, 2600, 500)))


def test_a_batch_of_thousands_is_taken_part_by_part(functions: Functions, memory: Memory):
    """The figures are those of one walk; a symbol that two parts share is read once more, no more."""
    quotes, batch = large_batch()
    functions.ingest.handler(batch, Context())
    assert stored(memory) == book_of(quotes).rows
    assert memory.calls == {"s3:PutObject": 2600, "dynamodb:BatchWriteItem": 104, "dynamodb:Query": 5}
    memory.calls.clear()
    functions.ingest.handler(batch, Context())
    assert set(memory.calls) == {"dynamodb:Query"}
    assert memory.calls["dynamodb:Query"] <= 3 * 5


class Clock(Context):
    """An invocation of which each write takes some time."""

    def __init__(self, memory: Memory, seconds: float, write: float) -> None:
        super().__init__(seconds)
        self._memory = memory
        self._write = write
        self._begun = memory.calls["dynamodb:BatchWriteItem"]

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left of the time limit."""
        writes = self._memory.calls["dynamodb:BatchWriteItem"] - self._begun
        return int((self.seconds - writes * self._write) * 1000)


def test_a_batch_too_large_for_the_time_limit_gets_done(
    functions: Functions, memory: Memory, capsys: pytest.CaptureFixture[str]
):
    """It stops before the time limit with an error, and continues when Lambda delivers it again."""
    quotes, batch = large_batch()
    for done in (1000, 2000):
        with pytest.raises(
            AwsError, match=f"The time limit is near after {done} of 2600 records"
        ) as given_up:
            functions.ingest.handler(batch, Clock(memory, seconds=62, write=1))
        assert "functions.memory_mb" in (given_up.value.hint or "")
        assert len(memory.quotes) == done
        metrics = metrics_of(capsys.readouterr().out)
        assert (metrics["records"], metrics["stored"]) == (2600, 1000)
    functions.ingest.handler(batch, Clock(memory, seconds=62, write=1))
    assert stored(memory) == book_of(quotes).rows
    assert memory.calls["s3:PutObject"] == 2600


def test_the_zip_holds_the_decoder_and_not_the_sender():
    """What the function needs to read aggregates is in it; what packs them by shard is not."""
    modules = modules_of(*HANDLERS)
    assert "stockctl.backends.aws.kinesis.kpl_decoder" in modules
    assert not {"stockctl.backends.aws.kinesis.aggregator"} & modules


@st.composite
def any_order(draw: st.DrawFn) -> list[list[bytes]]:
    """Draw batches of quotes of two symbols in any order, some of them repeated."""
    quotes = draw(plain_quotes())
    again = draw(st.lists(st.sampled_from(quotes), max_size=5))
    return [[wire(quote) for quote in batch] for batch in draw(cut(draw(st.permutations([*quotes, *again]))))]


@examples(80)
@given(any_order(), st.integers(1, 9))
def test_parts_of_any_size_give_the_same(functions: Functions, batches: list[list[bytes]], part: int):
    """Late and repeated quotes too: how a batch is cut into parts is not to be seen in the table."""
    outcomes = []
    for size in (part, 1000):
        memory = Memory()
        clients = [functions.ingest.clients.client(service) for service in ("s3", "dynamodb")]
        with memory.behind(*clients):
            stage = functions.ingest.function.stage(Context())
            stage._part = size
            done = [stage.run([Record(data, "test") for data in batch]) for batch in batches]
        outcomes.append((stored(memory), memory.objects, done))
    assert outcomes[0] == outcomes[1]


@contextmanager
def pipeline_of(functions: Functions, plan: dict[int, str]) -> Iterator[Pipeline]:
    """Lend the functions to a pipeline with faults."""
    kept = functions.ingest.function, functions.trend.function
    try:
        yield Pipeline(functions, plan)
    finally:
        functions.ingest.function, functions.trend.function = kept


@examples(60)
@given(
    st.data(),
    st.builds(EventSource, st.integers(1, 8), st.integers(1, 3), st.booleans()),
    st.dictionaries(st.integers(0, 120), st.sampled_from(FAULTS), max_size=8),
)
def test_aggregates_under_faults_are_stored_and_alerted_once(
    functions: Functions, data: st.DataObject, source: EventSource, plan: dict[int, str]
):
    """Whatever fails or dies, and however the records are packed, all of it ends as it should."""
    quotes = data.draw(plain_quotes())
    items: list[dict[str, Any] | bytes] = list(quotes)
    for place, junk in data.draw(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([b"", b"\xff"])))):
        items.insert(place, junk)
    pieces = data.draw(cut(items))
    payloads = [packed(piece) for piece in pieces]
    if broken := data.draw(st.booleans()):
        payloads.insert(data.draw(st.integers(0, len(payloads))), packed(quotes)[:-1])
    with pipeline_of(functions, plan) as pipeline:
        pipeline.run(payloads, ["shard"] * len(payloads), source)
    memory, book = pipeline.memory, book_of(quotes, **RULES)
    assert stored(memory) == book.rows
    assert len(memory.inserted) == len(book.rows)
    raw = {key: body for key, body in memory.objects.items() if key.startswith("raw-data/")}
    assert raw == raw_objects(quotes)
    assert len(quarantined(memory)) == len(items) - len(quotes) + broken
    assert set(memory.alerts) == set(book.alerts) == set(pipeline.published)
    assert pipeline.unexcused() == []


def test_through_a_stream_of_moto_it_is_the_same(functions: Functions):
    """Packed by shard, put, got, handed over: table and archive are those of plain records."""
    quotes = [quote for number in range(12) for quote in walk_of(f"S{number}", 12)]
    quotes.sort(key=lambda quote: (quote["timestamp"], quote["symbol"]))
    records = [Keyed(quote["symbol"], wire(quote)) for quote in quotes]
    with account() as connection:
        client = connection.client("kinesis")
        entries = [
            {"Data": each.data, "PartitionKey": each.key, "ExplicitHashKey": each.hash_key}
            for start in range(0, len(records), 50)
            for each in Aggregator(OpenShards(client, STREAM), 2000).aggregate(records[start : start + 50])
        ]
        client.put_records(StreamName=STREAM, Records=entries)
        for number, shard in enumerate(client.list_shards(StreamName=STREAM)["Shards"]):
            iterator = client.get_shard_iterator(
                StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            got = client.get_records(ShardIterator=iterator)["Records"]
            assert {record["PartitionKey"] for record in got} == {shard["ShardId"]}
            handed = [kinesis_record(each["Data"], n, shard["ShardId"], number) for n, each in enumerate(got)]
            functions.ingest.handler(event_of(handed), Context())
        found = connection.client("dynamodb").scan(TableName=QUOTES)["Items"]
        listed = connection.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert {quote[:2]: quote._asdict() for quote in map(read_quote, found)} == book_of(quotes).rows
    assert {item["Key"] for item in listed} == set(raw_objects(quotes))
