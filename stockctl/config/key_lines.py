"""Finds the line number of each key in a TOML file; ``tomllib`` does not report it."""

import re
import tomllib
from collections.abc import Mapping, Sequence

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"({_PART}(?:\s*\.\s*{_PART})*)"
_TABLE = re.compile(rf"\s*\[\s*{_NAME}\s*\]")
_ARRAY = re.compile(rf"\s*\[\[\s*{_NAME}\s*\]\]")
_KEY = re.compile(rf"\s*{_NAME}\s*=")

_KeyPath = tuple[str, ...]


def key_lines(text: str) -> dict[str, int]:
    """Return the line number, from 1, of each table and key; an element of an array of tables is ``name.0``.

    Args:
        text: a file that ``tomllib`` can read.
    """
    lines = text.splitlines()
    found: dict[_KeyPath, int] = {}
    lengths: dict[_KeyPath, int] = {}
    table: _KeyPath = ()
    number = 0
    while number < len(lines):
        line, size = lines[number], 1
        if header := _ARRAY.match(line):
            array = _insert_indexes(_parts(header[1]), lengths)
            lengths[array] = lengths.get(array, 0) + 1
            table = (*array, str(lengths[array] - 1))
            found.setdefault(array, number + 1)
            found.setdefault(table, number + 1)
        elif header := _TABLE.match(line):
            table = _insert_indexes(_parts(header[1]), lengths)
            found.setdefault(table, number + 1)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), number + 1)
            size = _count_value_lines([line[key.end() :], *lines[number + 1 :]])
        number += size
    return {".".join(path): line_number for path, line_number in found.items()}


def line_of(name: str, lines: Mapping[str, int]) -> int | None:
    """Return the line number of a dotted key.

    If the key itself has no line, return that of the nearest table that contains it, or else the first line
    of a key inside it.
    """
    known = name
    while known:
        if known in lines:
            return lines[known]
        known = known.rpartition(".")[0]
    return min((line for key, line in lines.items() if key.startswith(f"{name}.")), default=None)


def _parts(name: str) -> _KeyPath:
    """Return the parts of a dotted name, without quotes."""
    parts: list[str] = []
    node: object = tomllib.loads(f"{name} = 0")
    while isinstance(node, dict):
        ((part, node),) = node.items()
        parts.append(part)
    return tuple(parts)


def _insert_indexes(path: _KeyPath, lengths: Mapping[_KeyPath, int]) -> _KeyPath:
    """Return ``path`` with the index of the latest element inserted after each array of tables.

    The last part gets no index.
    """
    resolved: _KeyPath = ()
    for part in path[:-1]:
        resolved = (*resolved, part)
        if resolved in lengths:
            resolved = (*resolved, str(lengths[resolved] - 1))
    return (*resolved, path[-1])


def _count_value_lines(rest: Sequence[str]) -> int:
    """Return the number of lines of the value that starts in the first line of ``rest``."""
    for size in range(1, len(rest)):
        try:
            tomllib.loads("value =" + "\n".join(rest[:size]))
        except tomllib.TOMLDecodeError:
            continue
        return size
    return len(rest)
