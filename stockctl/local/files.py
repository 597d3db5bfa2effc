"""Writing a file once: whole or not at all, and never over another."""

import os
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class OnceWriter:
    """Writes files into one folder tree; a name that exists keeps its content.

    The bytes go to a partial file that is then linked to its name, which is atomic and fails where the
    name exists. A process that dies leaves at most this one partial file, which the next writer or
    ``teardown`` removes. Writers take turns: write only within a transaction of the home's database.
    """

    def __init__(self, folder: Path) -> None:
        self._partial = os.fspath(folder / ".partial")

    def write(self, path: str, body: bytes) -> None:
        """Write ``body`` to ``path`` unless it exists. The folder must be there."""
        partial = self._partial
        handle = _open_new(partial)
        try:
            _fill(handle, body)
            os.link(partial, path, follow_symlinks=False)
        except FileExistsError:
            pass
        finally:
            os.unlink(partial)


def _fill(handle: int, body: bytes) -> None:
    try:
        while body:
            body = body[os.write(handle, body) :]
    finally:
        os.close(handle)


def _open_new(path: str) -> int:
    try:
        return os.open(path, _NEW, 0o644)
    except FileExistsError:
        # Left by a dead process, perhaps linked to its name already: it must not be written to again.
        os.unlink(path)
        return os.open(path, _NEW, 0o644)
