"""The SQLite file of an outbox."""

import math
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from stockctl.producer.batching import Batch
from stockctl.producer.outbox.encoding import pack, unpack_records, unpack_rejections
from stockctl.producer.outbox.errors import OutboxError, damaged, translate_errors
from stockctl.producer.outbox.paths import WAL, beside
from stockctl.sqlite import create_database, identity, open_database

APPLICATION_ID = 0x5C7C_0B01
SCHEMA_VERSION = 3
ROW_BYTES = 64
"""The approximate size of a row without its blob."""

_BUSY_SECONDS = 10.0
_BUSY_IN_USE = 0.25
"""Seconds to wait for another process's lock, at the start and later, when waiting delays other threads."""
_LARGE_FILE = 64 << 20
# A large write-ahead log makes the syncs at its end rare.
_PAGE_BYTES = 8192
_LOG_PAGES = 2048
_RECORDS, _REJECTIONS = 0, 1

_SCHEMA = f"""
PRAGMA page_size = {_PAGE_BYTES};
PRAGMA journal_mode = WAL;
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    items INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    taken_at REAL NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE gaps (
    number INTEGER PRIMARY KEY,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    quotes INTEGER NOT NULL,
    symbols INTEGER NOT NULL,
    named TEXT NOT NULL,
    rejections INTEGER NOT NULL,
    origins TEXT NOT NULL
) STRICT;
CREATE TABLE under_way (last INTEGER NOT NULL) STRICT;
INSERT INTO under_way VALUES (0);
COMMIT;
"""


class Row(NamedTuple):
    """A batch in the file."""

    number: int
    batch: Batch
    size: int
    """Size in bytes, as it counts against the limit."""
    put_at: float = -math.inf
    """When it was put, in monotonic seconds; minus infinity if an earlier run put it."""


class StoreContent(NamedTuple):
    """What waits in the file."""

    first: int
    last: int
    """The numbers of the oldest and the newest batch; 0 and 0 if there is none."""
    quotes: int
    rejections: int
    size: int
    oldest: float | None
    """When the oldest was taken from its source, in seconds since 1970."""


class OutboxFile:
    """One connection to the file. The caller must use it in one thread at a time.

    When a method returns, the operating system has the data: nothing is lost if the process ends. The data is
    synced to the disk only when SQLite's log is full, or by ``sync``.

    Raises:
        OutboxError: any method may raise it: the file is damaged, not an outbox, not writable or
            created by a newer stockctl, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with translate_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(path):
                create_database(path, _SCHEMA, 0o600)
            self.connection = _open(path, "rw")
            try:
                check_format(self.connection, path)
                self.connection.execute("PRAGMA synchronous = NORMAL")
                self.connection.execute("PRAGMA secure_delete = OFF")
                self.connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
                self._check_integrity()
                self.connection.execute(f"PRAGMA busy_timeout = {_BUSY_IN_USE * 1000:.0f}")
            except BaseException:
                self.connection.close()
                raise

    def close(self) -> None:
        """Close the file and sync it to the disk."""
        with translate_errors(self.path):
            self.connection.close()

    def content(self) -> StoreContent:
        """Return what waits."""
        with translate_errors(self.path):
            return read_content(self.connection)

    def append(self, number: int, batch: Batch) -> Row:
        """Add a batch."""
        blob = pack(batch.records or batch.rejections)
        size = len(blob) + ROW_BYTES
        with translate_errors(self.path):
            self.connection.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)",
                (number, _kind(batch), batch.length, size, batch.taken_at, blob),
            )
        return Row(number, batch, size, time.monotonic())

    def read(self, number: int) -> Row | None:
        """Return the first batch from ``number`` on, or None."""
        with translate_errors(self.path):
            row = self.connection.execute(
                "SELECT number, kind, bytes, taken_at, body FROM batches WHERE number >= ? "
                "ORDER BY number LIMIT 1",
                (number,),
            ).fetchone()
        if row is None:
            return None
        found, kind, size, taken_at, blob = row
        try:
            records = unpack_records(blob) if kind == _RECORDS else ()
            rejections = unpack_rejections(blob) if kind != _RECORDS else ()
        except ValueError as error:
            raise damaged(self.path, str(error)) from error
        return Row(found, Batch(records, rejections, taken_at), size)

    def under_way(self) -> int:
        """Return the number of the last batch whose delivery has started."""
        with translate_errors(self.path):
            (last,) = self.connection.execute("SELECT last FROM under_way").fetchone()
        return int(last)

    def set_under_way(self, last: int) -> None:
        """Record that the delivery of the batches up to ``last``, and of no others, has started."""
        with translate_errors(self.path):
            self.connection.execute("UPDATE under_way SET last = ?", (last,))

    def quotes_up_to(self, last: int) -> int:
        """Return how many quotes wait in the batches up to ``last``."""
        with translate_errors(self.path):
            (quotes,) = self.connection.execute(
                "SELECT sum(items) FROM batches WHERE kind = ? AND number <= ?", (_RECORDS, last)
            ).fetchone()
        return quotes or 0

    def remove(self, first: int, last: int) -> None:
        """Delete the batches from ``first`` to ``last``."""
        with translate_errors(self.path):
            self.connection.execute("DELETE FROM batches WHERE number BETWEEN ? AND ?", (first, last))

    def replace(self, first: int, last: int, number: int, batch: Batch) -> Row:
        """Replace the batches from ``first`` to ``last`` with ``batch``, in one transaction."""
        with self.transaction():
            self.remove(first, last)
            return self.append(number, batch)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction."""
        with translate_errors(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def sync(self) -> None:
        """Sync the file to the disk; any thread may call, even while others use the file."""
        try:
            # SQLite's locks are on other files, so that closing this one releases none.
            descriptor = os.open(beside(self.path, WAL), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def shrink(self) -> None:
        """Shrink a large file; call this when nothing waits."""
        with translate_errors(self.path):
            if self.path.stat().st_size >= _LARGE_FILE:
                self.connection.execute("VACUUM")
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _check_integrity(self) -> None:
        if read_content(self.connection).first:
            (found,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise damaged(self.path, " ".join(str(found).split()))


def read_content(connection: sqlite3.Connection) -> StoreContent:
    """Return what waits in the outbox."""
    first, last, oldest, size = connection.execute(
        "SELECT min(number), max(number), min(taken_at), sum(bytes) FROM batches"
    ).fetchone()
    items = dict(connection.execute("SELECT kind, sum(items) FROM batches GROUP BY kind"))
    quotes, rejections = items.get(_RECORDS, 0), items.get(_REJECTIONS, 0)
    return StoreContent(first or 0, last or 0, quotes, rejections, size or 0, oldest)


@contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an outbox for reading, even while a producer uses it.

    Raises:
        OutboxError: it is damaged, it is not an outbox, or a newer stockctl created it.
    """
    with translate_errors(path), closing(_open(path, "ro")) as connection:
        check_format(connection, path)
        yield connection


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Check that this program wrote the file, in a known format.

    Raises:
        OutboxError: it is not an outbox, or it has another version.
    """
    application_id, version = identity(connection)
    if application_id != APPLICATION_ID:
        raise OutboxError(
            f"{path} is a SQLite database, but not an outbox of stockctl.",
            "Set stream.outbox (or STOCKCTL_STREAM__OUTBOX) to another file. Nothing was changed.",
        )
    if version != SCHEMA_VERSION:
        raise OutboxError(
            f"The outbox {path} was written by another stockctl: its format is {version}, this one knows "
            f"{SCHEMA_VERSION}.",
            "Let the stockctl that wrote it deliver what waits in it, or set stream.outbox to another "
            "file. Nothing was changed.",
        )


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return open_database(path, mode, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _kind(batch: Batch) -> int:
    return _RECORDS if batch.records else _REJECTIONS
