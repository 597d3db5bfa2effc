"""Shared by both Lambda functions: parsing of events and environment variables, time limit."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol, TypeAlias

from stockctl.backends.aws.dynamodb.items import Item
from stockctl.backends.aws.kinesis.kpl_decoder import decode, is_aggregated
from stockctl.errors import ConfigError
from stockctl.market.errors import InvalidQuote
from stockctl.market.rules import AnalysisRules
from stockctl.pipeline.ports import Record, Rejection

Event: TypeAlias = Mapping[str, Any]

SAFETY_SECONDS = 2.0
"""Seconds before the time limit at which a function stops working."""


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the time limit."""


class InsertedImage(NamedTuple):
    """A new item of the table: position in the event, sequence number in the stream, and content."""

    position: int
    sequence_number: str
    image: Item


def kinesis_records(event: Event) -> list[Record | Rejection]:
    """Return the records of a Kinesis event in order; aggregated records are unpacked.

    The origin of a record is its shard and sequence number, and for one from an aggregated record also ``#``
    and its index there, from 0. A damaged aggregated record becomes one rejection.
    """
    return [
        record_or_rejection
        for record in event["Records"]
        for record_or_rejection in _unpack(base64.b64decode(record["kinesis"]["data"]), record["eventID"])
    ]


def _unpack(data: bytes, origin: str) -> Sequence[Record | Rejection]:
    if not is_aggregated(data):
        return [Record(data, origin)]
    try:
        members = decode(data)
    except InvalidQuote as reason:
        return [Rejection(data, origin, str(reason))]
    return [Record(member.data, f"{origin}#{index}") for index, member in enumerate(members)]


def insertions(event: Event) -> Iterator[InsertedImage]:
    """Yield the new items of a DynamoDB stream event; skip changed and removed ones."""
    for position, record in enumerate(event["Records"]):
        if record["eventName"] == "INSERT":
            change = record["dynamodb"]
            yield InsertedImage(position, change["SequenceNumber"], change["NewImage"])


def account_of(context: Context) -> str | None:
    """Return the account of the function, which must own the bucket too."""
    parts = context.invoked_function_arn.split(":")
    return parts[4] if len(parts) > 4 and parts[4].isdigit() else None


def seconds_left(context: Context) -> float:
    """Return the seconds until the function has to stop working."""
    return context.get_remaining_time_in_millis() / 1000 - SAFETY_SECONDS


def now() -> datetime:
    """Return the current time as an aware UTC datetime."""
    return datetime.now(UTC)


_PROVISION = "Run 'stockctl provision' to set it."


class Environment(NamedTuple):
    """The settings of a function, from its environment variables."""

    table: str
    """The DynamoDB table of quotes."""
    alerts_table: str
    bucket: str
    topic_arn: str
    """Empty if the function publishes nothing."""
    rules: AnalysisRules
    alert_max_age: timedelta | None
    """Alerts of older quotes are logged but not published; None means no limit."""
    ttl: timedelta | None
    """How long to keep a quote; None means for ever."""


def read_environment(variables: Mapping[str, str], *, publishes: bool = False) -> Environment:
    """Read the settings; a function that ``publishes`` needs a topic.

    Raises:
        ConfigError: a variable is missing, or is not a number.
    """
    max_age = _integer(variables, "ALERT_MAX_AGE_SECONDS")
    ttl = _integer(variables, "TTL_DAYS")
    return Environment(
        _text(variables, "TABLE_NAME"),
        _text(variables, "ALERTS_TABLE"),
        _text(variables, "BUCKET"),
        _text(variables, "TOPIC_ARN") if publishes else "",
        AnalysisRules(
            _integer(variables, "SMA_SHORT"),
            _integer(variables, "SMA_LONG"),
            _decimal(variables, "THRESHOLD_PERCENT"),
        ),
        timedelta(seconds=max_age) if max_age else None,
        timedelta(days=ttl) if ttl else None,
    )


def _text(variables: Mapping[str, str], name: str) -> str:
    try:
        return variables[name]
    except KeyError:
        raise ConfigError(f"The environment variable {name} is missing.", _PROVISION) from None


def _integer(variables: Mapping[str, str], name: str) -> int:
    text = _text(variables, name)
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"The environment variable {name} = {text!r} is not a whole number.", _PROVISION)
    return int(text)


def _decimal(variables: Mapping[str, str], name: str) -> Decimal:
    text = _text(variables, name)
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise ConfigError(f"The environment variable {name} = {text!r} is not a number.", _PROVISION)
    return number
