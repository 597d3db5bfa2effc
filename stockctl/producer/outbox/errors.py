"""What can go wrong with an outbox."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stockctl.errors import StockctlError

_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)


class OutboxError(StockctlError):
    """The outbox is in use, damaged, newer than this program, or cannot be written."""


class RetryableError(OutboxError):
    """The outbox cannot be used now; it may be later."""


class DiskFullError(RetryableError):
    """There is no room for the outbox now."""


class BusyError(RetryableError):
    """Another process has locked the outbox."""


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise what SQLite and the file system raise within as ``OutboxError``.

    Raises:
        DiskFullError: there is no room on the disk.
        BusyError: another process has locked it.
        OutboxError: anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _sqlite_error(path, error) from error
    except OSError as error:
        raise OutboxError(
            f"The outbox {path} cannot be used: {error.strerror or error}.",
            "Point stream.outbox (or STOCKCTL_STREAM__OUTBOX) at a file that can be written.",
        ) from error


def _sqlite_error(path: Path, error: sqlite3.Error) -> OutboxError:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in _DAMAGED:
        return damaged(path, str(error))
    if primary == sqlite3.SQLITE_FULL:
        return DiskFullError(f"The disk that holds the outbox {path} is full.", "Free some space.")
    if primary in _BUSY:
        return BusyError(
            f"The outbox {path} is locked by another process.", "End the program that has opened it."
        )
    if primary in _UNWRITABLE:
        return OutboxError(
            f"The outbox {path} cannot be written ({error}).",
            "Check the permissions of the file and its folder, or point stream.outbox at another.",
        )
    return OutboxError(f"The outbox {path} cannot be used: {error}.", "Nothing was changed.")


def damaged(path: Path, how: str) -> OutboxError:
    """Return the fault of an outbox that is not whole."""
    return OutboxError(
        f"The outbox {path} is damaged or is none ({how}).",
        "Move it away to go on without the quotes that wait in it. Nothing was changed.",
    )
