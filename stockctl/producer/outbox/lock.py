"""A lock that one process holds, and that dies with it."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from stockctl.producer.outbox.errors import OutboxError, translate_errors

if sys.platform == "win32":
    import msvcrt

    # A byte that is locked cannot be read: it lies far behind the process id.
    _LOCKED_BYTE = 1 << 30

    # Whoever looks at the lock cannot be told from whoever has it.
    _PATIENCE = 0.2

    def _lock(descriptor: int, *, shared: bool = False) -> None:  # noqa: ARG001 - there are no shared ones
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _is_only_looked_at(descriptor: int) -> bool:  # noqa: ARG001 - the other one needs it
        return True

else:
    import fcntl

    _PATIENCE = 10.0

    def _lock(descriptor: int, *, shared: bool = False) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _is_only_looked_at(descriptor: int) -> bool:
        try:
            _lock(descriptor, shared=True)
        except OSError:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return True


_PAUSE = 0.02
"""Seconds between two tries, for ``_PATIENCE`` seconds: whoever looks at the lock holds it for a moment."""
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class ProcessLock:
    """Held from its making until ``release``, or until the process ends in whatever way.

    The file stays when the lock is released: whoever removed it could remove that of the next holder.

    Args:
        path: a file that holds the process id of whoever has the lock.
        guarded: what it is for, to be named in the error.

    Raises:
        OutboxError: another process has it; the message names that process.
    """

    def __init__(self, path: Path, guarded: Path) -> None:
        with translate_errors(guarded):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        if not _locked(descriptor):
            holder = _text(descriptor)
            os.close(descriptor)
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise OutboxError(
                f"The outbox {guarded} is in use by {who}.",
                "One producer uses an outbox at a time: stop that one, or give this one another file "
                "with stream.outbox (or STOCKCTL_STREAM__OUTBOX).",
            )
        self._descriptor: int | None = descriptor
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, str(os.getpid()).encode("ascii"))

    def release(self) -> None:
        """Let another process have it."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(path: Path, guarded: Path) -> str | None:
    """Return the process id of whoever holds the lock, empty when it is not known; None when nobody does.

    Args:
        path: of the lock.
        guarded: what it is for, to be named in the error.

    Raises:
        OutboxError: the lock cannot be looked at.
    """
    with translate_errors(guarded):
        try:
            descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            _lock(descriptor, shared=True)
        except OSError:
            return _text(descriptor)
        finally:
            os.close(descriptor)
    return None


def _locked(descriptor: int) -> bool:
    """Take the lock, and return whether that went well; whoever only looks at it is waited for."""
    until = time.monotonic() + _PATIENCE
    while True:
        with suppress(OSError):
            _lock(descriptor)
            return True
        if not _is_only_looked_at(descriptor) or time.monotonic() >= until:
            return False
        time.sleep(_PAUSE)


def _text(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 20).decode("ascii", "replace").strip()
