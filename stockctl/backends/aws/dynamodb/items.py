"""Stored quotes and alerts as DynamoDB items, and back, exactly.

Text is ``S``, a truth ``BOOL``, a number ``N`` from a ``Decimal`` or an int, never through a float. What
is unknown has no attribute: an item is the same however often it is written, so that writing it again
puts nothing into the table's stream, and a condition can ask for an attribute's absence.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias, TypeVar

from stockctl.errors import AwsError
from stockctl.market.alert import Alert
from stockctl.market.numbers import format_decimal
from stockctl.market.quote import EnrichedQuote, PriorQuote

Attribute: TypeAlias = Mapping[str, Any]
Item: TypeAlias = Mapping[str, Attribute]
Value: TypeAlias = Any
Row = TypeVar("Row", PriorQuote, EnrichedQuote, Alert)

_NUMBERS = frozenset(
    ("price", "previous_close", "open", "high", "low", "change", "change_percent", "sma_short", "sma_long")
)  # fmt: skip
_TRUTHS = frozenset(("anomaly", "anomaly_alert"))
_REQUIRED = {
    PriorQuote: ("timestamp", "price"),
    EnrichedQuote: ("symbol", "timestamp", "price", "source", "anomaly", "anomaly_alert"),
    Alert: ("alert_id", "symbol", "timestamp", "kind", "price", "message", "created_at"),
}


class UnreadableItem(AwsError):
    """An item is not one that stockctl wrote."""


def quote_item(quote: EnrichedQuote, expires_at: int | None = None) -> dict[str, Attribute]:
    """Return the item of ``quote``; ``expires_at`` in epoch seconds is no part of the quote."""
    item = _item(quote._asdict())
    if expires_at is not None:
        item["expires_at"] = {"N": str(expires_at)}
    return item


def read_quote(item: Item) -> EnrichedQuote:
    """Return the quote of an item or of its image in the table's stream.

    Raises:
        UnreadableItem: it is no stored quote.
    """
    return _read(EnrichedQuote, item)


def read_prior_quote(item: Item) -> PriorQuote:
    """Return what a later quote needs to know of a stored one.

    Raises:
        UnreadableItem: it is no stored quote.
    """
    return _read(PriorQuote, item)


def alert_item(alert: Alert) -> dict[str, Attribute]:
    """Return the item of ``alert``, with its place in the index ``by_day``."""
    place = {"created_day": alert.created_at[:10], "created_key": f"{alert.created_at}#{alert.alert_id}"}
    return _item(alert._asdict() | place)


def read_alert(item: Item) -> Alert:
    """Return the alert of an item.

    Raises:
        UnreadableItem: it is no alert.
    """
    return _read(Alert, item)


def _item(fields: Mapping[str, object]) -> dict[str, Attribute]:
    return {name: _attribute(value) for name, value in fields.items() if value is not None}


def _attribute(value: object) -> Attribute:
    if type(value) is Decimal:
        return {"N": format_decimal(value)}
    if type(value) is bool:
        return {"BOOL": value}
    return {"N": str(value)} if type(value) is int else {"S": value}


def _read(row: type[Row], item: Item) -> Row:
    missing = [name for name in _REQUIRED[row] if name not in item]
    if missing:
        raise _unreadable(item, f"{missing[0]} is missing")
    return row(*[_value(name, item) for name in row._fields])


def _value(name: str, item: Item) -> Value:
    attribute = item.get(name)
    if attribute is None or attribute.get("NULL"):
        return None
    kind = _kind(name)
    if kind not in attribute:
        raise _unreadable(item, f"{name} is of type {', '.join(attribute)}, not {kind}")
    value = attribute[kind]
    if kind != "N":
        return value
    try:
        return int(value) if name == "volume" else Decimal(value)
    except (ValueError, InvalidOperation):
        raise _unreadable(item, f"{name} is {value!r}") from None


def _kind(name: str) -> str:
    if name in _NUMBERS or name == "volume":
        return "N"
    return "BOOL" if name in _TRUTHS else "S"


def _unreadable(item: Item, reason: str) -> UnreadableItem:
    keys = [
        str(next(iter(item[name].values()), ""))
        for name in ("symbol", "timestamp", "alert_id")
        if name in item
    ]
    return UnreadableItem(
        f"The item {' '.join(keys) or 'without a key'} cannot be read: {reason}.",
        "It was not written by stockctl; remove or correct it.",
    )
