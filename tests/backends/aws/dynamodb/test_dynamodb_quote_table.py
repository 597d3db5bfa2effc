"""The table of quotes for the ingest stage: few consistent reads, batched writes, unprocessed items."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.dynamodb.items import quote_item
from stockctl.backends.aws.dynamodb.quotes import DynamoQuoteTable
from stockctl.backends.aws.parallel import Parallel
from stockctl.errors import AwsError
from stockctl.market.quote import EnrichedQuote
from stockctl.retry import Backoff
from support.aws.call_log import noted_calls
from support.aws.moto_account import NOW, QUOTES


def quote(symbol: str, minute: int) -> EnrichedQuote:
    """Return a stored quote."""
    nothing = dict.fromkeys(EnrichedQuote._fields)
    return EnrichedQuote(
        **nothing
        | {
            "symbol": symbol,
            "timestamp": f"2019-02-11T{14 + minute // 60}:{minute % 60:02}:00.000Z",
            "price": Decimal(100 + minute),
            "source": "replay",
            "anomaly": False,
            "anomaly_alert": False,
        }
    )


@pytest.fixture
def table(connection: Connection, parallel: Parallel, backoff: Backoff) -> DynamoQuoteTable:
    """An empty table without expiry."""
    return DynamoQuoteTable(
        connection.client("dynamodb"), QUOTES, parallel, backoff, ttl=None, clock=lambda: NOW
    )


def test_newest_is_one_consistent_projected_call_a_symbol(table: DynamoQuoteTable, connection: Connection):
    """However much is stored, a symbol costs one Query that reads no more than what is needed."""
    table.insert([quote(symbol, minute) for minute in range(60) for symbol in ("AAPL", "MSFT", "IBM")])
    with noted_calls(connection.client("dynamodb")) as calls:
        found = table.newest(["AAPL", "MSFT", "NONE"], 19)
    assert [call.operation for call in calls] == ["Query"] * 3
    for call in calls:
        assert call.parameters["ConsistentRead"] is True
        assert call.parameters["Limit"] == 19
        assert call.parameters["ScanIndexForward"] is False
        assert len(call.parameters["ProjectionExpression"].split(",")) == 5
    assert {symbol: len(quotes) for symbol, quotes in found.items()} == {"AAPL": 19, "MSFT": 19}


def test_around_a_repeated_batch_is_one_call(table: DynamoQuoteTable, connection: Connection):
    """A batch of a hundred that comes again is looked up in one consistent Query."""
    table.insert([quote("AAPL", minute) for minute in range(200)])
    with noted_calls(connection.client("dynamodb")) as calls:
        found = table.around("AAPL", quote("AAPL", 95).timestamp, quote("AAPL", 194).timestamp, 19)
    assert [call.operation for call in calls] == ["Query"]
    assert calls[0].parameters["ConsistentRead"] is True
    assert [item.price for item in found] == [100 + minute for minute in range(76, 195)]


def test_around_reads_page_after_page(
    connection: Connection, parallel: Parallel, backoff: Backoff, scripted: Callable[[Any], Stubber]
):
    """A long span continues where the last page ended, and stops when enough lies ahead."""
    dynamodb = connection.client("dynamodb")
    pages = [[quote("AAPL", minute) for minute in run] for run in ((9, 8), (7,), (6, 5, 4))]
    script = scripted(dynamodb)
    last: dict[str, Any] = {}
    for page in pages:
        key = {"symbol": {"S": "AAPL"}, "timestamp": {"S": page[-1].timestamp}}
        answer: dict[str, Any] = {"Items": [quote_item(item) for item in page], "LastEvaluatedKey": key}
        expected = {
            "TableName": QUOTES, "ConsistentRead": True, "ScanIndexForward": False,
            "ProjectionExpression": ANY, "KeyConditionExpression": "#p = :p AND #s <= :last",
            "ExpressionAttributeNames": ANY, "ExpressionAttributeValues": ANY,
        }  # fmt: skip
        expected |= {"ExclusiveStartKey": last} if last else {"Limit": 101}
        script.add_response("query", answer, expected)
        last = key
    table = DynamoQuoteTable(dynamodb, QUOTES, parallel, backoff, ttl=None, clock=lambda: NOW)
    found = table.around("AAPL", quote("AAPL", 6).timestamp, quote("AAPL", 9).timestamp, 1)
    assert [item.price for item in found] == [105, 106, 107, 108, 109]
    script.assert_no_pending_responses()


def test_quotes_are_written_twentyfive_at_a_time(table: DynamoQuoteTable, connection: Connection):
    """1,000 quotes are 40 calls."""
    with noted_calls(connection.client("dynamodb")) as calls:
        table.insert([quote(f"S{number}", minute) for minute in range(100) for number in range(10)])
    sizes = [len(call.parameters["RequestItems"][QUOTES]) for call in calls]
    assert sizes == [25] * 40


def unprocessed(*quotes: EnrichedQuote) -> dict[str, Any]:
    """Return an answer that leaves ``quotes`` unwritten."""
    left = [{"PutRequest": {"Item": quote_item(item)}} for item in quotes]
    return {"UnprocessedItems": {QUOTES: left} if left else {}}


def test_unprocessed_items_are_sent_again_alone(
    connection: Connection,
    parallel: Parallel,
    backoff: Backoff,
    pauses: list[float],
    scripted: Callable[[Any], Stubber],
):
    """What DynamoDB leaves is sent again after a pause, until nothing is left."""
    quotes = [quote("AAPL", minute) for minute in range(30)]
    script = scripted(connection.client("dynamodb"))
    sent = [quotes[:25], quotes[3:9], quotes[5:6], quotes[25:]]
    for items, left in zip(sent, (quotes[3:9], quotes[5:6], [], []), strict=True):
        expected = {"RequestItems": {QUOTES: [{"PutRequest": {"Item": quote_item(item)}} for item in items]}}
        script.add_response("batch_write_item", unprocessed(*left), expected)
    table = DynamoQuoteTable(
        connection.client("dynamodb"), QUOTES, parallel, backoff, ttl=None, clock=lambda: NOW
    )
    table.insert(quotes)
    script.assert_no_pending_responses()
    assert pauses == [0.1, 0.2]


def test_items_that_stay_unprocessed_are_an_error(
    connection: Connection,
    parallel: Parallel,
    backoff: Backoff,
    pauses: list[float],
    scripted: Callable[[Any], Stubber],
):
    """After the last attempt the error names the number of quotes and the table."""
    quotes = [quote("AAPL", minute) for minute in range(3)]
    script = scripted(connection.client("dynamodb"))
    for _ in range(4):
        script.add_response("batch_write_item", unprocessed(*quotes[1:]))
    table = DynamoQuoteTable(
        connection.client("dynamodb"), QUOTES, parallel, backoff, ttl=None, clock=lambda: NOW
    )
    message = r"did not write 2 quotes to stock-market-data \(attempts: 4\)"
    with pytest.raises(AwsError, match=message) as error:
        table.insert(quotes)
    assert error.value.hint
    assert len(pauses) == 3
    script.assert_no_pending_responses()


def test_expiry_counts_from_storing(connection: Connection, parallel: Parallel, backoff: Backoff):
    """With a retention, an item carries the second at which it may go, also when its quote is of 2019."""
    dynamodb = connection.client("dynamodb")
    table = DynamoQuoteTable(dynamodb, QUOTES, parallel, backoff, ttl=timedelta(days=30), clock=lambda: NOW)
    table.insert([quote("AAPL", 0)])
    (item,) = dynamodb.scan(TableName=QUOTES)["Items"]
    assert int(item["expires_at"]["N"]) == int((NOW + timedelta(days=30)).timestamp())


def test_without_retention_nothing_expires(table: DynamoQuoteTable, connection: Connection):
    """The attribute is not there."""
    table.insert([quote("AAPL", 0)])
    (item,) = connection.client("dynamodb").scan(TableName=QUOTES)["Items"]
    assert "expires_at" not in item
