"""The events that Lambda hands to the functions."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, TypeAlias

from stockctl.aws.aggregated_format import decode, is_aggregated
from stockctl.aws.items import Item
from stockctl.market.refusal import Refusal
from stockctl.pipeline.ports import Record, Rejection

Event: TypeAlias = Mapping[str, Any]

RESERVE = 2.0
"""Seconds that a function keeps to end in order."""


class Context(Protocol):
    """What Lambda tells of an invocation, as far as it is used here."""

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function may still run."""


class Inserted(NamedTuple):
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
    except Refusal as reason:
        return [Rejection(data, origin, str(reason))]
    return [Record(member.data, f"{origin}#{index}") for index, member in enumerate(members)]


def insertions(event: Event) -> Iterator[Inserted]:
    """Yield the new items of a DynamoDB stream event; changed and removed ones are left out."""
    for position, record in enumerate(event["Records"]):
        if record["eventName"] == "INSERT":
            change = record["dynamodb"]
            yield Inserted(position, change["SequenceNumber"], change["NewImage"])


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
