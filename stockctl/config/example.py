"""The annotated example file of the configuration."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from stockctl.config.schema import Section, Settings

_HEADER = """\
# Every key of stockctl with its default, or with an example if it has no default. All keys are
# optional. To set a key, remove the # before it.
# STOCKCTL_<SECTION>__<KEY> in the environment overrides a key: STOCKCTL_LOCAL__PATH=/data/stocks
"""


def example_file(chosen: Mapping[str, object] | None = None) -> str:
    """Return a configuration file with every key: those of ``chosen`` set, the others as comments."""
    chosen = chosen or {}
    settings = Settings()
    plain_keys = [name for name in Settings.model_fields if not isinstance(getattr(settings, name), Section)]
    parts = [_HEADER, *(_key(Settings, name, name, chosen) for name in plain_keys)]
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, Section):
            keys = [_key(type(section), key, f"{name}.{key}", chosen) for key in type(section).model_fields]
            parts.append(f"\n[{name}]\n" + "".join(keys))
    return "".join(parts)


def _key(model: type[Section], name: str, dotted: str, chosen: Mapping[str, object]) -> str:
    field = model.model_fields[name]
    sample = field.examples[0] if field.examples else field.default
    line = f"{name} = {to_toml(chosen.get(dotted, sample))}"
    return f"# {field.description}\n{'' if dotted in chosen else '#'}{line}\n"


def to_toml(value: object) -> str:
    """Return ``value`` as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(int(value)) if value == int(value) else str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {to_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(to_toml(inner) for inner in value) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
