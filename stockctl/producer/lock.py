"""A lock that one process holds, and that dies with it."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from stockctl.producer.faults import OutboxError, explained

if sys.platform == "win32":
    import msvcrt

    # A byte that is locked cannot be read: it lies far behind the process id.
    _LOCKED_BYTE = 1 << 30

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


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
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        with explained(guarded):
            descriptor = os.open(path, flags, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            holder = _text(descriptor)
            os.close(descriptor)
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise OutboxError(
                f"The outbox {guarded} is in use by {who}.",
                "One producer uses an outbox at a time: stop that one, or give this one another file "
                "with stream.outbox (or STOCKCTL_STREAM__OUTBOX).",
            ) from None
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


def _text(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 20).decode("ascii", "replace").strip()
