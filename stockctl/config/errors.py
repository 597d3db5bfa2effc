"""Describes errors in the configuration: the place, the key and the value."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path

from pydantic_core import ErrorDetails

from stockctl.config.key_lines import key_lines, line_of
from stockctl.config.types import BOOLEAN, NUMBER, TEXT, WHOLE_NUMBER
from stockctl.errors import ConfigError

EVERY_KEY = "'stockctl -c example.toml init' writes a file with every key."
"""A hint that fits any error in the configuration."""
_VALUES = "'stockctl -c example.toml init' writes a file that explains the values of each key."
_LIST = "a list, in brackets"
_TABLE = "a table: name = value, in braces or below its own [heading]"
_WANTED = {
    "bool_parsing": BOOLEAN,
    "bool_type": BOOLEAN,
    "int_from_float": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": WHOLE_NUMBER,
    "int_type": WHOLE_NUMBER,
    "decimal_parsing": NUMBER,
    "decimal_type": NUMBER,
    "float_parsing": NUMBER,
    "float_type": NUMBER,
    "finite_number": NUMBER,
    "decimal_max_places": "a number with at most {decimal_places} digits after the point",
    "string_type": TEXT,
    "path_type": TEXT,
    "list_type": _LIST,
    "too_short": "a list that is not empty",
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "greater_than": "greater than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "enum": "{expected}",
}
"""What a value must be, by the type of pydantic's error."""


class Places:
    """Finds where the value of a key comes from.

    Args:
        origins: the file, variable or option that sets each key.
        file: the configuration file.
        text: the content of that file.
    """

    def __init__(self, origins: Mapping[str, str], file: Path | None, text: str) -> None:
        self._origins = origins
        self._file = str(file)
        self._lines = key_lines(text)

    def find(self, name: str) -> tuple[int, str]:
        """Return the line number of a key, for sorting, and its place as text."""
        origin = self._origin(name)
        line = line_of(name, self._lines) if origin == self._file else None
        return (0, origin) if line is None else (line, f"{origin}, line {line}")

    def _origin(self, name: str) -> str:
        outer = name
        while outer:
            if outer in self._origins:
                return self._origins[outer]
            outer = outer.rpartition(".")[0]
        inner = (origin for key, origin in self._origins.items() if key.startswith(f"{name}."))
        return next(inner, "configuration")


def explain(errors: Sequence[ErrorDetails], places: Places, keys: Collection[str]) -> list[ConfigError]:
    """Return the errors that pydantic found as errors for the user, sorted by line."""
    named = [(".".join(map(str, error["loc"])), error) for error in errors]
    found = [(*places.find(name), name, error) for name, error in named]
    return [
        _explain(name, error, place, keys) for _, place, name, error in sorted(found, key=lambda row: row[0])
    ]


def _explain(name: str, error: ErrorDetails, place: str, keys: Collection[str]) -> ConfigError:
    if error["type"] == "extra_forbidden":
        near = nearest(name, keys)
        return ConfigError(f"{place}: unknown key {name!r}.", f"Did you mean {near}?" if near else EVERY_KEY)
    if error["type"] == "missing":
        return ConfigError(f"{place}: {name} is missing.", _VALUES)
    value = "" if isinstance(error["input"], dict) else f" = {_format(error['input'])}"
    return ConfigError(f"{place}: {name}{value} cannot be used: {_reason(error)}.", _VALUES)


def combine(faults: Sequence[ConfigError]) -> ConfigError:
    """Return one error that reports all ``faults``; there must be at least one."""
    first, *others = faults
    return ConfigError(first.message, first.hint, others)


def nearest(name: str, names: Collection[str]) -> str | None:
    """Return the one of ``names`` that is most similar to ``name``; None if none is similar."""
    return next(iter(get_close_matches(name, sorted(names), 1)), None)


def _reason(error: ErrorDetails) -> str:
    if wanted := _WANTED.get(error["type"]):
        return "it must be " + wanted.format_map(
            {
                name: f"{value:g}" if isinstance(value, float) else value
                for name, value in error.get("ctx", {}).items()
            }
        )
    return error["msg"].removeprefix("Value error, ")


def _format(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal | Path):
        return str(value)
    return repr(str(value) if isinstance(value, str) else value)
