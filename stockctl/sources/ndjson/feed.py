"""Lines as they come, from standard input or from a file that may grow."""

import logging
import os
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from threading import Event

from stockctl.errors import SourceError, UsageError
from stockctl.sources.replay.inputs import STANDARD_INPUT, standard_input
from stockctl.sources.replay.lines import MAX_ROW
from stockctl.sources.replay.stopped import Stopped

_BLOCK = 1 << 16
_PATIENCE = 0.25
"""Seconds between two looks at a file that has no more, or at a wish to stop."""
_KEPT = 4 * MAX_ROW  # bytes of a line without end: more than MAX_ROW characters, whatever they are

_log = logging.getLogger(__name__)


class LineFeed:
    """A pipe, or a file.

    Args:
        argument: the name of a regular file, or ``-`` for standard input.
        follow: at the end of the file wait for more, until stopped. A file that was replaced or cut is
            read anew from its beginning.

    Raises:
        UsageError: the argument is no regular file.
    """

    def __init__(self, argument: str, *, follow: bool = False) -> None:
        self.label = "stdin" if argument == STANDARD_INPUT else Path(argument).name
        self._path = argument
        self._follow = follow
        self._rest = b""
        if argument != STANDARD_INPUT:
            _check(argument)

    def lines(self, stop: Event) -> Iterator[list[str]]:
        """Yield the lines that have come, without their ends, whenever some have; end when ``stop`` is set.

        Bytes that are not UTF-8 come as lone surrogates. A line without its end counts at the end of the
        feed, and, on standard input, when ``stop`` is set: nobody else could read its beginning again.

        Raises:
            SourceError: the feed cannot be read.
        """
        blocks = standard_input(stop) if self._path == STANDARD_INPUT else self._filed(stop)
        try:
            for block in blocks:
                if complete := self._complete(block):
                    yield complete
        except Stopped:
            pass
        except OSError as error:
            raise SourceError(f"{self.label} cannot be read: {error.strerror or error}.") from error
        if self._rest and (self._path == STANDARD_INPUT or not stop.is_set()):
            yield [_text(self._rest)]

    def _complete(self, block: bytes) -> list[str]:
        ended, newline, self._rest = (self._rest + block).rpartition(b"\n")
        self._rest = self._rest[:_KEPT]
        return [_text(line) for line in ended.split(b"\n")] if newline else []

    def _filed(self, stop: Event) -> Iterator[bytes]:
        while not stop.is_set():
            with open(self._path, "rb", buffering=0) as file:
                while not stop.is_set():
                    if block := file.read(_BLOCK):
                        yield block
                    elif not self._follow:
                        return
                    elif self._is_over(file):
                        yield file.read()  # what came between the two looks
                        break
                    else:
                        stop.wait(_PATIENCE)
            if not stop.is_set():
                _log.info("%s was replaced or cut; it is read anew.", self.label)
                yield b"\n"

    def _is_over(self, file: FileIO) -> bool:
        """Tell whether the name leads to another file now, or to this one with less in it than was read."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False  # the next one is still to come
        if not os.path.samestat(there, os.fstat(file.fileno())):
            return True
        return there.st_size < file.tell()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").removesuffix("\r")


def _check(argument: str) -> None:
    try:
        mode = os.stat(argument).st_mode
    except OSError as error:
        raise UsageError(f"{argument} cannot be read: {error.strerror or error}.") from None
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"{argument} is no regular file.", "Pipe it in: ... | stockctl stream --source ndjson --file -"
        )
