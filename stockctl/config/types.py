"""Types of configuration values: strict numbers and strings, paths, SQL identifiers."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema
from pydantic_core.core_schema import any_schema


class EnvironmentValue(str):
    """The value of an environment variable: always a string, even if it is meant as a number."""

    __slots__ = ()


WHOLE_NUMBER, NUMBER, BOOLEAN, TEXT = "a whole number", "a number", "true or false", "text, in quotes"
_ACCEPTED_TYPES: dict[object, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), BOOLEAN),
    int: ((int,), WHOLE_NUMBER),
    float: ((int, float, Decimal), NUMBER),
    Decimal: ((int, float, Decimal), NUMBER),
}
"""The value types that each field type accepts. Pydantic alone would convert nearly anything."""


def check_type(annotation: object, value: object) -> None:
    """Check that a value from the file already has the type that its key needs.

    Raises:
        ValueError: it has another type.
    """
    expected, name = _ACCEPTED_TYPES.get(_without_none(annotation), ((), ""))
    if not expected or value is None or isinstance(value, EnvironmentValue):
        return
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        raise ValueError(f"it must be {name}")


def _without_none(annotation: object) -> object:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(part for part in get_args(annotation) if part is not type(None))


class _NoValidator:
    """Marks a field whose value the model builds itself: pydantic builds no validator for its type."""

    def __get_pydantic_core_schema__(
        self,
        source: object,
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        """Return a schema that accepts any value."""
        return any_schema()


NO_VALIDATOR = _NoValidator()


def pattern_validator(pattern: str, description: str) -> Callable[[str], str]:
    """Return a validator for strings that match ``pattern`` completely.

    For any other string the validator raises a ``ValueError`` with ``description``.
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {description}")
        return text

    return check


def parse_path(value: object) -> object:
    """Return a path with ``~`` and ``~user`` expanded; return other types unchanged.

    Raises:
        ValueError: it is empty, names an unknown user, or contains a null character.
    """
    if not isinstance(value, str | Path):
        return value
    if not str(value).strip():
        raise ValueError("it must not be empty")
    if "\0" in str(value):
        raise ValueError("a path cannot contain a null character")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("the home folder of that user is not known; write the full path") from None


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
"""Words that Athena reserves in a SELECT, and others that cannot follow FROM in Athena or DuckDB."""


def check_sql_name(name: str) -> str:
    """Return ``name`` if a query can use it without quotes.

    Raises:
        ValueError: it needs quotes.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "it must be 1 to 63 lowercase letters, digits and underscores, not starting with a digit"
        )
    if name in _RESERVED.split():
        raise ValueError("it is a reserved word of SQL; use another name")
    return name
