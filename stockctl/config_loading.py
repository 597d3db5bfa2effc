"""The one configuration: a TOML file, over it environment variables, over them flags.

Every key is optional and an unknown one is refused by name. ``config_environment`` tells of the
variables.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from stockctl.config import Section, Settings
from stockctl.config_environment import FILE_VARIABLE, from_environment
from stockctl.config_faults import explained
from stockctl.config_keys import EVERY_KEY, is_section
from stockctl.errors import ConfigError

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
            _put(values, origins, key, _anchored(key, value, file.parent), str(file))
    for key, value, variable in from_environment(environment):
        _put(values, origins, key, value, f"${variable}")
    for key, value in (overrides or {}).items():
        _put(values, origins, key, value, "command line")
    try:
        return Configuration(Settings.model_validate(values), file, origins)
    except ValidationError as error:
        raise explained(error, origins) from None


def flat(settings: Settings) -> list[tuple[str, object]]:
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


def _anchored(key: str, value: object, folder: Path) -> object:
    """Return a path in a file as relative to that file, so that a command works from anywhere."""
    if key in _PATHS and isinstance(value, str) and value.strip() and not value.startswith("~"):
        return str(folder / value)
    return value


def _put(values: dict[str, Any], origins: dict[str, str], key: str, value: object, origin: str) -> None:
    section, _, name = key.rpartition(".")
    if section:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{origins[section]}: {section} = {inner!r} is a section, not a value.")
        inner[name] = value
    else:
        values[name] = value
    origins[key] = origin
