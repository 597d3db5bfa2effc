"""Subscriptions to the SNS topic of alerts: subscribe, list, unsubscribe."""

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

PENDING = "PendingConfirmation"
_CONFIRMATION = {
    "email": "SNS has sent {endpoint} a link. Alerts arrive after somebody opens it. If nobody does within "
    "two days, subscribe again.",
    "https": "SNS has sent {endpoint} a message of the type SubscriptionConfirmation. Alerts arrive after "
    "the endpoint opens the SubscribeURL in it. If it does not within two days, subscribe again.",
    "sqs": "The queue belongs to another account: alerts arrive after its owner opens the SubscribeURL in "
    "the message that SNS has sent to the queue.",
    "sms": "SNS has asked {endpoint} to confirm.",
}
_SMS = (
    "SMS has limits. A new account is in the SMS sandbox and can send only to numbers that were verified in "
    "the SNS console. The spending limit is $1 a month until AWS raises it. Some countries, such as the "
    "United States, require a registered number or sender ID. Not every region sends SMS."
)
_QUEUE = (
    "Alerts arrive after you add the policy below to the queue. If the queue is encrypted with your own key, "
    "also allow sns.amazonaws.com to use kms:GenerateDataKey* and kms:Decrypt in the policy of the key."
)


def note(protocol: str, endpoint: str, *, pending: bool) -> str:
    """Return what the user must do before alerts arrive; empty if nothing."""
    parts = [_CONFIRMATION[protocol].format(endpoint=endpoint)] if pending else []
    parts += {"sms": [_SMS], "sqs": [_QUEUE]}.get(protocol, [])
    return " ".join(parts)


def queue_policy(queue_arn: str, topic_arn: str) -> str:
    """Return the queue policy, as JSON, that allows only the topic to send messages."""
    statement = {
        "Sid": "StockAlerts",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


class SubscriptionCount(NamedTuple):
    """The number of subscriptions of a topic, and of those that are not confirmed."""

    total: int
    pending: int

    def __str__(self) -> str:
        noun = "subscription" if self.total == 1 else "subscriptions"
        return f"{self.total} {noun}" + (f" ({self.pending} pending)" if self.pending else "")


def count_subscriptions(sns: Client, topic_arn: str) -> SubscriptionCount:
    """Return the number of subscriptions; zero if the topic does not exist.

    Raises:
        AwsError: a request to SNS fails.
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
    """One subscription to alerts."""

    protocol: str
    endpoint: str
    arn: str
    """Empty while pending: SNS assigns it at the confirmation."""
    symbols: Sequence[str]
    """Empty means all; also empty while pending, because SNS does not return them."""
    kinds: Sequence[str]
    owned: bool
    """Whether it comes from the configuration, and can be changed only there."""

    @property
    def pending(self) -> bool:
        """Whether it is not confirmed yet."""
        return not self.arn


class SubscribeResult(NamedTuple):
    """The result of ``subscribe``."""

    subscriber: Subscriber
    changed: bool
    """Whether an existing subscription got a new filter."""
    note: str
    """What the user must do before alerts arrive."""
    policy: str | None
    """The policy that an SQS queue needs, as JSON."""


class Subscribers:
    """The subscriptions to one pipeline's alert topic.

    Args:
        connection: the connection to the AWS account.
        names: names of the resources.
    """

    def __init__(self, connection: Connection, names: Names) -> None:
        self._sns: Client = connection.client("sns")
        self._cloudformation: Client = connection.client("cloudformation")
        self._stack = names.stack
        self.topic_arn = names.alert_topic_arn

    def subscribe(
        self, protocol: str, endpoint: str, symbols: Sequence[str] = (), kinds: Sequence[str] = ()
    ) -> SubscribeResult:
        """Subscribe an endpoint to alerts of some symbols and kinds, or of all.

        If it is subscribed already, only the filter changes.

        Args:
            protocol: ``email``, ``sms``, ``sqs`` or ``https``.
            endpoint: an email address, a phone number (E.164), the ARN of a queue, or a URL.
            symbols: the symbols, for example ``AAPL``; empty means all.
            kinds: the kinds, from ``market.alert.KINDS``; empty means all.

        Raises:
            UsageError: the endpoint, a symbol or a kind is not valid, or the filter is too large.
            AwsError: the subscription comes from the configuration, there is no topic, or a request fails.
        """
        check_endpoint(protocol, endpoint)
        policy = _filter(symbols, kinds)
        existing = next((each for each in self._entries() if _is_same(each, protocol, endpoint)), None)
        if existing is not None and self._is_owned(existing):
            raise _owned_error(endpoint)
        existing_arn = _arn(existing) if existing is not None else ""
        if existing_arn:
            arn = self._set_filter(existing_arn, policy)
        else:
            arn = self._subscribe(protocol, endpoint, policy)
        subscriber = Subscriber(
            protocol, endpoint, arn, policy.get("symbol", []), policy.get("kind", []), owned=False
        )
        needed_policy = queue_policy(endpoint, self.topic_arn) if protocol == "sqs" else None
        text = note(protocol, endpoint, pending=not arn)
        return SubscribeResult(subscriber, bool(existing_arn), text, needed_policy)

    def list_all(self) -> Sequence[Subscriber]:
        """Return all subscriptions, including pending ones, by protocol and endpoint.

        Raises:
            AwsError: there is no topic, or a request to SNS fails.
        """
        owned = self._owned_ids()
        subscribers = [self._subscriber(entry, owned) for entry in self._entries()]
        return sorted(each for each in subscribers if each is not None)

    def unsubscribe(self, which: str) -> Subscriber:
        """Delete the subscription with this ARN or endpoint and return it.

        Raises:
            AwsError: it does not exist, is pending, comes from the configuration, or a request fails.
        """
        matches = [each for each in self._entries() if which in (each["SubscriptionArn"], each["Endpoint"])]
        if not matches:
            raise AwsError(
                f"There is no subscription of {which} to the alerts.",
                "Run 'stockctl alerts subscriptions' to list them.",
            )
        subscriber = self._subscriber(matches[0], self._owned_ids())
        if subscriber is None:
            raise AwsError(f"The subscription of {which} no longer exists: somebody else has deleted it.")
        if subscriber.owned:
            raise _owned_error(subscriber.endpoint)
        if subscriber.pending:
            raise _pending_error(subscriber.endpoint)
        with translate_errors():
            self._sns.unsubscribe(SubscriptionArn=subscriber.arn)
        return subscriber

    def _entries(self) -> Sequence[dict[str, str]]:
        pages = self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic_arn)
        with translate_errors():
            return [entry for page in pages for entry in page["Subscriptions"]]

    def _owned_ids(self) -> frozenset[str]:
        """Return the logical ids of the stack's resources; empty if there is no stack."""
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

    def _is_owned(self, entry: dict[str, str]) -> bool:
        return logical_id(entry["Protocol"], entry["Endpoint"]) in self._owned_ids()

    def _subscriber(self, entry: dict[str, str], owned: frozenset[str]) -> Subscriber | None:
        """Return an entry with its filter; None if it was deleted in the meantime."""
        protocol, endpoint, arn = entry["Protocol"], entry["Endpoint"], _arn(entry)
        policy: dict[str, Any] = {}
        if arn:
            with translate_errors():
                try:
                    response = self._sns.get_subscription_attributes(SubscriptionArn=arn)
                except ClientError as error:
                    if error_code(error) in ("NotFound", "NotFoundException"):
                        return None
                    raise
            policy = json.loads(response["Attributes"].get("FilterPolicy") or "{}")
        return Subscriber(
            protocol,
            endpoint,
            arn,
            policy.get("symbol", []),
            policy.get("kind", []),
            logical_id(protocol, endpoint) in owned,
        )

    def _subscribe(self, protocol: str, endpoint: str, policy: dict[str, list[str]]) -> str:
        attributes = {"FilterPolicyScope": "MessageAttributes", "FilterPolicy": json.dumps(policy)}
        with translate_errors():
            try:
                response = self._sns.subscribe(
                    TopicArn=self.topic_arn,
                    Protocol=protocol,
                    Endpoint=endpoint,
                    Attributes=attributes if policy else {},
                )
            except ClientError as error:
                if "different attributes" in str(error):
                    raise _pending_error(endpoint, "with another filter") from error
                raise
        arn = str(response["SubscriptionArn"])
        return arn if arn.startswith("arn:") else ""

    def _set_filter(self, arn: str, policy: dict[str, list[str]]) -> str:
        with translate_errors():
            for name, value in (
                ("FilterPolicyScope", "MessageAttributes"),
                ("FilterPolicy", json.dumps(policy)),
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
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise UsageError(f"{unknown[0]!r} is not a kind of alert.", f"Use one of: {', '.join(KINDS)}.")
    return filter_policy(names, kinds)


def _is_same(entry: dict[str, str], protocol: str, endpoint: str) -> bool:
    if entry["Protocol"] != protocol:
        return False
    if protocol == "email":
        return entry["Endpoint"].casefold() == endpoint.casefold()
    return entry["Endpoint"] == endpoint


def _arn(entry: dict[str, str]) -> str:
    return "" if entry["SubscriptionArn"] == PENDING else entry["SubscriptionArn"]


def _owned_error(endpoint: str) -> AwsError:
    return AwsError(
        f"The subscription of {endpoint} comes from the configuration (alerts.subscriptions), and the stack "
        "would undo a change made here.",
        "Change or remove it there, then run 'stockctl provision'.",
    )


def _pending_error(endpoint: str, detail: str = "") -> AwsError:
    return AwsError(
        f"{endpoint} was asked to confirm{' ' + detail if detail else ''} and has not done so yet. Until "
        "then, SNS does not allow changes to the subscription.",
        "Without a confirmation it gets no alerts, and SNS deletes it after two days.",
    )
