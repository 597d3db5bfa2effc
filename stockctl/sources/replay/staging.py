"""Stages the rows of all files in a temporary folder: external merge sort, and rejected rows."""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from threading import Event
from typing import Protocol

from stockctl.market.errors import InvalidQuote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import SourceStopped
from stockctl.sources.formats.fields import FIELDS, RowValidator, Values
from stockctl.sources.formats.files import MAX_ROW, Input

_log = logging.getLogger("stockctl.sources.replay")


RUN_LINES = 50_000
"""Lines that are sorted in memory at once, about 10 MB."""
FAN_IN = 64
"""How many files of one level are merged into one of the next, so that few are open at once."""

_WRITE_LINES = 10_000


class LineSorter:
    """An external merge sort of lines by their characters.

    Args:
        folder: holds the sorted lines once, and twice while files are merged.
        stop: ends the sorting.
        run_lines: the number of lines that are sorted in memory at once.
        fan_in: the number of files that are merged into one.
    """

    def __init__(
        self, folder: Path, stop: Event, *, run_lines: int = RUN_LINES, fan_in: int = FAN_IN
    ) -> None:
        self._folder = folder
        self._stop = stop
        self._run_lines = run_lines
        self._fan_in = fan_in
        self._pending: list[str] = []
        self._levels: list[list[Path]] = []
        self._file_count = 0

    def add(self, line: str) -> None:
        r"""Add a line, which ends with ``\n``.

        Raises:
            SourceStopped: the stop event was set.
            OSError: the disk is full.
        """
        self._pending.append(line)
        if len(self._pending) >= self._run_lines:
            self._pending.sort()
            self._store(self._pending, 0)
            self._pending = []

    def lines(self) -> Generator[str, None, None]:
        """Yield all lines in order; call it once, after the last ``add``.

        Raises:
            OSError: a file in the folder cannot be read.
        """
        self._pending.sort()
        return self._merge([path for level in self._levels for path in level], self._pending)

    def _store(self, lines: Iterable[str], level: int) -> None:
        """Write sorted lines to a file, and merge the files of its level if there are ``fan_in``."""
        while len(self._levels) <= level:
            self._levels.append([])
        files = self._levels[level]
        files.append(self._write_file(lines))
        if len(files) == self._fan_in:
            self._levels[level] = []
            self._store(self._merge(files), level + 1)
            for path in files:
                path.unlink()

    def _write_file(self, lines: Iterable[str]) -> Path:
        self._file_count += 1
        path = self._folder / f"sorted-{self._file_count}"
        rest = iter(lines)
        with path.open("w", encoding="ascii", newline="\n") as file:
            while chunk := list(islice(rest, _WRITE_LINES)):
                if self._stop.is_set():
                    raise SourceStopped
                file.writelines(chunk)
        return path

    def _merge(self, paths: Iterable[Path], more: Iterable[str] = ()) -> Generator[str, None, None]:
        with ExitStack() as files:
            opened = [files.enter_context(path.open(encoding="ascii", newline="\n")) for path in paths]
            yield from merge(*opened, more)


class RejectionFile:
    """A file of rejections; all are added first, then read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w", encoding="ascii")
        self.count = 0

    def add(self, rejection: Rejection) -> None:
        """Add a rejection."""
        # Latin-1 maps each byte to one character, and JSON escapes line breaks.
        self._file.write(json.dumps([rejection.data.decode("latin-1"), rejection.origin, rejection.reason]))
        self._file.write("\n")
        self.count += 1

    def chunks(self, size: int) -> Iterator[list[Rejection]]:
        """Yield all rejections in the order they were added, at most ``size`` at once."""
        self.close()
        with self._path.open(encoding="ascii") as lines:
            while chunk := [_read(line) for line in islice(lines, size)]:
                yield chunk

    def close(self) -> None:
        """Close the file for writing."""
        self._file.close()


def _read(line: str) -> Rejection:
    data, origin, reason = json.loads(line)
    return Rejection(data.encode("latin-1"), origin, reason)


_PROGRESS_ROWS = 50_000


class RowSource(Protocol):
    """The rows of a file of any format."""

    @property
    def lacks_previous_close(self) -> bool:
        """Whether the file has no such column; known after all rows were read."""

    def rows(self, stop: Event) -> Iterator[tuple[Values | InvalidQuote, str | None]]:
        """Yield the values of each row, or why it is invalid, and its text if the file has text."""


class Staging:
    """Stages the rows of one file after the other.

    A staged line has these cells, separated by tabs: the time; a row number of fixed width, counted over
    all files; the number of the file; and the other fields. So the lines sort by time, then by file and
    row.

    Args:
        sorter: gets the valid rows.
        rejections: gets the invalid rows.
        validator: validates rows.
        on_progress: called from time to time with a short text.
    """

    def __init__(
        self,
        sorter: LineSorter,
        rejections: RejectionFile,
        validator: RowValidator,
        on_progress: Callable[[str], None],
    ) -> None:
        self._sorter = sorter
        self._rejections = rejections
        self._validator = validator
        self._on_progress = on_progress
        self.count = 0
        """How many rows were staged."""
        self.skipped = 0
        """How many rows of other symbols were skipped."""
        self.files_without_close: set[int] = set()
        """The numbers of the files without a column ``previous_close``."""

    def add(self, source: Input, index: int, rows: RowSource, stop: Event) -> int:
        """Stage the file with the number ``index``, and return how many rows it has.

        Raises:
            SourceError: the file cannot be used.
            SourceStopped: ``stop`` was set.
            OSError: the disk is full.
        """
        number = 0
        add_line, validate = self._sorter.add, self._validator.validate
        for number, (values, text) in enumerate(rows.rows(stop), 1):
            if not number % _PROGRESS_ROWS:
                self._on_progress(f"reading {source.label}: {number:,} rows")
            try:
                if isinstance(values, InvalidQuote):
                    raise values
                valid = validate(values)
            except InvalidQuote as reason:
                self._rejections.add(_rejection(values, text, f"replay:{source.label}#{number}", str(reason)))
                continue
            if valid is None:
                self.skipped += 1
                continue
            self.count += 1
            symbol, timestamp, *others = valid
            add_line("\t".join((timestamp, f"{self.count:012}", str(index), symbol, *others)) + "\n")
        if rows.lacks_previous_close:
            self.files_without_close.add(index)
        return number


def _rejection(values: Values | InvalidQuote, text: str | None, origin: str, reason: str) -> Rejection:
    if text is None:
        return Rejection(_as_json(values), origin, reason)
    data = text[:MAX_ROW].encode("utf-8", "surrogateescape")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text (byte {error.start + 1} is {data[error.start]:#04x}): {reason}"
    return Rejection(data, origin, reason)


def _as_json(values: Values | InvalidQuote) -> bytes:
    fields = {} if isinstance(values, InvalidQuote) else dict(zip(FIELDS, values, strict=True))
    return json.dumps({field: value for field, value in fields.items() if value}).encode("ascii")


PREFIX = "stockctl-replay-"
_LOCK_NAME = "in-use"
_OPEN_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class Workspace:
    """A temporary folder with a lock, which shows that it is in use until the process ends.

    Its creation removes unused folders of killed replays of the same user. On file systems without locks
    they stay.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self) -> None:
        remove_abandoned()
        self._folder = TemporaryDirectory(prefix=PREFIX)
        self.path = Path(self._folder.name)
        unlocked = self.path / f"{_LOCK_NAME}.new"
        self._lock = os.open(unlocked, _OPEN_FLAGS | os.O_CREAT, 0o600)
        if _try_lock(self._lock):
            unlocked.rename(self.path / _LOCK_NAME)  # under this name it is always locked while in use

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()
        os.close(self._lock)


def remove_abandoned() -> None:
    """Remove the folders of killed replays of this user; log those that cannot be removed."""
    for folder in _folders():
        try:
            _remove_unused(folder)
        except FileNotFoundError:
            continue  # not locked yet, or removed meanwhile
        except OSError as error:
            _log.warning(
                "The folder %s of a killed replay cannot be removed: %s.", folder, error.strerror or error
            )


def _folders() -> list[Path]:
    try:
        with os.scandir(gettempdir()) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError as error:
        _log.debug("The folder for temporary files cannot be read: %s.", error)
        return []


def _remove_unused(folder: Path) -> None:
    if folder.lstat().st_uid != os.getuid():
        return
    lock = os.open(folder / _LOCK_NAME, _OPEN_FLAGS)
    try:
        if _try_lock(lock):
            _log.info("Removing the folder %s of a killed replay.", folder)
            shutil.rmtree(folder)
    finally:
        os.close(lock)


def _try_lock(descriptor: int) -> bool:
    """Take the lock; return False if another process has it, or the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
