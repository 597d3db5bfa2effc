"""Loads the configuration: defaults, then the TOML file, then environment variables, then options."""

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stockctl.config.errors import EVERY_KEY, Places, combine, explain, nearest
from stockctl.config.schema import SECTIONS, Section, Settings, dotted_keys
from stockctl.config.types import EnvironmentValue
from stockctl.errors import ConfigError

PREFIX = "STOCKCTL_"
FILE_VARIABLE = f"{PREFIX}CONFIG"
_NOT_KEYS = {FILE_VARIABLE, f"{PREFIX}SHARED", f"{PREFIX}EXAMPLES"}
"""Variables that set no key: the path of the file, and variables of this project's tests."""
_STRUCTURED = ("symbols", "alerts.subscriptions", "aws.tags", "source.options")


class _EnvironmentKey(NamedTuple):
    key: str
    value: object
    variable: str


def _read_environment(environment: Mapping[str, str]) -> tuple[list[_EnvironmentKey], list[ConfigError]]:
    """Return the keys that variables set, and the errors of variables that are unknown or cannot be read."""
    keys = {_variable(key): key for key in dotted_keys()}
    rows: list[_EnvironmentKey] = []
    faults: list[ConfigError] = []
    for variable in sorted(environment):
        text = environment[variable]
        if not variable.startswith(PREFIX) or variable in _NOT_KEYS or not text:
            continue
        try:
            key = _key_of(variable, keys)
            value = _structured(text, variable) if key in _STRUCTURED else EnvironmentValue(text)
            rows.append(_EnvironmentKey(key, value, variable))
        except ConfigError as fault:
            faults.append(fault)
    return rows, faults


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _key_of(variable: str, keys: Mapping[str, str]) -> str:
    if variable in keys:
        return keys[variable]
    name = variable.removeprefix(PREFIX)
    # Compare without the prefix: with it, any two names would be similar.
    near = nearest(name.upper(), [known.removeprefix(PREFIX) for known in (FILE_VARIABLE, *keys)])
    raise ConfigError(
        f"${variable}: unknown key {name.lower().replace('__', '.', 1)!r}.",
        f"Did you mean ${PREFIX}{near}?" if near else EVERY_KEY,
    )


def _structured(text: str, variable: str) -> object:
    if not text.lstrip().startswith(("[", "{")):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"${variable} = {text!r} is not TOML: {error}.",
            "Write it as in the file, or as values separated by commas.",
        ) from None


DEFAULT_FILE = "stockctl.toml"
_PATHS = ("local.path", "stream.outbox")


class Configuration(NamedTuple):
    """Settings, and where the value of each key comes from that is not a default."""

    settings: Settings
    file: Path | None
    origins: Mapping[str, str]


def load(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, object] | None = None
) -> Configuration:
    """Return the configuration from a file, the environment and options; later ones override earlier ones.

    Args:
        path: the file that an option names; without it ``$STOCKCTL_CONFIG``, else ``./stockctl.toml`` if
            there is one.
        environment: the environment variables.
        overrides: dotted keys and values that options set.

    Raises:
        ConfigError: the file cannot be read, or keys are unknown or have values that cannot be used. The
            error reports all of them.
    """
    file = _chosen_file(path, environment)
    text = "" if file is None else _read(file)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if file is not None:
        for key, value in _flat(_parse(text, file)):
            _set_key(values, origins, key, _resolve_paths(key, value, file.parent), str(file))
    rows, faults = _read_environment(environment)
    for key, value, variable in rows:
        _set_key(values, origins, key, value, f"${variable}")
    for key, value in (overrides or {}).items():
        _set_key(values, origins, key, value, "command line")
    settings, errors = _validate(values)
    if errors:
        faults = [*explain(errors, Places(origins, file, text), dotted_keys()), *faults]
    if faults:
        raise combine(faults)
    return Configuration(settings, file, origins)


def _validate(values: Mapping[str, Any]) -> tuple[Settings, list[ErrorDetails]]:
    """Return the settings, with defaults for sections that have errors, and all errors."""
    errors: list[ErrorDetails] = []
    sections: dict[str, Section] = {}
    for name in values.keys() & SECTIONS.keys():
        try:
            sections[name] = SECTIONS[name].model_validate(values[name])
        except ValidationError as error:
            errors += _with_location(error, (name,))
    top_level = {name: value for name, value in values.items() if name not in SECTIONS}
    try:
        return Settings.model_validate({**top_level, **sections}), errors
    except ValidationError as error:
        return Settings(), [*errors, *_with_location(error, ())]


def _with_location(error: ValidationError, prefix: tuple[str, ...]) -> Iterator[ErrorDetails]:
    for details in error.errors():
        yield {**details, "loc": (*prefix, *details["loc"])}


def flatten(settings: Settings) -> list[tuple[str, object]]:
    """Return every dotted key with its value, in the order of the fields."""
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


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            f"The configuration {file} cannot be read: {error.strerror}.",
            "Check the path, or write one with 'stockctl init'.",
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}.", EVERY_KEY) from None


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}.", EVERY_KEY) from None


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    rows = []
    for name, value in values.items():
        if isinstance(value, dict) and name in SECTIONS:
            rows += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            rows.append((name, value))
    return rows


def _resolve_paths(key: str, value: object, folder: Path) -> object:
    """Make a path in the file relative to the file's folder, so that a command works from any folder."""
    if key in _PATHS and isinstance(value, str) and value.strip() and not value.startswith("~"):
        return str(folder / value)
    return value


def _set_key(values: dict[str, Any], origins: dict[str, str], key: str, value: object, origin: str) -> None:
    section, _, name = key.rpartition(".")
    inner = values.setdefault(section, {}) if section else values
    if isinstance(inner, dict):  # otherwise another error reports it
        inner[name] = value
        origins[key] = origin
