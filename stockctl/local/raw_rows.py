"""The raw archive of the embedded home as rows of the SQL table, read without any help of the database.

One read and one parse a file, here, is far faster than a database that opens each file by itself, and the
database then needs no access to files at all.
"""

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from stockctl.errors import HomeError
from stockctl.local.home import Home
from stockctl.market.quote import MAX_RECORD_BYTES
from stockctl.queries import COLUMNS

Row = tuple[object, ...]

_LOG = logging.getLogger(__name__)
_NAMED_IN_LOG = 5
_USUAL_BYTES = 1 << 12  # a buffer for the largest object would cost more than the read
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def read_rows(home: Home) -> Iterator[Row]:
    """Yield the fields of each raw object, in the order of ``COLUMNS``; unknown fields are left out.

    An object that is damaged is left out too, with a warning in the log that names it and the reason: one
    bad file must not cost the answer that all the others give.

    Raises:
        HomeError: the archive cannot be listed.
    """
    damaged = 0
    for path in _objects(home):
        try:
            yield _row(_read(path))
        except (OSError, ValueError, OverflowError, RecursionError) as error:
            damaged += 1
            if damaged <= _NAMED_IN_LOG:
                _LOG.warning("Left out of the answer: %s (%s).", path, _reason(error))
    if damaged > _NAMED_IN_LOG:
        _LOG.warning("Left out of the answer: %d more damaged raw objects.", damaged - _NAMED_IN_LOG)


def to_columns(rows: Sequence[Row]) -> list[list[object]]:
    """Return rows, of which there is at least one, as one list a column."""
    return [list(values) for values in zip(*rows, strict=True)]


def _objects(home: Home) -> Iterator[Path]:
    try:
        yield from home.archive_files()
    except OSError as error:
        raise HomeError(
            f"The raw archive of {home.root} cannot be read: {error.strerror or error} ({error.filename}).",
            "Check the permissions, and that nobody is tearing the home down.",
        ) from error


def _read(path: Path) -> bytes:
    handle = os.open(path, _FLAGS)
    try:
        body = os.read(handle, _USUAL_BYTES)
        if len(body) == _USUAL_BYTES:
            body += os.read(handle, MAX_RECORD_BYTES + 1 - _USUAL_BYTES)
        return body
    finally:
        os.close(handle)


def _row(body: bytes) -> Row:
    if not body:
        raise ValueError("it is empty: being written just now, or left so by a dead process or a power cut")
    if len(body) > MAX_RECORD_BYTES:
        raise ValueError(f"it is larger than {MAX_RECORD_BYTES} bytes")
    fields = _DECODER.decode(body.decode("utf-8"))
    if type(fields) is not dict:
        raise ValueError("it is not a JSON object")
    take = fields.get
    return tuple([read(name, take(name)) for name, read in _READERS])


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands in it twice")
    return fields


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        raise ValueError(f"its {name} is not text")
    if not value.isascii():
        value.encode("utf-8")  # half a surrogate pair is no text that a database can hold
    return value


def _double(name: str, value: object) -> float | None:
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        raise ValueError(f"its {name} is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"its {name} is not a finite number")
    return number


def _bigint(name: str, value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"its {name} is not a whole number of 64 bits")
    return value


def _required(read: Callable[[str, object], object]) -> Callable[[str, object], object]:
    def read_required(name: str, value: object) -> object:
        if value is None:
            raise ValueError(f"its {name} is missing")
        return read(name, value)

    return read_required


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error.msg} at character {error.pos}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, OverflowError):
        return "a number in it is beyond all bounds"
    return str(error)


_READER = {"string": _text, "double": _double, "bigint": _bigint}
_REQUIRED = ("symbol", "timestamp", "price", "source")
_READERS = [
    (name, _required(_READER[kind]) if name in _REQUIRED else _READER[kind]) for name, kind in COLUMNS
]
_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
