"""Publishing alerts with SNS: the message, its subject, and the attributes for filters."""

import json
from decimal import Decimal
from typing import Any

import pytest

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.sns import SnsNotifier, subject
from stockctl.market.alert import Alert, sample_alert
from support.aws.moto_account import TOPIC

CROSSING = Alert(
    "MSFT|2008-10-07T20:00:00.000Z|trend_down", "MSFT", "2008-10-07T20:00:00.000Z", "trend_down", "sell",
    Decimal("23.230000"), Decimal("-6.74427941"), Decimal("25.442"), Decimal("123456789012345.12345678"),
    "MSFT 23.23, down 6.7 % on the day: SMA-5 crossed below SMA-20 (sell signal)",
    "2026-01-05T15:00:00.000Z", None, None,
)  # fmt: skip
ANOMALY = CROSSING._replace(
    alert_id="^VIX|anomaly|up|2008-10-07", symbol="^VIX", kind="anomaly", signal=None, sma_short=None
)


@pytest.fixture
def queue(connection: Connection) -> str:
    """A queue that gets every alert, as SNS wraps it."""
    return subscribed_queue(connection, "all", {})


def subscribed_queue(connection: Connection, name: str, policy: dict[str, list[str]]) -> str:
    """Make a queue, subscribe it with a filter policy, and return its URL."""
    sqs = connection.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    attributes = {"FilterPolicy": json.dumps(policy)} if policy else {}
    connection.client("sns").subscribe(
        TopicArn=TOPIC, Protocol="sqs", Endpoint=arn, Attributes=attributes, ReturnSubscriptionArn=True
    )
    return url


def received(connection: Connection, url: str) -> list[dict[str, Any]]:
    """Return the notifications in a queue."""
    messages = connection.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in messages.get("Messages", [])]


def test_the_message_is_the_alert_with_exact_numbers(connection: Connection, queue: str):
    """JSON with every field, numbers as they are, null for what is unknown."""
    SnsNotifier(connection.client("sns"), TOPIC).publish(CROSSING)
    (notification,) = received(connection, queue)
    message = json.loads(notification["Message"], parse_float=Decimal, parse_int=Decimal)
    assert message == CROSSING._asdict()
    assert list(message) == list(Alert._fields)
    assert '"price": 23.23,' in notification["Message"]
    assert "123456789012345.12345678" in notification["Message"]


def test_symbol_and_kind_are_attributes_to_filter_by(connection: Connection):
    """A subscriber gets only the symbols or kinds of its filter."""
    of_symbol = subscribed_queue(connection, "symbol", {"symbol": ["^VIX"]})
    of_kind = subscribed_queue(connection, "kind", {"kind": ["trend_down"]})
    notifier = SnsNotifier(connection.client("sns"), TOPIC)
    notifier.publish(CROSSING)
    notifier.publish(ANOMALY)
    (one,), (other,) = received(connection, of_symbol), received(connection, of_kind)
    assert json.loads(one["Message"])["alert_id"] == ANOMALY.alert_id
    assert json.loads(other["Message"])["alert_id"] == CROSSING.alert_id


@pytest.mark.parametrize(
    ("alert", "text"),
    [
        (CROSSING, "MSFT: trend turned down (sell signal)"),
        (CROSSING._replace(kind="trend_up", signal="buy"), "MSFT: trend turned up (buy signal)"),
        (ANOMALY, "^VIX: unusual move"),
        (sample_alert("2026-01-05T15:00:00.000Z"), "TEST: trend turned up"),
        (CROSSING._replace(symbol="W" * 20), f"{'W' * 20}: trend turned down (sell signal)"),
    ],
)
def test_the_subject_is_one_sns_takes(alert: Alert, text: str):
    """ASCII, one line, at most 100 characters, with symbol and kind."""
    assert subject(alert) == text
    assert text.isascii()
    assert len(text) < 100
    assert text.isprintable()
