"""The raw archive and the quarantine, as files."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from stockctl.backends.local.home import Home, check_folder
from stockctl.market.timestamp import object_name
from stockctl.pipeline.ports import RawObject, Rejection

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write_once(path: str, body: bytes) -> None:
    """Write ``body`` to the file ``path`` unless it exists. Its folder must exist.

    A process that dies while it writes leaves the beginning of the body, usually nothing of it. The next
    write of the same body adds the rest. Writers must take turns: write only in a transaction of the data
    folder's database.

    Raises:
        OSError: the disk is full, or permission is denied; then no new file is left.
    """
    try:
        handle = os.open(path, _NEW, 0o644)
    except FileExistsError:
        _write_partial(path, body)
        return
    try:
        _fill(handle, body)
    except OSError:
        os.unlink(path)
        raise


def _write_partial(path: str, body: bytes) -> None:
    """Add the missing end of ``body`` to a file that has only its beginning."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size >= len(body):
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        beginning = os.read(handle, len(body))
    finally:
        os.close(handle)
    rest = body[len(beginning) :]
    # If only white space is missing, the file already has a whole JSON object: it is another record.
    if body.startswith(beginning) and not rest.isspace():
        _fill(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), rest)


def _fill(handle: int, body: bytes) -> None:
    try:
        while body:
            body = body[os.write(handle, body) :]
    finally:
        os.close(handle)


class FileArchive:
    """``raw-data/{symbol}/{timestamp}.json``, one file per quote, never overwritten."""

    def __init__(self, home: Home) -> None:
        self._root = os.fspath(home.archive)
        self._checked_symbols: set[str] = set()

    def put(self, objects: Sequence[RawObject]) -> None:
        """Write the objects that do not exist yet."""
        for symbol, timestamp, body in objects:
            write_once(f"{self._folder(symbol)}/{object_name(timestamp)}.json", body)

    def _folder(self, symbol: str) -> str:
        folder = f"{self._root}/{symbol}"
        if symbol not in self._checked_symbols:
            check_folder(Path(folder))
            os.makedirs(folder, exist_ok=True)
            self._checked_symbols.add(symbol)
        return folder


class FileQuarantine:
    """``quarantine/{key}.json``, one file per record."""

    def __init__(self, home: Home) -> None:
        self._folder = os.fspath(home.quarantine)

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Write the rejections that do not exist yet."""
        os.makedirs(self._folder, exist_ok=True)
        for rejection in rejections:
            write_once(f"{self._folder}/{rejection.key}.json", rejection.document)
