"""Converts quotes and alerts to DynamoDB items and back, exactly.

Text is ``S``, a boolean ``BOOL``, a number ``N`` from a ``Decimal`` or an int, never through a float. An
unknown value has no attribute. The item of a quote is always the same, so that writing it again adds nothing
to the table's stream.
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
_BOOLEANS = frozenset(("anomaly", "anomaly_alert"))
_REQUIRED = {
    PriorQuote: ("timestamp", "price"),
    EnrichedQuote: ("symbol", "timestamp", "price", "source", "anomaly", "anomaly_alert"),
    Alert: ("alert_id", "symbol", "timestamp", "kind", "price", "message", "created_at"),
}


class UnreadableItem(AwsError):
    """An item that stockctl did not write."""


def quote_item(quote: EnrichedQuote, expires_at: int | None = None) -> dict[str, Attribute]:
    """Return the item of a quote; DynamoDB deletes it at ``expires_at`` (epoch seconds)."""
    item = _item(quote._asdict())
    if expires_at is not None:
        item["expires_at"] = {"N": str(expires_at)}
    return item


def read_quote(item: Item) -> EnrichedQuote:
    """Return the quote of an item, from the table or its stream.

    Raises:
        UnreadableItem: it is not a quote.
    """
    return _read(EnrichedQuote, item)


def read_prior_quote(item: Item) -> PriorQuote:
    """Return the part of a stored quote that later quotes need.

    Raises:
        UnreadableItem: it is not a quote.
    """
    return _read(PriorQuote, item)


def alert_item(alert: Alert) -> dict[str, Attribute]:
    """Return the item of an alert, with its keys in the index ``by_day``."""
    index_keys = {"created_day": alert.created_at[:10], "created_key": f"{alert.created_at}#{alert.alert_id}"}
    return _item(alert._asdict() | index_keys)


def read_alert(item: Item) -> Alert:
    """Return the alert of an item.

    Raises:
        UnreadableItem: it is not an alert.
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
    return row(**{name: _value(name, item) for name in row._fields})


def _value(name: str, item: Item) -> Value:
    attribute = item.get(name)
    if attribute is None or attribute.get("NULL"):
        return None
    kind = _attribute_type(name)
    if kind not in attribute:
        raise _unreadable(item, f"{name} is of type {', '.join(attribute)}, not {kind}")
    value = attribute[kind]
    if kind != "N":
        return value
    try:
        return int(value) if name == "volume" else Decimal(value)
    except (ValueError, InvalidOperation):
        raise _unreadable(item, f"{name} is {value!r}") from None


def _attribute_type(name: str) -> str:
    if name in _NUMBERS or name == "volume":
        return "N"
    return "BOOL" if name in _BOOLEANS else "S"


def _unreadable(item: Item, reason: str) -> UnreadableItem:
    keys = [
        str(next(iter(item[name].values()), ""))
        for name in ("symbol", "timestamp", "alert_id")
        if name in item
    ]
    return UnreadableItem(
        f"The item {' '.join(keys) or 'without a key'} cannot be read: {reason}.",
        "stockctl did not write it; remove or correct it.",
    )
