"""Conversion of quotes and alerts to DynamoDB items and back, exactly."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.dynamodb.items import (
    UnreadableItem,
    alert_item,
    quote_item,
    read_alert,
    read_prior_quote,
    read_quote,
)
from stockctl.market.alert import KINDS, Alert
from stockctl.market.quote import EnrichedQuote, PriorQuote
from support.aws.moto_account import ALERTS, QUOTES
from support.quote_strategies import SYMBOLS, TIMESTAMPS, examples

PRICES = st.decimals("0.000001", 10**15 - 1, places=6)
FIGURES = st.decimals(-(10**24), 10**24, places=8, allow_nan=False)
DATES = st.dates().map(str)
TRENDS = st.sampled_from(["up", "down"])

STORED_QUOTES = st.builds(
    EnrichedQuote,
    SYMBOLS, TIMESTAMPS, PRICES,
    *[st.none() | PRICES] * 4,
    st.none() | st.integers(0, 2**63 - 1), st.sampled_from(["yahoo", "replay"]), st.none() | TIMESTAMPS,
    *[st.none() | FIGURES] * 4,
    *[st.none() | TRENDS] * 2, *[st.booleans()] * 2, *[st.none() | DATES] * 2,
)  # fmt: skip
ALERTS_OF_ALL_KINDS = st.builds(
    Alert,
    st.text(min_size=1), SYMBOLS, TIMESTAMPS, st.sampled_from(KINDS), st.sampled_from([None, "buy", "sell"]),
    PRICES, *[st.none() | FIGURES] * 3, st.text(min_size=1), TIMESTAMPS, st.none() | TIMESTAMPS,
    st.none() | st.text(min_size=1),
)  # fmt: skip

QUOTE = EnrichedQuote(
    "AAPL", "2019-02-11T14:31:00.000Z", Decimal("105.50"), Decimal(100), None, None, Decimal("-0.1"), 0,
    "replay", None, Decimal("5.5"), Decimal("5.5"), None, None, None, None, True, False, "2019-02-11", None,
)  # fmt: skip
ALERT = Alert(
    "AAPL|anomaly|up|2019-02-11", "AAPL", QUOTE.timestamp, "anomaly", None, Decimal("105.5"), Decimal("5.5"),
    None, None, "a message", "2026-01-05T15:00:00.000Z", None, None,
)  # fmt: skip


@examples(150)
@given(STORED_QUOTES)
def test_a_quote_comes_back_as_it_was(quote: EnrichedQuote):
    """Through the JSON of the wire, as a stream image travels, nothing is rounded and no type changes."""
    back = read_quote(json.loads(json.dumps(quote_item(quote))))
    assert back == quote
    assert [type(value) for value in back] == [type(value) for value in quote]


@examples(100)
@given(ALERTS_OF_ALL_KINDS)
def test_an_alert_comes_back_as_it_was(alert: Alert):
    """Texts, numbers and what is unknown are the same again."""
    assert read_alert(json.loads(json.dumps(alert_item(alert)))) == alert


@examples(50)
@given(STORED_QUOTES)
def test_no_number_passes_through_a_float_or_outgrows_dynamodb(quote: EnrichedQuote):
    """Every N is plain decimal text of 38 significant digits at most."""
    for name, attribute in quote_item(quote).items():
        if "N" in attribute:
            digits = attribute["N"].lstrip("-").replace(".", "").strip("0")
            assert set(digits) <= set("0123456789")
            assert len(digits) <= 38
            assert Decimal(attribute["N"]) == getattr(quote, name)


def test_what_is_unknown_has_no_attribute():
    """A missing attribute and a NULL attribute both mean an unknown value."""
    item = quote_item(QUOTE)
    assert set(item) == {name for name, value in QUOTE._asdict().items() if value is not None}
    assert item["price"] == {"N": "105.5"}
    assert item["volume"] == {"N": "0"}
    assert item["anomaly_alert"] == {"BOOL": False}
    assert read_quote({**item, "open": {"NULL": True}}) == QUOTE


def test_expiry_is_no_part_of_the_quote():
    """It is written beside the quote, in whole seconds, and left out when the quote is read."""
    item = quote_item(QUOTE, 1_800_000_000)
    assert item["expires_at"] == {"N": "1800000000"}
    assert read_quote(item) == QUOTE


def test_an_alert_stands_in_the_index_by_day():
    """The day of its making, and within the day its moment, then its id."""
    item = alert_item(ALERT)
    assert item["created_day"] == {"S": "2026-01-05"}
    assert item["created_key"] == {"S": "2026-01-05T15:00:00.000Z#AAPL|anomaly|up|2019-02-11"}


def test_a_precedent_is_read_from_what_a_projection_leaves():
    """Only the attributes that a later quote needs are there."""
    projected = {name: value for name, value in quote_item(QUOTE).items() if name in PriorQuote._fields}
    assert read_prior_quote(projected) == PriorQuote(
        QUOTE.timestamp, Decimal("105.5"), None, "2019-02-11", None
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": None}, "price is missing"),
        ({"symbol": None}, "symbol is missing"),
        ({"anomaly": None}, "anomaly is missing"),
        ({"price": {"S": "105.5"}}, "price is of type S, not N"),
        ({"price": {"N": "lots"}}, "price is 'lots'"),
        ({"volume": {"N": "1.5"}}, "volume is '1.5'"),
        ({"anomaly": {"S": "true"}}, "anomaly is of type S, not BOOL"),
        ({"trend": {"BOOL": True}}, "trend is of type BOOL, not S"),
        ({"timestamp": {"B": b"x"}}, "timestamp is of type B, not S"),
    ],
)
def test_an_item_that_stockctl_did_not_write_is_named(change: dict[str, Any], reason: str):
    """The error names the key and the wrong attribute."""
    item = {**quote_item(QUOTE), **change}
    with pytest.raises(UnreadableItem) as refused:
        read_quote({name: value for name, value in item.items() if value is not None})
    assert reason in refused.value.message
    assert "2019" in refused.value.message or "AAPL" in refused.value.message
    assert refused.value.hint


def test_an_item_without_any_key_is_refused_too():
    """Not even a key is taken for granted."""
    with pytest.raises(UnreadableItem, match=r"without a key.*symbol is missing"):
        read_quote({})
    with pytest.raises(UnreadableItem, match="alert_id is missing"):
        read_alert(quote_item(QUOTE))


def test_dynamodb_keeps_and_streams_a_quote_exactly(connection: Connection):
    """What is put is read, and what the table's stream shows is the same quote; a no-op adds nothing."""
    dynamodb, item = connection.client("dynamodb"), quote_item(QUOTE, 1_800_000_000)
    dynamodb.put_item(TableName=QUOTES, Item=item)
    key = {"symbol": {"S": "AAPL"}, "timestamp": {"S": QUOTE.timestamp}}
    assert read_quote(dynamodb.get_item(TableName=QUOTES, Key=key)["Item"]) == QUOTE
    stream = connection.client("dynamodbstreams")
    arn = dynamodb.describe_table(TableName=QUOTES)["Table"]["LatestStreamArn"]
    (shard,) = stream.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = stream.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    (change,) = stream.get_records(ShardIterator=iterator)["Records"]
    assert change["eventName"] == "INSERT"
    assert read_quote(change["dynamodb"]["NewImage"]) == QUOTE


def test_dynamodb_keeps_an_alert_exactly(connection: Connection):
    """What is put is read."""
    dynamodb = connection.client("dynamodb")
    dynamodb.put_item(TableName=ALERTS, Item=alert_item(ALERT))
    assert read_alert(dynamodb.scan(TableName=ALERTS)["Items"][0]) == ALERT
