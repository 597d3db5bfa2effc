"""Errors of an outbox."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stockctl.errors import StockctlError

_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)


class OutboxError(StockctlError):
    """The outbox is in use, damaged, newer than this program, or not writable."""


class RetryableError(OutboxError):
    """The outbox cannot be used now, but maybe later."""


class DiskFullError(RetryableError):
    """The disk is full."""


class BusyError(RetryableError):
    """Another process has locked the outbox."""


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and the file system in the block as ``OutboxError``.

    Raises:
        DiskFullError: the disk is full.
        BusyError: another process has locked the outbox.
        OutboxError: anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _sqlite_error(path, error) from error
    except OSError as error:
        raise OutboxError(
            f"The outbox {path} cannot be used: {error.strerror or error}.",
            "Set stream.outbox (or STOCKCTL_STREAM__OUTBOX) to a file that can be written.",
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
            "Check the permissions of the file and its folder, or set stream.outbox to another file.",
        )
    return OutboxError(f"The outbox {path} cannot be used: {error}.", "Nothing was changed.")


def damaged(path: Path, reason: str) -> OutboxError:
    """Return the error for a damaged outbox."""
    return OutboxError(
        f"The outbox {path} is damaged or is no outbox ({reason}).",
        "Move it away to continue without the quotes that wait in it. Nothing was changed.",
    )
