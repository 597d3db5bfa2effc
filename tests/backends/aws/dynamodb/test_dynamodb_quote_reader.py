"""Reading the table of quotes for the commands: how many items are read for how many shown."""

import json
from decimal import Decimal

import pytest

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.dynamodb.items import UnreadableItem
from stockctl.backends.aws.dynamodb.quotes import DynamoQuoteTable
from stockctl.backends.aws.dynamodb.readers import DynamoQuoteReader
from stockctl.backends.aws.parallel import Parallel
from stockctl.errors import AwsError
from stockctl.market.quote import EnrichedQuote
from stockctl.retry import Backoff
from support.aws.call_log import noted_calls
from support.aws.moto_account import NOW, QUOTES


def quote(symbol: str, minute: int) -> EnrichedQuote:
    """Return a stored quote."""
    return EnrichedQuote(
        symbol, f"2019-02-11T14:{minute:02}:00.000Z", Decimal(100 + minute), None, None, None, None, None,
        "replay", None, None, None, None, None, None, None, False, False, None, None,
    )  # fmt: skip


@pytest.fixture
def reader(connection: Connection, parallel: Parallel, backoff: Backoff) -> DynamoQuoteReader:
    """A reader of seven symbols with forty quotes each."""
    dynamodb = connection.client("dynamodb")
    table = DynamoQuoteTable(dynamodb, QUOTES, parallel, backoff, ttl=None, clock=lambda: NOW)
    symbols = ["AAPL", "AAP", "^VIX", "EURUSD=X", "BRK-B", "Z", "0700.HK"]
    table.insert([quote(symbol, minute) for minute in range(40) for symbol in symbols])
    return DynamoQuoteReader(dynamodb, QUOTES, parallel)


def test_symbols_are_found_without_reading_every_quote(reader: DynamoQuoteReader, connection: Connection):
    """Seven symbols cost eight scans of one item each and seven queries of one item."""
    with noted_calls(connection.client("dynamodb")) as calls:
        latest = reader.latest()
    assert [item[:2] for item in latest] == [
        (symbol, "2019-02-11T14:39:00.000Z")
        for symbol in ("0700.HK", "AAP", "AAPL", "BRK-B", "EURUSD=X", "Z", "^VIX")
    ]
    operations = [call.operation for call in calls]
    assert (operations.count("Scan"), operations.count("Query"), len(operations)) == (8, 7, 15)
    assert {call.parameters["Limit"] for call in calls} == {1}


def test_named_symbols_need_no_scan(reader: DynamoQuoteReader, connection: Connection):
    """Each is one query of one item."""
    with noted_calls(connection.client("dynamodb")) as calls:
        assert [item.symbol for item in reader.latest(["Z", "AAPL", "NONE"])] == ["AAPL", "Z"]
    assert [call.operation for call in calls] == ["Query"] * 3


def test_a_limited_history_reads_no_more_than_it_shows(reader: DynamoQuoteReader, connection: Connection):
    """The newest three of forty are one query of three items."""
    with noted_calls(connection.client("dynamodb")) as calls:
        found = reader.history("AAPL", limit=3)
    assert [item.price for item in found] == [137, 138, 139]
    assert [call.parameters["Limit"] for call in calls] == [3]


def test_a_table_that_is_not_there_is_explained(connection: Connection, parallel: Parallel):
    """What is missing, where, and how to make it."""
    reader = DynamoQuoteReader(connection.client("dynamodb"), "other-table", parallel)
    for read in (reader.latest, lambda: reader.latest(["AAPL"]), lambda: reader.history("AAPL")):
        with pytest.raises(
            AwsError, match=r"^other-table does not exist in region eu-west-1 .*Resource"
        ) as e:
            read()
        assert "stockctl provision" in (e.value.hint or "")


def test_an_item_of_somebody_else_is_named(reader: DynamoQuoteReader, connection: Connection):
    """The error names the item, and no quote is returned."""
    item = json.loads('{"symbol": {"S": "ODD"}, "timestamp": {"S": "x"}, "price": {"S": "much"}}')
    connection.client("dynamodb").put_item(TableName=QUOTES, Item=item)
    with pytest.raises(UnreadableItem, match="The item ODD x cannot be read: source is missing"):
        reader.history("ODD")
