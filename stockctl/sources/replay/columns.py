"""Which column of a file holds which field of a quote."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

from stockctl.market.refusal import Refusal, shown

Values = Sequence[str]
"""The texts of one row in the order of ``FIELDS``; empty where the row says nothing."""

Picker = Callable[[Sequence[str]], Values]
"""A function from a row's cells, with an empty one put behind them, to its values."""

FIELDS = ("symbol", "timestamp", "price", "previous_close", "open", "high", "low", "volume")
_REQUIRED = ("timestamp", "symbol", "price")
_NAMES = {field: (field,) for field in FIELDS} | {
    "timestamp": ("timestamp", "date", "datetime"),
    "symbol": ("symbol", "ticker"),
    "price": ("price", "close"),
}
_KNOWN = frozenset(name for names in _NAMES.values() for name in names)
_SHOWN_NAMES = 12


class Columns(NamedTuple):
    """Where the fields stand in a row of ``width`` cells; an absent field stands at ``width``."""

    positions: tuple[int, ...]
    """In the order of ``FIELDS``."""
    width: int

    def has(self, field: str) -> bool:
        """Tell whether the file has a column for ``field``."""
        return self.positions[FIELDS.index(field)] < self.width

    @property
    def pick(self) -> Picker:
        """What finds the fields in a row."""
        return itemgetter(*self.positions)


def find_columns(names: Sequence[str]) -> Columns:
    """Return where the fields stand among the columns called ``names``, whatever their case.

    Of several names for one field the first counts in the order timestamp, date, datetime; symbol,
    ticker; price, close. Other columns are ignored.

    Raises:
        Refusal: a name that means something here stands there twice.
    """
    known: dict[str, int] = {}
    for position, name in enumerate(names):
        plain_name = name.strip().lower()
        if plain_name in known:
            raise Refusal(f"column {shown(plain_name)} stands there twice")
        if plain_name in _KNOWN:
            known[plain_name] = position
    width = len(names)
    found = (next((known[name] for name in _NAMES[field] if name in known), width) for field in FIELDS)
    return Columns(tuple(found), width)


def require_columns(columns: Columns, names: Sequence[str]) -> None:
    """Make sure that ``columns``, found among ``names``, have what every quote has.

    Raises:
        Refusal: time, symbol or price has no column.
    """
    for field in _REQUIRED:
        if not columns.has(field):
            raise Refusal(f"no {_choice(_NAMES[field])} among the columns {_listed(names)}")


def _choice(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _SHOWN_NAMES else ""
    return (", ".join(shown(name) for name in names[:_SHOWN_NAMES]) or "(there are none)") + more
