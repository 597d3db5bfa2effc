"""Subscriptions to alerts: subscribe, list, unsubscribe with moto; pending ones with prepared responses."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from botocore.stub import Stubber

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.names import Names, names_of
from stockctl.backends.aws.sns import SnsNotifier
from stockctl.backends.aws.stack.subscriptions import Subscriber, SubscribeResult, Subscribers
from stockctl.backends.aws.stack.template import logical_id, render
from stockctl.config.schema import Settings, Subscription
from stockctl.config.subscriptions import check_endpoint
from stockctl.errors import AwsError, UsageError
from stockctl.market.alert import KINDS, Alert
from support.aws.athena_server import connect_to_ministack
from support.aws.moto_account import ACCOUNT, CREDENTIALS, REGION

OWNED = "owner@example.com"


@pytest.fixture
def connection(aws_account: str) -> Connection:
    """A connection to an account of MiniStack."""
    return connect_to_ministack()


@pytest.fixture
def subscribers(connection: Connection, aws_account: str) -> Subscribers:
    """The subscribers of a topic that is there."""
    names = names_of(Settings(), aws_account, REGION)
    connection.client("sns").create_topic(Name=names.alert_topic)
    return Subscribers(connection, names)


@pytest.fixture
def queue(connection: Connection) -> str:
    """The ARN of a queue."""
    sqs = connection.client("sqs")
    url = sqs.create_queue(QueueName="alerts-of-a-test")["QueueUrl"]
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn


@pytest.fixture
def stack(subscribers: Subscribers, connection: Connection) -> None:
    """A stack that owns one subscription."""
    resource = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"TopicArn": subscribers.topic_arn, "Protocol": "email", "Endpoint": OWNED},
    }
    cloudformation = connection.client("cloudformation")
    template = json.dumps({"Resources": {logical_id("email", OWNED): resource}})
    cloudformation.create_stack(StackName="stockctl", TemplateBody=template)
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="stockctl", WaiterConfig={"Delay": 0.05, "MaxAttempts": 1200}
    )


@pytest.fixture
def unconfirmed(names: Names) -> Iterator[tuple[Subscribers, Stubber]]:
    """Subscribers without a stack, with prepared SNS responses that must all be requested."""
    with patch.dict(os.environ, CREDENTIALS):
        connection = Connection(REGION)
        sns = Stubber(connection.client("sns"))
        cloudformation = Stubber(connection.client("cloudformation"))
        cloudformation.add_client_error(
            "list_stack_resources", "ValidationError", "Stack with id stockctl does not exist", 400
        )
        with sns, cloudformation:
            yield Subscribers(connection, names), sns
            sns.assert_no_pending_responses()


def alert(symbol: str, kind: str) -> Alert:
    """Return an alert."""
    return Alert(
        f"{symbol}|x|{kind}", symbol, "2026-01-05T15:00:00.000Z", kind, None, *[None] * 4, "message",
        "2026-01-05T15:00:00.000Z", None, None,
    )  # fmt: skip


def received(connection: Connection, count: int) -> list[tuple[str, str]]:
    """Return symbol and kind of what came into the queue, once there is so much and a moment has passed."""
    sqs = connection.client("sqs")
    url = sqs.get_queue_url(QueueName="alerts-of-a-test")["QueueUrl"]
    found: list[dict[str, Any]] = []
    while more := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5 if len(found) < count else 1
    ).get("Messages"):
        found += more
    alerts = [json.loads(json.loads(message["Body"])["Message"]) for message in found]
    return sorted((each["symbol"], each["kind"]) for each in alerts)


def test_a_queue_gets_what_its_filter_lets_through(
    subscribers: Subscribers, connection: Connection, queue: str
) -> None:
    """Symbols and kinds filter by the attributes that the notifier sets; symbols are upper-cased."""
    made = subscribers.subscribe("sqs", queue, ["aapl", "MSFT", "AAPL"], ["anomaly"])
    let_in(connection, made)

    notifier = SnsNotifier(connection.client("sns"), subscribers.topic_arn)
    for symbol in ("AAPL", "GOOGL"):
        for kind in KINDS:
            notifier.publish(alert(symbol, kind))
    assert received(connection, 1) == [("AAPL", "anomaly")]
    assert made.subscriber == Subscriber(
        "sqs", queue, made.subscriber.arn, ["AAPL", "MSFT"], ["anomaly"], False
    )
    assert not made.changed
    assert list(subscribers.list_all()) == [made.subscriber]


def test_without_a_filter_everything_comes(
    subscribers: Subscribers, connection: Connection, queue: str
) -> None:
    """No symbols and no kinds mean all of them."""
    let_in(connection, subscribers.subscribe("sqs", queue))

    notifier = SnsNotifier(connection.client("sns"), subscribers.topic_arn)
    for kind in KINDS:
        notifier.publish(alert("AAPL", kind))

    assert received(connection, 3) == [("AAPL", kind) for kind in sorted(KINDS)]
    assert [(each.symbols, each.kinds) for each in subscribers.list_all()] == [([], [])]


def test_a_queue_is_told_the_policy_it_needs(subscribers: Subscribers, queue: str) -> None:
    """The policy lets this topic, and nothing else of SNS, put messages into this queue."""
    made = subscribers.subscribe("sqs", queue)

    assert made.policy is not None
    [statement] = json.loads(made.policy)["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == (
        "Allow",
        "sqs:SendMessage",
        queue,
    )
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": subscribers.topic_arn}}
    assert "policy" in made.note


def test_a_number_is_told_what_sms_needs(subscribers: Subscribers) -> None:
    """The sandbox, the spending limit and registration are named; there is no policy."""
    made = subscribers.subscribe("sms", "+491701234567")

    assert all(word in made.note for word in ("sandbox", "spending limit", "registered"))
    assert made.policy is None


def test_subscribing_again_changes_the_filter(subscribers: Subscribers) -> None:
    """The same endpoint stays one subscription, with the newest filter."""
    first = subscribers.subscribe("email", "A@example.com", ["AAPL"], ["anomaly"])

    second = subscribers.subscribe("email", "a@example.com", ["MSFT"])

    assert second.changed
    assert second.subscriber.arn == first.subscriber.arn
    assert [(each.symbols, each.kinds) for each in subscribers.list_all()] == [(["MSFT"], [])]


@pytest.mark.parametrize("by", ["endpoint", "arn"])
def test_unsubscribing_works_by_endpoint_and_by_arn(subscribers: Subscribers, by: str) -> None:
    """One goes, the other stays."""
    gone = subscribers.subscribe("email", "a@example.com").subscriber
    stays = subscribers.subscribe("email", "b@example.com").subscriber

    assert subscribers.unsubscribe(getattr(gone, by)) == gone

    assert list(subscribers.list_all()) == [stays]


def test_an_unknown_one_cannot_be_unsubscribed(subscribers: Subscribers) -> None:
    """The error names the endpoint, and the command that lists all subscriptions."""
    with pytest.raises(AwsError, match="subscription of nobody@") as raised:
        subscribers.unsubscribe("nobody@example.com")

    assert "alerts subscriptions" in (raised.value.hint or "")


@pytest.mark.usefixtures("stack")
def test_what_the_configuration_owns_is_left_alone(subscribers: Subscribers) -> None:
    """It is listed as owned; subscribe and unsubscribe do not change it, and say what to do."""
    other = subscribers.subscribe("email", "other@example.com").subscriber
    before = subscribers.list_all()
    assert [(each.endpoint, each.owned) for each in before] == [(other.endpoint, False), (OWNED, True)]

    for touch in (
        lambda: subscribers.unsubscribe(OWNED),
        lambda: subscribers.subscribe("email", OWNED, ["AAPL"]),
    ):
        with pytest.raises(AwsError, match="from the configuration") as raised:
            touch()
        assert "stockctl provision" in (raised.value.hint or "")

    assert subscribers.list_all() == before


def test_the_stack_calls_them_as_the_template_does(names: Names) -> None:
    """The logical id by which an owned subscription is known is the one that is rendered."""
    subscription = Subscription(protocol="email", endpoint=OWNED)

    assert f"\n  {logical_id('email', OWNED)}:\n    Type: AWS::SNS::Subscription\n" in render(
        names, [subscription]
    )


def let_in(connection: Connection, made: SubscribeResult) -> None:
    """Give the queue the policy that was printed."""
    sqs = connection.client("sqs")
    url = sqs.get_queue_url(QueueName="alerts-of-a-test")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": made.policy})


def page(*entries: tuple[str, str, str]) -> dict[str, Any]:
    """Return a page of subscriptions: protocol, endpoint, ARN."""
    keys = ("Protocol", "Endpoint", "SubscriptionArn")
    return {"Subscriptions": [dict(zip(keys, entry, strict=True)) for entry in entries]}


def test_an_address_is_pending_until_it_confirms(
    unconfirmed: tuple[Subscribers, Stubber],
) -> None:
    """A response without an ARN is pending; the note names the link and the two days."""
    subscribers, scripted = unconfirmed
    scripted.add_response("list_subscriptions_by_topic", page())
    scripted.add_response("subscribe", {"SubscriptionArn": "pending confirmation"})

    made = subscribers.subscribe("email", "a@example.com", ["AAPL"])

    assert made.subscriber.pending
    assert "a@example.com a link" in made.note
    assert "two days" in made.note


def test_pending_ones_are_listed_as_such(unconfirmed: tuple[Subscribers, Stubber]) -> None:
    """SNS returns no filter for them, and it is not requested."""
    subscribers, scripted = unconfirmed
    scripted.add_response(
        "list_subscriptions_by_topic", page(("email", "a@example.com", "PendingConfirmation"))
    )

    [subscriber] = subscribers.list_all()

    assert subscriber == Subscriber("email", "a@example.com", "", [], [], False)
    assert subscriber.pending


def test_all_pages_are_listed_in_order(unconfirmed: tuple[Subscribers, Stubber]) -> None:
    """SNS gives a hundred at a time and in no order; they are shown by protocol and endpoint."""
    subscribers, scripted = unconfirmed
    pending = "PendingConfirmation"
    scripted.add_response(
        "list_subscriptions_by_topic",
        page(("sms", "+491", pending), ("email", "b", pending)) | {"NextToken": "2"},
    )
    scripted.add_response("list_subscriptions_by_topic", page(("email", "a", pending)))

    assert [each.endpoint for each in subscribers.list_all()] == ["a", "b", "+491"]


def test_a_pending_one_cannot_be_unsubscribed(
    unconfirmed: tuple[Subscribers, Stubber],
) -> None:
    """SNS does not support it; the message says that SNS deletes it later."""
    subscribers, scripted = unconfirmed
    scripted.add_response(
        "list_subscriptions_by_topic", page(("email", "a@example.com", "PendingConfirmation"))
    )

    with pytest.raises(AwsError, match="asked to confirm") as raised:
        subscribers.unsubscribe("a@example.com")

    assert "two days" in (raised.value.hint or "")


def test_a_pending_one_keeps_its_filter(unconfirmed: tuple[Subscribers, Stubber]) -> None:
    """Asked for with another filter before the confirmation, the refusal of SNS is explained."""
    subscribers, scripted = unconfirmed
    scripted.add_response(
        "list_subscriptions_by_topic", page(("email", "a@example.com", "PendingConfirmation"))
    )
    scripted.add_client_error(
        "subscribe",
        "InvalidParameter",
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
        400,
    )

    with pytest.raises(AwsError, match="with another filter"):
        subscribers.subscribe("email", "a@example.com", ["AAPL"])


def test_one_that_goes_meanwhile_is_not_listed(
    unconfirmed: tuple[Subscribers, Stubber],
) -> None:
    """It may be deleted between the list request and the request of its filter."""
    subscribers, scripted = unconfirmed
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:stock-market-alerts:1"
    scripted.add_response("list_subscriptions_by_topic", page(("email", "a@example.com", arn)))
    scripted.add_client_error("get_subscription_attributes", "NotFound", "Subscription does not exist", 404)

    assert list(subscribers.list_all()) == []


@pytest.mark.parametrize(
    "act",
    [
        lambda each: each.subscribe("email", "a@example.com"),
        lambda each: each.list_all(),
        lambda each: each.unsubscribe("a@example.com"),
    ],
)
def test_without_a_topic_there_is_a_way_out(aws_account: str, act: Callable[[Subscribers], object]) -> None:
    """Without a pipeline, the error says so."""
    with pytest.raises(AwsError, match="stock-market-alerts does not exist") as raised:
        act(Subscribers(connect_to_ministack(), names_of(Settings(), aws_account, REGION)))

    assert "stockctl provision" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("protocol", "endpoint"),
    [
        ("email", "first.last+tag@mail.example.co.uk"),
        ("sms", "+14155550123"),
        ("https", "https://user:pw@example.com:8443/a?b=c"),
        ("sqs", "arn:aws-cn:sqs:cn-north-1:123456789012:q_1-2"),
    ],
)
def test_good_endpoints_pass(protocol: str, endpoint: str) -> None:
    """What each protocol takes."""
    check_endpoint(protocol, endpoint)


@pytest.mark.parametrize(
    ("protocol", "endpoint", "told"),
    [
        ("email", "trader", "not an e-mail address"),
        ("email", "a b@example.com", "not an e-mail address"),
        ("email", "a@example", "not an e-mail address"),
        ("email", "a@example.com\n", "control characters"),
        ("sms", "01701234567", "E.164"),
        ("sms", "+49 170 1234567", "E.164"),
        ("sms", "+0491701234567", "E.164"),
        ("sms", "+4917012345678901", "E.164"),
        ("https", "http://example.com/a", "https only"),
        ("https", "https://", "not an https URL"),
        ("https", "https://[::1", "not a URL"),
        ("https", "https://example.com:port/", "not a URL"),
        ("https", "ftp://example.com", "not an https URL"),
        ("sqs", "alerts", "not the ARN"),
        ("sqs", f"arn:aws:sns:{REGION}:{ACCOUNT}:topic", "not the ARN"),
        ("sqs", f"arn:aws:sqs:{REGION}:{ACCOUNT}:alerts.fifo", "FIFO"),
        ("http", "http://example.com", "not a protocol"),
    ],
)
def test_bad_endpoints_are_refused(protocol: str, endpoint: str, told: str) -> None:
    """The person sees what was wrong, and a good one."""
    with pytest.raises(UsageError, match=told) as raised:
        check_endpoint(protocol, endpoint)

    assert raised.value.hint


def test_the_url_of_a_queue_is_turned_into_its_arn() -> None:
    """The URL of a queue is rejected with its ARN in the hint."""
    with pytest.raises(UsageError) as raised:
        check_endpoint("sqs", f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/alerts")

    assert f"arn:aws:sqs:{REGION}:{ACCOUNT}:alerts" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("endpoint", "symbols", "kinds", "told"),
    [
        ("nobody", [], [], "not an e-mail address"),
        ("a@example.com", ["A/B"], [], "A/B"),
        ("a@example.com", [], ["crash"], "'crash' is not a kind"),
        ("a@example.com", [f"S{number}" for number in range(51)], list(KINDS), "combinations"),
    ],
)
def test_what_is_refused_is_not_subscribed(
    subscribers: Subscribers, endpoint: str, symbols: list[str], kinds: list[str], told: str
) -> None:
    """Endpoint, symbols, kinds and the size of the filter are checked before a request to SNS."""
    with pytest.raises(UsageError, match=told):
        subscribers.subscribe("email", endpoint, symbols, kinds)

    assert list(subscribers.list_all()) == []
