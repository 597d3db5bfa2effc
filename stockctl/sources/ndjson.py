"""Quotes from a pipe or a growing file, one JSON object a line."""

import logging
import os
import stat
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import FileIO
from itertools import islice
from pathlib import Path
from threading import Event

from stockctl.errors import SourceError, UsageError
from stockctl.market.quote import Quote
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import NEW_YORK, format_timestamp
from stockctl.market.validation import InvalidQuote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import SourceStopped, Tick
from stockctl.sources.formats.fields import RowValidator, Values, timestamp_parser
from stockctl.sources.formats.files import MAX_ROW, STANDARD_INPUT, standard_input
from stockctl.sources.formats.ndjson import ObjectReader

_BLOCK = 1 << 16
_POLL_SECONDS = 0.25
"""Seconds between two looks at a file that has no more, or at a wish to stop."""
_KEPT_CHARACTERS = 4 * MAX_ROW  # bytes of a line without end: more than MAX_ROW characters, whatever they are

_log = logging.getLogger(__name__)


class LineReader:
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
        except SourceStopped:
            pass
        except OSError as error:
            raise SourceError(f"{self.label} cannot be read: {error.strerror or error}.") from error
        if self._rest and (self._path == STANDARD_INPUT or not stop.is_set()):
            yield [_text(self._rest)]

    def _complete(self, block: bytes) -> list[str]:
        ended, newline, self._rest = (self._rest + block).rpartition(b"\n")
        self._rest = self._rest[:_KEPT_CHARACTERS]
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
                        stop.wait(_POLL_SECONDS)
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


TICK_ITEMS = 500


class NdjsonSource:
    """Quotes that another program writes, one JSON object a line, each sent on as it comes.

    An object has the names ``timestamp``, ``date`` or ``datetime``; ``symbol`` or ``ticker``; ``price`` or
    ``close``; it may have ``open``, ``high``, ``low``, ``volume`` and ``previous_close``. Nothing is
    sorted: the feed gives the quotes of each symbol in order of time. A line that cannot be read becomes
    a ``Rejection`` with the origin ``ndjson:<feed>#<line>``, and its text.

    Args:
        argument: the name of a regular file, or ``-`` for standard input.
        follow: at the end of the file wait for more, until stopped.
        symbols: which symbols to send; None means all.
        timezone: where naive times are at home.
        clock: the time of day, for ``observed_at``.

    Raises:
        UsageError: the argument is no regular file, or there is no such time zone.
        InvalidQuote: a symbol has characters that no symbol has.
    """

    name = "ndjson"
    repeatable = False
    expected: int | None = None

    def __init__(
        self,
        argument: str,
        *,
        follow: bool = False,
        symbols: Collection[str] | None = None,
        timezone: str = NEW_YORK,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._feed = LineReader(argument, follow=follow)
        wanted = None if symbols is None else frozenset(map(parse_symbol, symbols))
        self._check = RowValidator(wanted, timestamp_parser(timezone))
        self._objects = ObjectReader()
        self._clock = clock
        self._line = 0

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what has come, whenever something has; after a stop the rest of what was read.

        Raises:
            SourceError: the feed cannot be read.
        """
        for lines in self._feed.lines(stop):
            items = self._items(lines)
            while tick := list(islice(items, TICK_ITEMS)):
                yield tick

    def _items(self, lines: list[str]) -> Iterator[Quote | Rejection]:
        observed_at = format_timestamp(self._clock())
        for line in lines:
            self._line += 1
            if line.strip() and (item := self._item(line, observed_at)) is not None:
                yield item

    def _item(self, line: str, observed_at: str) -> Quote | Rejection | None:
        try:
            values = self._check.checked(self._objects.values(line))
        except InvalidQuote as reason:
            data = line[:MAX_ROW].encode("utf-8", "surrogateescape")
            return Rejection(data, f"{self.name}:{self._feed.label}#{self._line}", str(reason))
        return None if values is None else _quote(values, observed_at)


def _quote(values: Values, observed_at: str) -> Quote:
    symbol, timestamp, price, *figures, volume = values
    previous_close, opening, high, low = (Decimal(figure) if figure else None for figure in figures)
    return Quote(
        symbol,
        timestamp,
        Decimal(price),
        previous_close,
        opening,
        high,
        low,
        int(volume) if volume else None,
        NdjsonSource.name,
        observed_at,
    )
