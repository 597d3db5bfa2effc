"""Validation errors as sentences that name file, key and value."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stockctl.config.schema import EVERY_KEY, dotted_keys, nearest
from stockctl.config.types import BOOLEAN, NUMBER, TEXT, WHOLE_NUMBER
from stockctl.errors import ConfigError

_LIST_ITEM = "a list, in brackets"
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
    "list_type": _LIST_ITEM,
    "too_short": "a list that is not empty",
    "dict_type": "a table: name = value, in braces or below its own [heading]",
    "model_type": "a table: name = value, in braces or below its own [heading]",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "enum": "{expected}",
}
"""What the key wants, by the type of pydantic's error."""


def to_config_error(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    """Return the first of the faults, with where it stands; ``origins`` tells that for each key."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    name = ".".join(location)
    origin = _origin(location, origins)
    if first["type"] == "extra_forbidden":
        near = nearest(name, dotted_keys())
        return ConfigError(f"{origin}: unknown key {name!r}.", f"Did you mean {near}?" if near else EVERY_KEY)
    if first["type"] == "missing":
        return ConfigError(f"{origin}: {name} is missing.", _WHAT_KEYS_TAKE)
    shown = "" if isinstance(first["input"], dict) else f" = {_written(first['input'])}"
    return ConfigError(f"{origin}: {name}{shown} cannot be used: {_reason(first)}.", _WHAT_KEYS_TAKE)


_WHAT_KEYS_TAKE = "'stockctl -c example.toml init' writes a file that tells what each key takes."


def _origin(location: list[str], origins: Mapping[str, str]) -> str:
    key = next(
        (known for size in (2, 1) if (known := ".".join(location[:size])) in origins), ".".join(location)
    )
    return origins.get(key) or next(
        (where for known, where in origins.items() if known.startswith(f"{key}.")), "configuration"
    )


def _reason(error: ErrorDetails) -> str:
    if wanted := _WANTED.get(error["type"]):
        return "it must be " + wanted.format_map(
            {
                name: f"{value:g}" if isinstance(value, float) else value
                for name, value in error.get("ctx", {}).items()
            }
        )
    return error["msg"].removeprefix("Value error, ")


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal | Path):
        return str(value)
    return repr(str(value) if isinstance(value, str) else value)
