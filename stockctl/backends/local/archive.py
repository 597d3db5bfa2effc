"""The raw archive and the quarantine as files."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from stockctl.backends.local.home import Home, check_folder
from stockctl.market.timestamp import object_name
from stockctl.pipeline.ports import RawObject, Rejection

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
        _write_partial(path, body)
        return
    try:
        _fill(handle, body)
    except OSError:
        os.unlink(path)
        raise


def _write_partial(path: str, body: bytes) -> None:
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


class FileArchive:
    """``raw-data/{symbol}/{timestamp}.json``, one quote a file, never overwritten."""

    def __init__(self, home: Home) -> None:
        self._root = os.fspath(home.archive)
        self._known: set[str] = set()

    def put(self, objects: Sequence[RawObject]) -> None:
        """Write the objects that are not there yet."""
        for symbol, timestamp, body in objects:
            write_once(f"{self._folder(symbol)}/{object_name(timestamp)}.json", body)

    def _folder(self, symbol: str) -> str:
        folder = f"{self._root}/{symbol}"
        if symbol not in self._known:
            check_folder(Path(folder))
            os.makedirs(folder, exist_ok=True)
            self._known.add(symbol)
        return folder


class FileQuarantine:
    """``quarantine/{key}.json``: one record a file."""

    def __init__(self, home: Home) -> None:
        self._folder = os.fspath(home.quarantine)

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Keep the rejections that are not there yet."""
        os.makedirs(self._folder, exist_ok=True)
        for rejection in rejections:
            write_once(f"{self._folder}/{rejection.key}.json", rejection.document)
