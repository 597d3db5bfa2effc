"""Lines of text in order, whatever their number: sorted piece by piece, and merged from disk."""

from collections.abc import Generator, Iterable
from contextlib import ExitStack
from heapq import merge
from itertools import islice
from pathlib import Path
from threading import Event

from stockctl.sources.replay.stopped import Stopped

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
                    raise Stopped
                file.writelines(chunk)
        return path

    def _merged(self, paths: Iterable[Path], more: Iterable[str] = ()) -> Generator[str, None, None]:
        with ExitStack() as files:
            opened = [files.enter_context(path.open(encoding="ascii", newline="\n")) for path in paths]
            yield from merge(*opened, more)
