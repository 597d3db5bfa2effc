"""Subscriptions of the alert topic: subscribe, list, unsubscribe."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.template import logical_id
from stockctl.config.subscriptions import check_endpoint, filter_policy
from stockctl.errors import AwsError, UsageError
from stockctl.market.alert import KINDS
from stockctl.market.symbol import parse_symbol

_CONFIRMATION = {
    "email": "SNS has sent {endpoint} a link. Alerts come once it has been followed; after two days without "
    "that, subscribe again.",
    "https": "SNS has sent {endpoint} a message of the type SubscriptionConfirmation. Alerts come once the "
    "endpoint has opened the SubscribeURL in it; after two days without that, subscribe again.",
    "sqs": "The queue is of another account: alerts come once its owner has opened the SubscribeURL in the "
    "message that SNS has put there.",
    "sms": "SNS has asked {endpoint} to confirm.",
}
_SMS = (
    "SMS needs more of the account: a new one is in the SMS sandbox and reaches only numbers that were "
    "verified in the SNS console; the spending limit is $1 a month until AWS raises it; some countries (the "
    "United States among them) demand a registered number or sender ID; and not every region sends SMS."
)
_QUEUE = (
    "Alerts arrive once the queue's policy allows it (below). A queue that is encrypted with a key of your "
    "own needs kms:GenerateDataKey* and kms:Decrypt for sns.amazonaws.com in the key's policy too."
)


def note(protocol: str, endpoint: str, *, pending: bool) -> str:
    """Return what a subscription still needs; empty when it needs nothing."""
    parts = [_CONFIRMATION[protocol].format(endpoint=endpoint)] if pending else []
    parts += {"sms": [_SMS], "sqs": [_QUEUE]}.get(protocol, [])
    return " ".join(parts)


def queue_policy(queue_arn: str, topic_arn: str) -> str:
    """Return the policy, as JSON, that lets the topic and nobody else put messages into the queue."""
    statement = {
        "Sid": "StockAlerts",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


PENDING = "PendingConfirmation"


class SubscriptionCount(NamedTuple):
    """How many subscriptions a topic has, and how many of them wait for their confirmation."""

    total: int
    pending: int

    def __str__(self) -> str:
        noun = "subscription" if self.total == 1 else "subscriptions"
        return f"{self.total} {noun}" + (f" ({self.pending} pending)" if self.pending else "")


def count_subscriptions(sns: Client, topic_arn: str) -> SubscriptionCount:
    """Return how many are subscribed; none when there is no such topic.

    Raises:
        AwsError: SNS cannot be asked.
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    with translate_errors():
        try:
            arns = [each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]]
        except ClientError as error:
            if error_code(error) not in ("NotFound", "NotFoundException"):
                raise
            arns = []
    return SubscriptionCount(len(arns), arns.count(PENDING))


class Subscriber(NamedTuple):
    """Somebody who is told of alerts, or would be after confirming."""

    protocol: str
    endpoint: str
    arn: str
    """Empty while pending: SNS tells it only after the confirmation."""
    symbols: Sequence[str]
    """Empty means all of them; those of a pending subscriber are not known and empty too."""
    kinds: Sequence[str]
    owned: bool
    """Whether the configuration has made it, so that only the configuration can end it."""

    @property
    def pending(self) -> bool:
        """Whether the confirmation is still to come."""
        return not self.arn


class Subscribed(NamedTuple):
    """What became of a wish to be told."""

    subscriber: Subscriber
    changed: bool
    """Whether it was there already, and has another filter now."""
    note: str
    """What has to happen before alerts arrive, for a person."""
    policy: str | None
    """The policy that a queue needs, as JSON."""


class Subscribers:
    """Those of one pipeline's alert topic.

    Args:
        connection: to the account.
        names: what things are called there.
    """

    def __init__(self, connection: Connection, names: Names) -> None:
        self._sns: Client = connection.client("sns")
        self._cloudformation: Client = connection.client("cloudformation")
        self._stack = names.stack
        self.topic_arn = f"arn:{names.partition}:sns:{names.region}:{names.account}:{names.alert_topic}"

    def subscribe(
        self, protocol: str, endpoint: str, symbols: Sequence[str] = (), kinds: Sequence[str] = ()
    ) -> Subscribed:
        """Have ``endpoint`` told of alerts of some symbols and kinds; none given means all.

        One that is subscribed already gets the new filter.

        Args:
            protocol: ``email``, ``sms``, ``sqs`` or ``https``.
            endpoint: an address, a number (E.164), the ARN of a queue, a URL.
            symbols: such as ``AAPL``.
            kinds: of ``market.alert.KINDS``.

        Raises:
            UsageError: the endpoint, a symbol or a kind is none, or the filter is too large.
            AwsError: the configuration owns the subscription, there is no topic, or SNS refuses.
        """
        check_endpoint(protocol, endpoint)
        wanted = _filter(symbols, kinds)
        there = next((each for each in self._entries() if _same(each, protocol, endpoint)), None)
        if there is not None and self._owns(there):
            raise _owned(endpoint)
        known = _arn(there) if there is not None else ""
        arn = self._refilter(known, wanted) if known else self._subscribe(protocol, endpoint, wanted)
        subscriber = Subscriber(
            protocol, endpoint, arn, wanted.get("symbol", []), wanted.get("kind", []), owned=False
        )
        policy = queue_policy(endpoint, self.topic_arn) if protocol == "sqs" else None
        return Subscribed(subscriber, bool(known), note(protocol, endpoint, pending=not arn), policy)

    def everybody(self) -> Sequence[Subscriber]:
        """Return everybody, pending ones too, by protocol and endpoint.

        Raises:
            AwsError: there is no topic, or SNS cannot be asked.
        """
        owned = self._owned_ids()
        found = [self._subscriber(entry, owned) for entry in self._entries()]
        return sorted(each for each in found if each is not None)

    def unsubscribe(self, which: str) -> Subscriber:
        """End the subscription with this ARN or endpoint and return it.

        Raises:
            AwsError: there is none, it is pending, the configuration owns it, or SNS refuses.
        """
        found = [entry for entry in self._entries() if which in (entry["SubscriptionArn"], entry["Endpoint"])]
        if not found:
            raise AwsError(
                f"Nobody is subscribed to the alerts as {which}.",
                "'stockctl alerts subscriptions' lists them.",
            )
        subscriber = self._subscriber(found[0], self._owned_ids())
        if subscriber is None:
            raise AwsError(f"{which} has just been unsubscribed by somebody else.")
        if subscriber.owned:
            raise _owned(subscriber.endpoint)
        if subscriber.pending:
            raise _pending(subscriber.endpoint)
        with translate_errors():
            self._sns.unsubscribe(SubscriptionArn=subscriber.arn)
        return subscriber

    def _entries(self) -> Sequence[dict[str, str]]:
        pages = self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic_arn)
        with translate_errors():
            return [entry for page in pages for entry in page["Subscriptions"]]

    def _owned_ids(self) -> frozenset[str]:
        """Return what the stack holds, by logical id; nothing when there is no stack."""
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self._stack)
        with translate_errors():
            try:
                return frozenset(
                    resource["LogicalResourceId"]
                    for page in pages
                    for resource in page["StackResourceSummaries"]
                    if resource["ResourceStatus"] != "DELETE_COMPLETE"
                )
            except ClientError as error:
                if error_code(error) == "ValidationError" and "does not exist" in str(error):
                    return frozenset()
                raise

    def _owns(self, entry: dict[str, str]) -> bool:
        return logical_id(entry["Protocol"], entry["Endpoint"]) in self._owned_ids()

    def _subscriber(self, entry: dict[str, str], owned: frozenset[str]) -> Subscriber | None:
        """Return an entry with its filter, or None when it has gone meanwhile."""
        protocol, endpoint, arn = entry["Protocol"], entry["Endpoint"], _arn(entry)
        policy: dict[str, Any] = {}
        if arn:
            with translate_errors():
                try:
                    answer = self._sns.get_subscription_attributes(SubscriptionArn=arn)
                except ClientError as error:
                    if error_code(error) in ("NotFound", "NotFoundException"):
                        return None
                    raise
            policy = json.loads(answer["Attributes"].get("FilterPolicy") or "{}")
        return Subscriber(
            protocol,
            endpoint,
            arn,
            policy.get("symbol", []),
            policy.get("kind", []),
            logical_id(protocol, endpoint) in owned,
        )

    def _subscribe(self, protocol: str, endpoint: str, wanted: dict[str, list[str]]) -> str:
        attributes = {"FilterPolicyScope": "MessageAttributes", "FilterPolicy": json.dumps(wanted)}
        with translate_errors():
            try:
                answer = self._sns.subscribe(
                    TopicArn=self.topic_arn,
                    Protocol=protocol,
                    Endpoint=endpoint,
                    Attributes=attributes if wanted else {},
                )
            except ClientError as error:
                if "different attributes" in str(error):
                    raise _pending(endpoint, "with another filter") from error
                raise
        arn = str(answer["SubscriptionArn"])
        return arn if arn.startswith("arn:") else ""

    def _refilter(self, arn: str, wanted: dict[str, list[str]]) -> str:
        with translate_errors():
            for name, value in (
                ("FilterPolicyScope", "MessageAttributes"),
                ("FilterPolicy", json.dumps(wanted)),
            ):
                self._sns.set_subscription_attributes(
                    SubscriptionArn=arn, AttributeName=name, AttributeValue=value
                )
        return arn


def _filter(symbols: Sequence[str], kinds: Sequence[str]) -> dict[str, list[str]]:
    try:
        names = [parse_symbol(symbol) for symbol in symbols]
    except ValueError as error:
        raise UsageError(str(error), "Give symbols such as AAPL,MSFT.") from None
    if strange := [kind for kind in kinds if kind not in KINDS]:
        raise UsageError(f"{strange[0]!r} is no kind of alert.", f"The kinds are: {', '.join(KINDS)}.")
    return filter_policy(names, kinds)


def _same(entry: dict[str, str], protocol: str, endpoint: str) -> bool:
    if entry["Protocol"] != protocol:
        return False
    if protocol == "email":
        return entry["Endpoint"].casefold() == endpoint.casefold()
    return entry["Endpoint"] == endpoint


def _arn(entry: dict[str, str]) -> str:
    return "" if entry["SubscriptionArn"] == PENDING else entry["SubscriptionArn"]


def _owned(endpoint: str) -> AwsError:
    return AwsError(
        f"{endpoint} is subscribed by the configuration (alerts.subscriptions), and the stack would undo a "
        "change made here.",
        "Change or remove it there, then run 'stockctl provision'.",
    )


def _pending(endpoint: str, how: str = "") -> AwsError:
    return AwsError(
        f"{endpoint} has been asked to confirm{' ' + how if how else ''} and has not done so; SNS lets "
        "nobody change or end a subscription before that.",
        "Unless it is confirmed, it gets no alerts, and SNS forgets it within two days.",
    )
