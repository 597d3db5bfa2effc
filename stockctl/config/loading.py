"""Loads the configuration: defaults, then the TOML file, then environment variables, then options."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from stockctl.config.errors import to_config_error
from stockctl.config.schema import EVERY_KEY, Section, Settings, dotted_keys, is_section, nearest
from stockctl.config.types import Text
from stockctl.errors import ConfigError

PREFIX = "STOCKCTL_"
FILE_VARIABLE = f"{PREFIX}CONFIG"
_NO_KEYS = {FILE_VARIABLE, f"{PREFIX}SHARED", f"{PREFIX}EXAMPLES"}
"""What sets no key: the name of the file, and what the tests of this project take."""
_STRUCTURED = ("symbols", "alerts.subscriptions", "aws.tags", "source.options")


def from_environment(environment: Mapping[str, str]) -> list[tuple[str, object, str]]:
    """Return the keys that variables set: each with its value and its variable.

    Raises:
        ConfigError: a variable sets no key, or cannot be read.
    """
    keys = {_variable(key): key for key in dotted_keys()}
    rows: list[tuple[str, object, str]] = []
    for variable in sorted(environment):
        text = environment[variable]
        if not variable.startswith(PREFIX) or variable in _NO_KEYS or not text:
            continue
        if (key := keys.get(variable)) is None:
            raise _unknown(variable, {FILE_VARIABLE, *keys})
        rows.append((key, _structured(text, variable) if key in _STRUCTURED else Text(text), variable))
    return rows


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _unknown(variable: str, known: set[str]) -> ConfigError:
    name = variable.removeprefix(PREFIX)
    # Without what all of them have in common, which would make any two look alike.
    near = nearest(name.upper(), [each.removeprefix(PREFIX) for each in known])
    return ConfigError(
        f"${variable}: unknown key {name.lower().replace('__', '.', 1)!r}.",
        f"Did you mean ${PREFIX}{near}?" if near else EVERY_KEY,
    )


def _structured(text: str, variable: str) -> object:
    if not text.lstrip().startswith(("[", "{")):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"${variable} = {text!r} is not TOML: {error}.") from None


DEFAULT_FILE = "stockctl.toml"
_PATHS = ("local.path", "stream.outbox")


class Configuration(NamedTuple):
    """Settings, and for each key that is not a default where its value comes from."""

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]


def load(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, object] | None = None
) -> Configuration:
    """Return the configuration from a file, the environment and flags, the later ones winning.

    Args:
        path: the file that a flag names; without it ``$STOCKCTL_CONFIG``, else ``./stockctl.toml`` if
            there is one.
        environment: the environment variables.
        overrides: dotted keys and values that flags set.

    Raises:
        ConfigError: a file cannot be read, a key is unknown, a value cannot be used.
    """
    file = _chosen_file(path, environment)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if file is not None:
        for key, value in _flat(_read(file)):
            _set_key(values, origins, key, _resolve_paths(key, value, file.parent), str(file))
    for key, value, variable in from_environment(environment):
        _set_key(values, origins, key, value, f"${variable}")
    for key, value in (overrides or {}).items():
        _set_key(values, origins, key, value, "command line")
    try:
        return Configuration(Settings.model_validate(values), file, origins)
    except ValidationError as error:
        raise to_config_error(error, origins) from None


def flatten(settings: Settings) -> list[tuple[str, object]]:
    """Return every dotted key with its value, in the order of the contract."""
    rows: list[tuple[str, object]] = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, Section):
            rows += [(f"{name}.{key}", getattr(value, key)) for key in type(value).model_fields]
        else:
            rows.append((name, value))
    return rows


def _chosen_file(path: Path | None, environment: Mapping[str, str]) -> Path | None:
    named = path or (Path(value) if (value := environment.get(FILE_VARIABLE)) else None)
    if named is not None:
        return named
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(
            f"The configuration {file} cannot be read: {error.strerror}.",
            "Check the path, or write one with 'stockctl init'.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}.", EVERY_KEY) from None


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    rows = []
    for name, value in values.items():
        if isinstance(value, dict) and is_section(name):
            rows += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            rows.append((name, value))
    return rows


def _resolve_paths(key: str, value: object, folder: Path) -> object:
    """Return a path in a file as relative to that file, so that a command works from anywhere."""
    if key in _PATHS and isinstance(value, str) and value.strip() and not value.startswith("~"):
        return str(folder / value)
    return value


def _set_key(values: dict[str, Any], origins: dict[str, str], key: str, value: object, origin: str) -> None:
    section, _, name = key.rpartition(".")
    if section:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{origins[section]}: {section} = {inner!r} is a section, not a value.")
        inner[name] = value
    else:
        values[name] = value
    origins[key] = origin
