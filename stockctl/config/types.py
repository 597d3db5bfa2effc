"""Types of configuration values: strict numbers and texts, paths, SQL identifiers."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin


class Text(str):
    """A value from where there is nothing but text: it may stand for a number, too."""

    __slots__ = ()


WHOLE_NUMBER, NUMBER, BOOLEAN, TEXT = "a whole number", "a number", "true or false", "text, in quotes"
_STRICT: dict[object, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), BOOLEAN),
    int: ((int,), WHOLE_NUMBER),
    float: ((int, float, Decimal), NUMBER),
    Decimal: ((int, float, Decimal), NUMBER),
}
"""What is taken for each type that pydantic would make of nearly anything."""


def check_type(annotation: object, value: object) -> None:
    """Make sure that a value which is no ``Text`` is what its key wants, not just what may become that.

    Raises:
        ValueError: it is something else.
    """
    wanted, words = _STRICT.get(_without_none(annotation), ((), ""))
    if not wanted or value is None or isinstance(value, Text):
        return
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise ValueError(f"it must be {words}")


def _without_none(annotation: object) -> object:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(part for part in get_args(annotation) if part is not type(None))


def match_pattern(pattern: str, words: str) -> Callable[[str], str]:
    """Return a validator of texts that match ``pattern`` as a whole; ``words`` tell what those are.

    It raises a ``ValueError`` for others.
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {words}")
        return text

    return check


def parse_path(value: object) -> object:
    """Return a path with ``~`` and ``~user`` filled in; leave anything but paths and text as it is.

    Raises:
        ValueError: it is empty, names an unknown user, or holds what no path can.
    """
    if not isinstance(value, str | Path):
        return value
    if not str(value).strip():
        raise ValueError("it must not be empty")
    if "\0" in str(value):
        raise ValueError("no path holds a null character")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("the home of that user is not known; write the path out") from None


_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_RESERVED = """
    alter and as between by case cast constraint create cross cube current_catalog current_date
    current_path current_role current_schema current_time current_timestamp current_user deallocate
    delete describe distinct drop else end escape except execute exists extract false fetch first for
    from full glob grant group grouping having if ilike in inner insert intersect into is join
    json_array json_exists json_object json_query json_table json_value last lateral left like listagg
    localtime localtimestamp natural normalize not notnull null nulls on or order outer prepare
    recursive returning revoke right rollback rollup rows select skip table tablesample then trim true
    uescape union unnest using values when where with
"""
"""What Athena reserves in a SELECT, and what else cannot follow FROM in its dialect or DuckDB's."""


def check_sql_name(name: str) -> str:
    """Return ``name`` if a query can name it without quotes.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("it must be 1 to 63 small letters, digits and underscores, no digit first")
    if name in _RESERVED.split():
        raise ValueError("it is a word of SQL itself, so no query could name it; take another")
    return name
