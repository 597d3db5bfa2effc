"""Values for the ``?`` of a statement, as Athena takes them beside it."""

import math
from decimal import Decimal

from stockctl.errors import QueryError

_LONGEST = 1024


def written(value: object) -> str:
    """Return a value as Athena takes it for a parameter: a text in single quotes, all else as in SQL.

    Raises:
        QueryError: it is of no type that a parameter can have, no finite number, or too long.
    """
    text = _of(value)
    if len(text) > _LONGEST:
        raise QueryError(
            f"A parameter has {len(text)} characters as Athena takes it, more than {_LONGEST}.",
            "Make it shorter.",
        )
    return text


def _of(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, float) and math.isfinite(value):
        # Without an exponent Athena takes it for a decimal, whose arithmetic is another one.
        return repr(value) if "e" in repr(value) else f"{value!r}e0"
    raise QueryError(f"{value!r} cannot be a parameter.", "A text or a finite number can.")
