"""A file lock that one process holds, and that is released when the process ends."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from stockctl.producer.outbox.errors import OutboxError, translate_errors

_TIMEOUT = 10.0
_PAUSE = 0.02
"""Seconds between two attempts to lock, for at most ``_TIMEOUT`` seconds. A process that only reads the
holder has the lock for a very short time."""
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class ProcessLock:
    """A lock that is held until ``release`` or until the process ends, even if it is killed.

    The file remains after the release: the next holder may already have locked it.

    Args:
        path: the lock file; it contains the process id of the holder.
        outbox: the outbox that it protects, for error messages.

    Raises:
        OutboxError: another process has the lock; the message names that process.
    """

    def __init__(self, path: Path, outbox: Path) -> None:
        with translate_errors(outbox):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        if not _acquire(descriptor):
            holder = _read(descriptor)
            os.close(descriptor)
            process = f"process {holder}" if holder.isdigit() else "another process"
            raise OutboxError(
                f"The outbox {outbox} is in use by {process}.",
                "One producer uses an outbox at a time: stop that one, or give this one another file "
                "with stream.outbox (or STOCKCTL_STREAM__OUTBOX).",
            )
        self._descriptor: int | None = descriptor
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, str(os.getpid()).encode("ascii"))

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(path: Path, outbox: Path) -> str | None:
    """Return the process id of the holder, empty if it is not known; None if the lock is free.

    Args:
        path: the lock file.
        outbox: the outbox that it protects, for error messages.

    Raises:
        OutboxError: the lock file cannot be read.
    """
    with translate_errors(outbox):
        try:
            descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _read(descriptor)
        finally:
            os.close(descriptor)
    return None


def _acquire(descriptor: int) -> bool:
    """Take the lock and return whether that succeeded; wait while another process only reads the holder."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if not _is_shared(descriptor) or time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)


def _is_shared(descriptor: int) -> bool:
    """Return whether the processes that have the lock only read the holder."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _read(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 20).decode("ascii", "replace").strip()
