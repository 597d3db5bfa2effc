"""Creates and opens SQLite files, and translates SQLite's errors."""

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any

from stockctl.errors import StockctlError

_log = logging.getLogger(__name__)


class Problem(Enum):
    """What is wrong with a SQLite file."""

    DAMAGED = auto()
    BUSY = auto()
    FULL = auto()
    NOT_WRITABLE = auto()
    OTHER = auto()


_PROBLEMS = {
    sqlite3.SQLITE_NOTADB: Problem.DAMAGED,
    sqlite3.SQLITE_CORRUPT: Problem.DAMAGED,
    sqlite3.SQLITE_BUSY: Problem.BUSY,
    sqlite3.SQLITE_LOCKED: Problem.BUSY,
    sqlite3.SQLITE_FULL: Problem.FULL,
    sqlite3.SQLITE_READONLY: Problem.NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: Problem.NOT_WRITABLE,
    sqlite3.SQLITE_PERM: Problem.NOT_WRITABLE,
    sqlite3.SQLITE_AUTH: Problem.NOT_WRITABLE,
}

Explanation = tuple[type[StockctlError], str, str]
"""The error to raise, its message with ``{path}`` and ``{error}``, and its hint."""


@contextmanager
def sqlite_errors(
    path: Path, explanations: Mapping[Problem, Explanation], **values: object
) -> Iterator[None]:
    """Raise errors of SQLite in the block as the one that ``explanations`` has for the problem.

    ``values`` are for further fields in a message.
    """
    try:
        yield
    except sqlite3.Error as error:
        _log.debug("SQLite on %s: %s: %s", path, getattr(error, "sqlite_errorname", "no code"), error)
        error_type, message, hint = explanations[_PROBLEMS.get(primary_code(error), Problem.OTHER)]
        raise error_type(message.format(path=path, error=error, **values), hint) from error


def primary_code(error: sqlite3.Error) -> int:
    """Return the result code of an error without its extension; 0 if it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def open_database(path: Path, mode: str = "rw", **options: Any) -> sqlite3.Connection:  # noqa: ANN401 - of sqlite3
    """Open a file; ``mode`` is ``ro``, ``rw``, or ``rwc`` to create it if it is missing.

    ``options`` are those of ``sqlite3.connect``.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection: sqlite3.Connection = sqlite3.connect(uri, uri=True, **options)
    return connection


def create_database(path: Path, schema: str, permissions: int | None = None) -> None:
    """Create a complete file in one step; if there is one at ``path`` already, it stays as it is."""
    partial = path.with_name(f".{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    try:
        with closing(open_database(partial, "rwc", isolation_level=None)) as connection:
            connection.executescript(schema)
        if permissions is not None:
            partial.chmod(permissions)
        with suppress(FileExistsError):
            os.link(partial, path, follow_symlinks=False)
    finally:
        partial.unlink(missing_ok=True)


def identity(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the ``application_id`` and ``user_version`` of a file."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (user_version,) = connection.execute("PRAGMA user_version").fetchone()
    return application_id, user_version
