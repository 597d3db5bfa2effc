"""The one configuration: a TOML file, over it environment variables, over them flags.

Every key is optional and an unknown one is refused by name. ``STOCKCTL_<SECTION>__<KEY>`` sets
``section.key``; ``STOCKCTL_TARGET`` and ``STOCKCTL_SYMBOLS`` set the two keys without a section. An
empty variable counts as absent.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from stockctl.config import Section, Settings
from stockctl.errors import ConfigError

ENVIRONMENT_PREFIX = "STOCKCTL_"
DEFAULT_FILE = "stockctl.toml"


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
    for key, value, variable in _from_environment(environment):
        _put(values, origins, key, value, f"${variable}")
    for key, value in (overrides or {}).items():
        _put(values, origins, key, value, "command line")
    try:
        return Configuration(Settings.model_validate(values), file, origins)
    except ValidationError as error:
        raise _explained(error, origins) from None


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
    named = path or (Path(value) if (value := environment.get(f"{ENVIRONMENT_PREFIX}CONFIG")) else None)
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
        raise ConfigError(f"{file} is not TOML: {error}.", "config.example.toml shows every key.") from None


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    rows = []
    for name, value in values.items():
        if isinstance(value, dict) and _is_section(name):
            rows += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            rows.append((name, value))
    return rows


def _is_section(name: str) -> bool:
    field = Settings.model_fields.get(name)
    return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, Section)


def _anchored(key: str, value: object, folder: Path) -> object:
    """Return a path in a file as relative to that file, so that a command works from anywhere."""
    if key == "local.path" and isinstance(value, str):
        return folder / Path(value).expanduser()
    return value


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, object, str]]:
    rows: list[tuple[str, object, str]] = []
    for variable in sorted(environment):
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        known = "__" in name or name in ("TARGET", "SYMBOLS")
        if name == variable or not known or not environment[variable]:
            continue
        key = name.lower().replace("__", ".", 1)
        value: object = environment[variable]
        if key == "local.path":
            value = Path(environment[variable]).expanduser()
        elif key in ("symbols", "alerts.subscriptions", "aws.tags", "source.options"):
            value = _structured(environment[variable], variable)
        rows.append((key, value, variable))
    return rows


def _structured(text: str, variable: str) -> object:
    if not text.lstrip().startswith(("[", "{")):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"${variable} = {text!r} is not TOML: {error}.") from None


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


def _explained(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = next(
        (known for size in (2, 1) if (known := ".".join(location[:size])) in origins), ".".join(location)
    )
    origin = origins.get(key) or next(
        (where for known, where in origins.items() if known.startswith(f"{key}.")), "configuration"
    )
    if first["type"] == "extra_forbidden":
        return ConfigError(
            f"{origin}: unknown key {'.'.join(location)!r}.",
            "config.example.toml and 'stockctl config show' list every key.",
        )
    reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
    shown = "" if isinstance(first["input"], dict) else f" = {_written(first['input'])}"
    return ConfigError(
        f"{origin}: {'.'.join(location)}{shown} cannot be used: {reason}.",
        "config.example.toml shows what each key takes.",
    )


def _written(value: object) -> str:
    return str(value) if isinstance(value, Decimal | Path) else repr(value)
