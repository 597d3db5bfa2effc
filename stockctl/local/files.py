"""Writing a file once: never over another, and made whole where a process died over it."""

import os
import stat

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_OLD = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write_once(path: str, body: bytes) -> None:
    """Write ``body`` to ``path`` unless that is written already. Its folder must be there.

    A process that dies while it writes leaves the beginning of the body, mostly nothing at all of it. The
    next write of the same body adds the rest. Writers take turns: write only within a transaction of the
    home's database.

    Raises:
        OSError: there is no room, or no permission; nothing new is left behind then.
    """
    try:
        handle = os.open(path, _NEW, 0o644)
    except FileExistsError:
        _complete(path, body)
        return
    try:
        _fill(handle, body)
    except OSError:
        os.unlink(path)
        raise


def _complete(path: str, body: bytes) -> None:
    """Add what is missing of ``body`` in a file that holds only its beginning."""
    there = os.lstat(path)
    if not stat.S_ISREG(there.st_mode) or there.st_size >= len(body):
        return
    handle = os.open(path, os.O_RDONLY | _OLD)
    try:
        begun = os.read(handle, len(body))
    finally:
        os.close(handle)
    rest = body[len(begun) :]
    # Space at the end is no part of a JSON object: such a file is another record, and whole.
    if body.startswith(begun) and not rest.isspace():
        _fill(os.open(path, os.O_WRONLY | os.O_APPEND | _OLD), rest)


def _fill(handle: int, body: bytes) -> None:
    try:
        while body:
            body = body[os.write(handle, body) :]
    finally:
        os.close(handle)
