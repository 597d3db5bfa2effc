"""What both Lambda functions share: environment and event parsing."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol, TypeAlias

from stockctl.backends.aws.dynamodb.items import Item
from stockctl.backends.aws.kinesis.kpl import decode, is_aggregated
from stockctl.errors import ConfigError
from stockctl.market.policy import AnalysisRules
from stockctl.market.validation import InvalidQuote
from stockctl.pipeline.ports import Record, Rejection

Event: TypeAlias = Mapping[str, Any]

RESERVE = 2.0
"""Seconds that a function keeps to end in order."""


class Context(Protocol):
    """What Lambda tells of an invocation, as far as it is used here."""

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function may still run."""


class InsertedImage(NamedTuple):
    """An item that was put into the table: its place in the event and in the table's stream; its image."""

    position: int
    sequence_number: str
    image: Item


def kinesis_records(event: Event) -> list[Record | Rejection]:
    """Return the records of a Kinesis event in order, those within aggregated ones singly.

    The origin of each is its shard and sequence number; of one that was within an aggregated record, with
    ``#`` and its index there, from 0 on. An aggregated record that is damaged is one rejection.
    """
    return [
        unpacked
        for record in event["Records"]
        for unpacked in _unpacked(base64.b64decode(record["kinesis"]["data"]), record["eventID"])
    ]


def _unpacked(data: bytes, origin: str) -> Sequence[Record | Rejection]:
    if not is_aggregated(data):
        return [Record(data, origin)]
    try:
        members = decode(data)
    except InvalidQuote as reason:
        return [Rejection(data, origin, str(reason))]
    return [Record(member.data, f"{origin}#{index}") for index, member in enumerate(members)]


def insertions(event: Event) -> Iterator[InsertedImage]:
    """Yield the new items of a DynamoDB stream event; changed and removed ones are left out."""
    for position, record in enumerate(event["Records"]):
        if record["eventName"] == "INSERT":
            change = record["dynamodb"]
            yield InsertedImage(position, change["SequenceNumber"], change["NewImage"])


def account_of(context: Context) -> str | None:
    """Return the account that the function runs in: the one its bucket has to belong to."""
    parts = context.invoked_function_arn.split(":")
    return parts[4] if len(parts) > 4 and parts[4].isdigit() else None


def seconds_left(context: Context) -> float:
    """Return how long the function may still wait, when it is to end in order."""
    return context.get_remaining_time_in_millis() / 1000 - RESERVE


def now() -> datetime:
    """Return the present as an aware UTC datetime."""
    return datetime.now(UTC)


_HINT = "'stockctl provision' sets it."


class Environment(NamedTuple):
    """The environment of a function, read once."""

    table: str
    """The DynamoDB table of quotes."""
    alerts_table: str
    bucket: str
    topic_arn: str
    """Empty where the function publishes nothing."""
    rules: AnalysisRules
    alert_max_age: timedelta | None
    """An older quote's alert is logged only; None means no limit."""
    ttl: timedelta | None
    """How long a quote is kept; None means for ever."""


def read_environment(variables: Mapping[str, str], *, publishes: bool = False) -> Environment:
    """Return what ``variables`` say; a function that publishes has to be told its topic.

    Raises:
        ConfigError: one is missing or is not a number where it has to be.
    """
    max_age = _whole(variables, "ALERT_MAX_AGE_SECONDS")
    ttl = _whole(variables, "TTL_DAYS")
    return Environment(
        _text(variables, "TABLE_NAME"),
        _text(variables, "ALERTS_TABLE"),
        _text(variables, "BUCKET"),
        _text(variables, "TOPIC_ARN") if publishes else "",
        AnalysisRules(
            _whole(variables, "SMA_SHORT"),
            _whole(variables, "SMA_LONG"),
            _number(variables, "THRESHOLD_PERCENT"),
        ),
        timedelta(seconds=max_age) if max_age else None,
        timedelta(days=ttl) if ttl else None,
    )


def _text(variables: Mapping[str, str], name: str) -> str:
    try:
        return variables[name]
    except KeyError:
        raise ConfigError(f"The environment variable {name} is missing.", _HINT) from None


def _whole(variables: Mapping[str, str], name: str) -> int:
    text = _text(variables, name)
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"The environment variable {name} = {text!r} is not a whole number.", _HINT)
    return int(text)


def _number(variables: Mapping[str, str], name: str) -> Decimal:
    text = _text(variables, name)
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise ConfigError(f"The environment variable {name} = {text!r} is not a number.", _HINT)
    return number
