"""The private temporary folder of a replay, and what killed replays left of theirs."""

import logging
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

if sys.platform != "win32":
    import fcntl

PREFIX = "stockctl-replay-"
_LOCK = "in-use"
_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_LOG = logging.getLogger("stockctl.sources.replay")


class Workspace:
    """A temporary folder that says, by a lock that dies with the process, that it is in use.

    At its making those of the same user that nobody uses any more are removed; where the system has no
    such locks, they stay.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        sweep()
        self._folder = TemporaryDirectory(prefix=PREFIX)
        self.path = Path(self._folder.name)
        begun = self.path / f"{_LOCK}.begun"
        self._lock = os.open(begun, _FLAGS | os.O_CREAT, 0o600)
        if _locked(self._lock):
            begun.rename(self.path / _LOCK)  # by that name it is found locked, or not at all

    def close(self) -> None:
        """Remove the folder."""
        if sys.platform == "win32":  # where an open file cannot be removed
            os.close(self._lock)
            self._folder.cleanup()
        else:
            self._folder.cleanup()
            os.close(self._lock)


def sweep() -> None:
    """Remove the folders of this user's replays that were killed; what cannot be removed is told of."""
    if sys.platform == "win32":
        return
    for folder in _folders():
        try:
            _remove_unused(folder)
        except FileNotFoundError:
            continue  # not locked yet, or gone meanwhile
        except OSError as error:
            _LOG.warning("%s, left by a killed replay, stays: %s", folder, error.strerror or error)


def _folders() -> list[Path]:
    try:
        with os.scandir(gettempdir()) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError as error:
        _LOG.debug("nobody can see what killed replays left: %s", error)
        return []


def _remove_unused(folder: Path) -> None:
    if sys.platform == "win32" or folder.lstat().st_uid != os.getuid():
        return
    lock = os.open(folder / _LOCK, _FLAGS)
    try:
        if _locked(lock):
            _LOG.info("removing %s, which a killed replay left", folder)
            shutil.rmtree(folder)
    finally:
        os.close(lock)


def _locked(descriptor: int) -> bool:
    """Take the lock; return False when another has it, or the file system knows none."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
