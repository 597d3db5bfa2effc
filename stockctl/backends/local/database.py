"""The SQLite database of the data folder: schema, connections, errors, and ownership check."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from stockctl.backends.local.home import check_replaceable, is_file
from stockctl.errors import HomeError
from stockctl.sqlite import Explanation, Problem, create_database, identity, open_database, sqlite_errors

APPLICATION_ID = 0x5C7C_0001
SCHEMA_VERSION = 1
_TORN_DOWN = -1
_BUSY_SECONDS = 60.0

_SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE quotes (
    symbol TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    price TEXT NOT NULL,
    previous_close TEXT,
    open TEXT,
    high TEXT,
    low TEXT,
    volume INTEGER,
    source TEXT NOT NULL,
    observed_at TEXT,
    change TEXT,
    change_percent TEXT,
    sma_short TEXT,
    sma_long TEXT,
    trend TEXT,
    previous_trend TEXT,
    anomaly INTEGER NOT NULL,
    anomaly_alert INTEGER NOT NULL,
    anomaly_up_date TEXT,
    anomaly_down_date TEXT,
    PRIMARY KEY (symbol, timestamp)
) STRICT, WITHOUT ROWID;
CREATE TABLE alerts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id TEXT NOT NULL UNIQUE,
    symbol TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    kind TEXT NOT NULL,
    signal TEXT,
    price TEXT NOT NULL,
    change_percent TEXT,
    sma_short TEXT,
    sma_long TEXT,
    message TEXT NOT NULL,
    created_at TEXT NOT NULL,
    published_at TEXT,
    not_published TEXT
) STRICT;
"""


class TornDownError(HomeError):
    """The data folder was torn down, at least in part."""


class DamagedError(HomeError):
    """The database is damaged, or it is not a database."""


_ERRORS: dict[Problem, Explanation] = {
    Problem.DAMAGED: (
        DamagedError,
        "{path} is damaged or is not a SQLite database ({error}).",
        "Move it away and run 'stockctl provision', or restore it from a backup. Nothing was changed.",
    ),
    Problem.BUSY: (
        HomeError,
        "{path} was kept busy by other processes for {seconds:.0f} seconds.",
        "Try again; what was sent before is stored.",
    ),
    Problem.FULL: (
        HomeError, "The disk that holds {path} is full.", "Free some space and run the command again.",
    ),
    Problem.NOT_WRITABLE: (
        HomeError, "{path} cannot be written ({error}).", "Check the permissions of the folder and the file.",
    ),
    Problem.OTHER: (
        HomeError, "{path} cannot be used: {error}.", "Nothing was changed; see --verbose for more.",
    ),
}  # fmt: skip


class Database:
    """One connection to the database of a data folder.

    Decimals are text, so that they stay exact. The database is in WAL mode: readers never wait, writers
    take turns.

    Raises:
        HomeError: from any method: missing, damaged, not from stockctl, newer, torn down, busy, disk full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not is_file(path):
            raise _absent(path)
        with _translate_errors(self._path):
            self._connection = open_database(path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                self._check_identity()
                # In WAL mode, NORMAL keeps the database intact in a power cut, which may cost the last
                # commits.
                self._connection.execute("PRAGMA synchronous = NORMAL")
            except BaseException:
                self._connection.close()
                raise

    @classmethod
    def create(cls, path: Path) -> None:
        """Create a complete database, unless there is a file already; that one stays as it is."""
        if not os.path.lexists(path):
            with _translate_errors(path):
                create_database(path, _SCHEMA)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock from before the first read until the commit; roll back on any error."""
        connection = self._connection
        with _translate_errors(self._path):
            # A deferred transaction that reads first would fail beside another writer instead of waiting.
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._check_identity()
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for reads."""
        with _translate_errors(self._path):
            self._check_identity()
            yield self._connection

    def mark_torn_down(self) -> None:
        """Make all other processes that use the data folder stop with an error."""
        with self.transaction() as connection:
            connection.execute(f"PRAGMA user_version = {_TORN_DOWN}")

    def _check_identity(self) -> None:
        application_id, version = identity(self._connection)
        if application_id == APPLICATION_ID and version == SCHEMA_VERSION:
            return
        if application_id == APPLICATION_ID and version == _TORN_DOWN:
            raise TornDownError(
                f"The data folder {self._path.parent} was torn down, perhaps while this command ran.",
                "Run 'stockctl teardown' if it was interrupted, then 'stockctl provision'.",
            )
        if application_id == APPLICATION_ID and version > SCHEMA_VERSION:
            raise HomeError(
                f"{self._path} was written by a newer stockctl: "
                f"its format is {version}, this one knows {SCHEMA_VERSION}.",
                "Upgrade stockctl, or set local.path to another folder. Nothing was changed.",
            )
        raise HomeError(
            f"{self._path} is a SQLite database without the tables of stockctl.",
            "Move it away and run 'stockctl provision'. Nothing was changed.",
        )


def _translate_errors(path: Path) -> AbstractContextManager[None]:
    return sqlite_errors(path, _ERRORS, seconds=_BUSY_SECONDS)


def _absent(path: Path) -> HomeError:
    if found := check_replaceable(path):
        return HomeError(
            f"{path} is {found}, where stockctl keeps its database.",
            "Move it away and run 'stockctl provision'. Nothing was changed.",
        )
    if check_replaceable(path.parent) == "a file":
        return HomeError(
            f"The data folder {path.parent} is a file, not a folder.",
            "Set local.path (or STOCKCTL_LOCAL__PATH) to a folder. Nothing was changed.",
        )
    return HomeError(
        f"There is no stockctl data folder in {path.parent}.",
        "Create it with 'stockctl provision', or set local.path to another.",
    )


_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_APPLICATION_ID = slice(68, 72)
"""The position in SQLite's file header; it is written when the file is created, and never again."""


def check_ownership(path: Path) -> None:
    """Check that stockctl created the database, even if it is damaged now.

    Raises:
        HomeError: another program created it, or that is not known, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise HomeError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check its permissions and run 'stockctl teardown' again. Nothing was removed.",
        ) from error
    if header and (len(header) < _HEADER_BYTES or not header.startswith(_MAGIC)):
        raise HomeError(
            f"{path} is damaged or is not a SQLite database: it is not known whether stockctl created it.",
            "Remove it yourself if it is stockctl's, else move it away; then run 'stockctl teardown' again. "
            "Nothing was removed.",
        )
    if int.from_bytes(header[_APPLICATION_ID], "big") != APPLICATION_ID:
        raise HomeError(
            f"{path} is a SQLite database without the tables of stockctl.",
            "Move it away, or remove it yourself if it is stockctl's; then run 'stockctl teardown' again. "
            "Nothing was removed.",
        )
