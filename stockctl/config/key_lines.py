"""The line of each key in a TOML file, which ``tomllib`` does not tell."""

import re
import tomllib
from collections.abc import Mapping, Sequence

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"({_PART}(?:\s*\.\s*{_PART})*)"
_TABLE = re.compile(rf"\s*\[\s*{_NAME}\s*\]")
_ARRAY = re.compile(rf"\s*\[\[\s*{_NAME}\s*\]\]")
_KEY = re.compile(rf"\s*{_NAME}\s*=")

_Path = tuple[str, ...]


def key_lines(text: str) -> dict[str, int]:
    """Return the line, from 1, of each table and key; an element of an array of tables is ``name.0``.

    Args:
        text: a file that ``tomllib`` can read.
    """
    lines = text.splitlines()
    found: dict[_Path, int] = {}
    lengths: dict[_Path, int] = {}
    table: _Path = ()
    number = 0
    while number < len(lines):
        line, size = lines[number], 1
        if header := _ARRAY.match(line):
            array = _resolve(_parts(header[1]), lengths)
            lengths[array] = lengths.get(array, 0) + 1
            table = (*array, str(lengths[array] - 1))
            found.setdefault(array, number + 1)
            found.setdefault(table, number + 1)
        elif header := _TABLE.match(line):
            table = _resolve(_parts(header[1]), lengths)
            found.setdefault(table, number + 1)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), number + 1)
            size = _size_of_value([line[key.end() :], *lines[number + 1 :]])
        number += size
    return {".".join(path): line_number for path, line_number in found.items()}


def line_of(name: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of a dotted key: its own, that of what it is in, or the first of what is in it."""
    known = name
    while known:
        if known in lines:
            return lines[known]
        known = known.rpartition(".")[0]
    return min((line for key, line in lines.items() if key.startswith(f"{name}.")), default=None)


def _parts(name: str) -> _Path:
    """Return the parts of a dotted name, without quotes."""
    parts: list[str] = []
    node: object = tomllib.loads(f"{name} = 0")
    while isinstance(node, dict):
        ((part, node),) = node.items()
        parts.append(part)
    return tuple(parts)


def _resolve(path: _Path, lengths: Mapping[_Path, int]) -> _Path:
    """Return a path whose arrays of tables, but for the last part, are followed by their last index."""
    resolved: _Path = ()
    for part in path[:-1]:
        resolved = (*resolved, part)
        if resolved in lengths:
            resolved = (*resolved, str(lengths[resolved] - 1))
    return (*resolved, path[-1])


def _size_of_value(rest: Sequence[str]) -> int:
    """Return how many lines a value has that begins with the first of ``rest``."""
    for size in range(1, len(rest)):
        try:
            tomllib.loads("value =" + "\n".join(rest[:size]))
        except tomllib.TOMLDecodeError:
            continue
        return size
    return len(rest)
