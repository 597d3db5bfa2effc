"""Converts stored quotes and alerts to SQLite rows and back, by the names and types of their fields."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from stockctl.market.alert import Alert
from stockctl.market.numbers import format_decimal
from stockctl.market.quote import EnrichedQuote, PriorQuote

Item = TypeVar("Item", EnrichedQuote, PriorQuote, Alert)


class RowFormat(Generic[Item]):
    """The rows of one type. Its ``columns`` and what it reads and writes are in the same order.

    Decimals are text, so that they stay exact; truth values are 0 and 1.

    Args:
        item: the type; each field is a column of the same name.
    """

    def __init__(self, item: type[Item]) -> None:
        types = get_type_hints(item)
        self.columns = ", ".join(item._fields)
        self.placeholders = ", ".join("?" * len(item._fields))
        self._item: type[Item] = item
        self._parsers = [_parser(types[name]) for name in item._fields]

    def read(self, row: Sequence[Any]) -> Item:
        """Return the item in a row of ``columns``."""
        pairs = zip(self._parsers, row, strict=True)
        return self._item(
            *[value if parse is None or value is None else parse(value) for parse, value in pairs]
        )

    def values(self, item: Item) -> list[object]:
        """Return the values of an item for ``columns``."""
        return [format_decimal(value) if type(value) is Decimal else value for value in item]


def _parser(field_type: Any) -> Callable[[Any], Any] | None:  # noqa: ANN401 - a type annotation
    for parser in (Decimal, bool):
        if field_type is parser or parser in get_args(field_type):
            return parser
    return None
