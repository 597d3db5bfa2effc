"""Errors of an outbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stockctl.errors import StockctlError
from stockctl.sqlite import Explanation, Problem, sqlite_errors


class OutboxError(StockctlError):
    """The outbox is in use, damaged, newer than this program, or not writable."""


class RetryableError(OutboxError):
    """The outbox cannot be used now, but maybe later."""


class DiskFullError(RetryableError):
    """The disk is full."""


class BusyError(RetryableError):
    """Another process has locked the outbox."""


_DAMAGED = "The outbox {path} is damaged or is not an outbox ({error})."
_DAMAGED_HINT = "Move it away to continue without the quotes that wait in it. Nothing was changed."
_ERRORS: dict[Problem, Explanation] = {
    Problem.DAMAGED: (OutboxError, _DAMAGED, _DAMAGED_HINT),
    Problem.BUSY: (
        BusyError, "The outbox {path} is locked by another process.", "End the program that has opened it.",
    ),
    Problem.FULL: (DiskFullError, "The disk that holds the outbox {path} is full.", "Free some space."),
    Problem.NOT_WRITABLE: (
        OutboxError,
        "The outbox {path} cannot be written ({error}).",
        "Check the permissions of the file and its folder, or set stream.outbox to another file.",
    ),
    Problem.OTHER: (OutboxError, "The outbox {path} cannot be used: {error}.", "Nothing was changed."),
}  # fmt: skip


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and the file system in the block as ``OutboxError``.

    Raises:
        DiskFullError: the disk is full.
        BusyError: another process has locked the outbox.
        OutboxError: anything else.
    """
    try:
        with sqlite_errors(path, _ERRORS):
            yield
    except OSError as error:
        raise OutboxError(
            f"The outbox {path} cannot be used: {error.strerror or error}.",
            "Set stream.outbox (or STOCKCTL_STREAM__OUTBOX) to a file that can be written.",
        ) from error


def damaged(path: Path, reason: str) -> OutboxError:
    """Return the error for a damaged outbox."""
    return OutboxError(_DAMAGED.format(path=path, error=reason), _DAMAGED_HINT)
