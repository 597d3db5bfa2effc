"""The names of the keys of the configuration."""

from collections.abc import Collection
from difflib import get_close_matches

from stockctl.config import Section, Settings

EVERY_KEY = "'stockctl -c example.toml init' writes a file with every key."
"""A hint that helps whatever is wrong with the configuration."""


def is_section(name: str) -> bool:
    """Tell whether a key of the first level is a table of keys."""
    field = Settings.model_fields.get(name)
    return field is not None and _section(field.annotation) is not None


def dotted_keys() -> list[str]:
    """Return every key, dotted, in the order of the contract."""
    keys: list[str] = []
    for name, field in Settings.model_fields.items():
        section = _section(field.annotation)
        keys += [name] if section is None else [f"{name}.{key}" for key in section.model_fields]
    return keys


def nearest(name: str, names: Collection[str]) -> str | None:
    """Return the one of ``names`` that was probably meant; None when none is near."""
    return next(iter(get_close_matches(name, sorted(names), 1)), None)


def _section(annotation: object) -> type[Section] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None
