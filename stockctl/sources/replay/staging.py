"""A temporary folder for rows of all files: external merge sort, and rejected rows."""

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

from stockctl.market.validation import InvalidQuote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import SourceStopped
from stockctl.sources.formats.fields import FIELDS, RowValidator, Values
from stockctl.sources.formats.files import MAX_ROW, Input

RUN_LINES = 50_000
"""Lines that are sorted in memory, some 10 MB of them."""
FAN_IN = 64
"""Files of one size that are merged into one of the next, so that few are open at once."""

_COPIED = 10_000


class LineSorter:
    """An external merge sort of lines by their characters.

    Args:
        folder: where sorted lines are put. It holds them once, and twice while files are merged.
        stop: ends the sorting.
        run_lines: how many lines are sorted in memory.
        fan_in: how many files are merged into one.
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
        self._files = 0

    def add(self, line: str) -> None:
        r"""Take a line, which ends with ``\n``.

        Raises:
            Stopped: the stop event was set.
            OSError: the folder has no room.
        """
        self._pending.append(line)
        if len(self._pending) >= self._run_lines:
            self._pending.sort()
            self._keep(self._pending, 0)
            self._pending = []

    def lines(self) -> Generator[str, None, None]:
        """Yield all lines in order; nothing is added any more, and they are yielded once.

        Raises:
            OSError: what was put into the folder cannot be read.
        """
        self._pending.sort()
        return self._merged([path for level in self._levels for path in level], self._pending)

    def _keep(self, lines: Iterable[str], level: int) -> None:
        """Write sorted lines to a file, and merge the files of its level when they have become many."""
        while len(self._levels) <= level:
            self._levels.append([])
        here = self._levels[level]
        here.append(self._written(lines))
        if len(here) == self._fan_in:
            self._levels[level] = []
            self._keep(self._merged(here), level + 1)
            for path in here:
                path.unlink()

    def _written(self, lines: Iterable[str]) -> Path:
        self._files += 1
        path = self._folder / f"sorted-{self._files}"
        rest = iter(lines)
        with path.open("w", encoding="ascii", newline="\n") as file:
            while chunk := list(islice(rest, _COPIED)):
                if self._stop.is_set():
                    raise SourceStopped
                file.writelines(chunk)
        return path

    def _merged(self, paths: Iterable[Path], more: Iterable[str] = ()) -> Generator[str, None, None]:
        with ExitStack() as files:
            opened = [files.enter_context(path.open(encoding="ascii", newline="\n")) for path in paths]
            yield from merge(*opened, more)


class RejectionFile:
    """A file of rejections; all are put first, then read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w", encoding="ascii")
        self.count = 0

    def put(self, rejection: Rejection) -> None:
        """Add one."""
        # Latin-1 gives each byte a character of its own, and JSON keeps the line breaks out of the way.
        self._file.write(json.dumps([rejection.data.decode("latin-1"), rejection.origin, rejection.reason]))
        self._file.write("\n")
        self.count += 1

    def chunks(self, size: int) -> Iterator[list[Rejection]]:
        """Yield all, in the order they came, at most ``size`` at once."""
        self.close()
        with self._path.open(encoding="ascii") as lines:
            while chunk := [_read(line) for line in islice(lines, size)]:
                yield chunk

    def close(self) -> None:
        """End the writing."""
        self._file.close()


def _read(line: str) -> Rejection:
    data, origin, reason = json.loads(line)
    return Rejection(data.encode("latin-1"), origin, reason)


_PROGRESS_ROWS = 50_000


class RowSource(Protocol):
    """A file of some format, as rows."""

    @property
    def lacks_previous_close(self) -> bool:
        """Whether the file has no such column; known once all rows were read."""

    def rows(self, stop: Event) -> Iterator[tuple[Values | InvalidQuote, str | None]]:
        """Yield each row's values, or why it has none, and its text where the file is text."""


class Staging:
    """Takes the rows of one file after the other.

    A staged line has these cells, separated by tabs: the time; a number of fixed width, in the order of the
    files, then of their rows; the number of the file; and the other fields. So the order of the lines
    is that of time, then of files and rows.

    Args:
        sorter: where checked rows go.
        spill: where refused rows go.
        check: the check of a row.
        on_progress: told, now and then, what is being done.
    """

    def __init__(
        self,
        sorter: LineSorter,
        spill: RejectionFile,
        check: RowValidator,
        on_progress: Callable[[str], None],
    ) -> None:
        self._sorter = sorter
        self._spill = spill
        self._check = check
        self._on_progress = on_progress
        self.count = 0
        """How many rows were staged."""
        self.unwanted = 0
        """How many rows of other symbols were left out."""
        self.deriving: set[int] = set()
        """The numbers of the files without a column of previous closes."""

    def add(self, source: Input, index: int, rows: RowSource, stop: Event) -> int:
        """Stage the file with the number ``index``, and return how many rows it has.

        Raises:
            SourceError: the file is refused.
            Stopped: ``stop`` was set.
            OSError: the sorter has no room.
        """
        number = 0
        put, check = self._sorter.add, self._check.checked
        for number, (values, text) in enumerate(rows.rows(stop), 1):
            if not number % _PROGRESS_ROWS:
                self._on_progress(f"reading {source.label}: {number:,} rows")
            try:
                if isinstance(values, InvalidQuote):
                    raise values
                checked = check(values)
            except InvalidQuote as reason:
                self._spill.put(_rejection(values, text, f"replay:{source.label}#{number}", str(reason)))
                continue
            if checked is None:
                self.unwanted += 1
                continue
            self.count += 1
            symbol, timestamp, *others = checked
            put("\t".join((timestamp, f"{self.count:012}", str(index), symbol, *others)) + "\n")
        if rows.lacks_previous_close:
            self.deriving.add(index)
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
_LOCK = "in-use"
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
_LOG = logging.getLogger("stockctl.sources.replay")


class Workspace:
    """A temporary folder that says, by a lock that dies with the process, that it is in use.

    At its making those of the same user that nobody uses any more are removed; where the system has no
    such locks, they stay.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        remove_abandoned()
        self._folder = TemporaryDirectory(prefix=PREFIX)
        self.path = Path(self._folder.name)
        begun = self.path / f"{_LOCK}.begun"
        self._lock = os.open(begun, _FLAGS | os.O_CREAT, 0o600)
        if _locked(self._lock):
            begun.rename(self.path / _LOCK)  # by that name it is found locked, or not at all

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()
        os.close(self._lock)


def remove_abandoned() -> None:
    """Remove the folders of this user's replays that were killed; what cannot be removed is told of."""
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
    if folder.lstat().st_uid != os.getuid():
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
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
