"""What a value of the configuration may be, beyond what its type says."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin


class Text(str):
    """A value from where there is nothing but text: it may stand for a number, too."""

    __slots__ = ()


WHOLE_NUMBER, NUMBER, TRUTH, TEXT = "a whole number", "a number", "true or false", "text, in quotes"
_STRICT: dict[object, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), TRUTH),
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


def matching(pattern: str, words: str) -> Callable[[str], str]:
    """Return a validator of texts that match ``pattern`` as a whole; ``words`` tell what those are.

    It raises a ``ValueError`` for others.
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {words}")
        return text

    return check


def read_path(value: object) -> object:
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
