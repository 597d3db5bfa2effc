"""The ingest function: what a Kinesis event stores, reports and raises."""

import json
import random
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stockctl.backends.aws.dynamodb.items import read_quote
from stockctl.errors import AwsError
from support.aws.call_log import noted_calls
from support.aws.lambda_functions import Context, Functions, event_of, kinesis_record, metrics_of, walk_of
from support.aws.memory_services import PARTIAL, REFUSED, Memory
from support.aws.moto_account import ACCOUNT, BUCKET, QUOTES, account
from support.real_data import wire
from support.reference_figures import book_of

Logged = Callable[[str], list[dict[str, Any]]]


def event(*payloads: bytes) -> dict[str, Any]:
    """Return a Kinesis event."""
    return event_of(kinesis_record(data, number) for number, data in enumerate(payloads))


def test_a_batch_is_stored_and_reported(
    functions: Functions, memory: Memory, capsys: pytest.CaptureFixture[str], logged: Logged
):
    """Stored with its figures, counted in metrics and in one line of the log."""
    quotes = walk_of("AAPL", 30)
    bad = b'{"symbol":"AAPL"}'
    result = functions.ingest.handler(event(*map(wire, quotes), bad, wire(quotes[3])), Context())
    assert result is None
    stored = {quote[:2]: quote._asdict() for quote in map(read_quote, memory.quotes.values())}
    assert stored == book_of(quotes).rows
    metrics = metrics_of(capsys.readouterr().out)
    assert metrics.pop("oldest_quote_age") > 6 * 365 * 86400
    assert metrics == {"records": 32, "stored": 30, "quarantined": 1}
    (line,) = logged("batch ingested")
    assert (line["stored"], line["repeated"], line["quarantined"]) == (30, 1, 1)
    assert line["function_request_id"] == "0"


def test_a_repeated_batch_changes_nothing(
    functions: Functions, memory: Memory, capsys: pytest.CaptureFixture[str]
):
    """Nothing is written again, and the metrics say so."""
    batch = event(*map(wire, walk_of("AAPL", 30)))
    functions.ingest.handler(batch, Context())
    before = dict(memory.calls)
    capsys.readouterr()
    functions.ingest.handler(batch, Context())
    assert metrics_of(capsys.readouterr().out) == {"records": 30, "stored": 0, "quarantined": 0}
    assert memory.calls["s3:PutObject"] == before["s3:PutObject"]
    assert memory.calls["dynamodb:BatchWriteItem"] == before["dynamodb:BatchWriteItem"]
    assert memory.calls["dynamodb:Query"] == before["dynamodb:Query"] + 2


def test_an_unreadable_record_says_from_where_it_came(functions: Functions, memory: Memory):
    """Shard and sequence number lead back to it, and name it once however often it is delivered."""
    for _ in range(2):
        functions.ingest.handler(event(b"\xff"), Context())
    ((key, body),) = memory.objects.items()
    document = json.loads(body)
    assert key.startswith("quarantine/")
    assert document["origin"] == f"shardId-000000000000:{0:056}"
    assert document["reason"] == "not UTF-8 text: byte 0 is 0xff"
    assert b64decode(document["bytes"]) == b"\xff"


def test_objects_are_written_to_a_bucket_of_this_account_only(functions: Functions, memory: Memory):
    """The account is the one that the function itself runs in."""
    with noted_calls(functions.ingest.clients.client("s3")) as calls:
        functions.ingest.handler(event(wire(walk_of("AAPL", 1)[0]), b"?"), Context())
    assert [call.parameters["ExpectedBucketOwner"] for call in calls] == [ACCOUNT] * 2
    assert {call.parameters["Bucket"] for call in calls} == {BUCKET}


def test_a_fault_is_raised_so_that_the_batch_comes_again(
    functions: Functions, memory: Memory, capsys: pytest.CaptureFixture[str]
):
    """No answer claims that anything is done; the records are counted all the same."""
    memory.choose = lambda operation, about: REFUSED if operation == "Query" else None
    with pytest.raises(ClientError, match="ThrottlingException"):
        functions.ingest.handler(event(*map(wire, walk_of("AAPL", 3))), Context())
    assert memory.quotes == memory.objects == {}
    assert metrics_of(capsys.readouterr().out) == {"records": 3}


@pytest.mark.parametrize(("seconds", "most"), [(2.0, 1), (2.05, 3)])
def test_no_pause_outlasts_the_invocation(functions: Functions, memory: Memory, seconds: float, most: int):
    """With no time left for a pause, unwritten items are an error at once: there is a next time."""
    random.seed(1)  # pauses are drawn at random: about one run in sixty would draw four that fit
    memory.choose = lambda operation, about: PARTIAL if operation == "BatchWriteItem" else None
    with pytest.raises(AwsError, match=r"did not write \d+ quotes to stock-market-data"):
        functions.ingest.handler(event(*map(wire, walk_of("AAPL", 20))), Context(seconds=seconds))
    assert 1 <= memory.calls["dynamodb:BatchWriteItem"] <= most


def test_an_empty_event_is_no_error(functions: Functions, memory: Memory):
    """Nothing in, nothing out."""
    functions.ingest.handler({"Records": []}, Context())
    assert not memory.calls


def test_it_works_with_what_moto_makes_of_aws(functions: Functions):
    """Real clients, real threads, two deliveries of which the second overlaps the first."""
    quotes = [quote for symbol in ("AAPL", "MSFT", "IBM") for quote in walk_of(symbol, 12)]
    with account() as connection:
        for run in (quotes[:20], quotes[10:]):
            functions.ingest.handler(event(*map(wire, run), b"?"), Context())
        found = connection.client("dynamodb").scan(TableName=QUOTES)["Items"]
        listed = connection.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert {quote[:2]: quote._asdict() for quote in map(read_quote, found)} == book_of(quotes).rows
    assert sum(item["Key"].startswith("raw-data/") for item in listed) == 36
    assert sum(item["Key"].startswith("quarantine/") for item in listed) == 2
