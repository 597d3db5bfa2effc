"""The source ``ndjson``: quotes from a pipe or a growing file, one JSON object a line."""

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
from stockctl.market.errors import InvalidQuote
from stockctl.market.quote import Quote
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import NEW_YORK, format_timestamp
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import SourceStopped, Tick
from stockctl.sources.formats.fields import RowValidator, Values, timestamp_parser
from stockctl.sources.formats.files import MAX_ROW, STANDARD_INPUT, standard_input
from stockctl.sources.formats.ndjson import ObjectReader

_log = logging.getLogger(__name__)


_BLOCK = 1 << 16
_POLL_SECONDS = 0.25
"""Seconds between two reads at the end of a file, or checks of the stop event."""
_MAX_LINE_BYTES = 4 * MAX_ROW  # kept of an endless line: more than MAX_ROW characters in any case


class LineReader:
    """Reads lines from standard input or a file.

    Args:
        argument: the name of a regular file, or ``-`` for standard input.
        follow: wait for more at the end of the file, until stopped. A file that was replaced or truncated
            is read again from its start.

    Raises:
        UsageError: the argument is not a regular file.
    """

    def __init__(self, argument: str, *, follow: bool = False) -> None:
        self.label = "stdin" if argument == STANDARD_INPUT else Path(argument).name
        self._path = argument
        self._follow = follow
        self._rest = b""
        if argument != STANDARD_INPUT:
            _check_regular(argument)

    def lines(self, stop: Event) -> Iterator[list[str]]:
        """Yield new lines, without their ends, as they arrive; end when ``stop`` is set.

        Bytes that are not UTF-8 become lone surrogates. An incomplete line is yielded at the end of the
        feed and, on standard input, when ``stop`` is set, because its start cannot be read again.

        Raises:
            SourceError: the feed cannot be read.
        """
        blocks = standard_input(stop) if self._path == STANDARD_INPUT else self._read_file(stop)
        try:
            for block in blocks:
                if complete := self._complete_lines(block):
                    yield complete
        except SourceStopped:
            pass
        except OSError as error:
            raise SourceError(f"{self.label} cannot be read: {error.strerror or error}.") from error
        if self._rest and (self._path == STANDARD_INPUT or not stop.is_set()):
            yield [_text(self._rest)]

    def _complete_lines(self, block: bytes) -> list[str]:
        ended, newline, self._rest = (self._rest + block).rpartition(b"\n")
        self._rest = self._rest[:_MAX_LINE_BYTES]
        return [_text(line) for line in ended.split(b"\n")] if newline else []

    def _read_file(self, stop: Event) -> Iterator[bytes]:
        while not stop.is_set():
            with open(self._path, "rb", buffering=0) as file:
                while not stop.is_set():
                    if block := file.read(_BLOCK):
                        yield block
                    elif not self._follow:
                        return
                    elif self._was_replaced(file):
                        yield file.read()  # added since the last read
                        break
                    else:
                        stop.wait(_POLL_SECONDS)
            if not stop.is_set():
                _log.info("%s was replaced or truncated; reading it from the start.", self.label)
                yield b"\n"

    def _was_replaced(self, file: FileIO) -> bool:
        """Return whether the name now refers to another file, or the file is shorter than what was read."""
        try:
            current = os.stat(self._path)
        except FileNotFoundError:
            return False  # the new file does not exist yet
        if not os.path.samestat(current, os.fstat(file.fileno())):
            return True
        return current.st_size < file.tell()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").removesuffix("\r")


def _check_regular(argument: str) -> None:
    try:
        mode = os.stat(argument).st_mode
    except OSError as error:
        raise UsageError(f"{argument} cannot be read: {error.strerror or error}.") from None
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"{argument} is not a regular file.", "Pipe it in: ... | stockctl stream --source ndjson --file -"
        )


TICK_ITEMS = 500


class NdjsonSource:
    """Yields quotes that another program writes, one JSON object a line, as they arrive.

    An object has the fields ``timestamp``, ``date`` or ``datetime``; ``symbol`` or ``ticker``; ``price`` or
    ``close``; it may have ``open``, ``high``, ``low``, ``volume`` and ``previous_close``. Nothing is
    sorted: the feed must have the quotes of each symbol in order of time. An invalid line becomes a
    ``Rejection`` with the origin ``ndjson:<feed>#<line>`` and its text.

    Args:
        argument: the name of a regular file, or ``-`` for standard input.
        follow: wait for more at the end of the file, until stopped.
        symbols: the symbols to send; None means all.
        timezone: the time zone of naive times.
        clock: returns the current time, for ``observed_at``.

    Raises:
        UsageError: the argument is not a regular file, or there is no such time zone.
        InvalidQuote: a symbol has invalid characters.
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
        self._reader = LineReader(argument, follow=follow)
        selected = None if symbols is None else frozenset(map(parse_symbol, symbols))
        self._validator = RowValidator(selected, timestamp_parser(timezone))
        self._objects = ObjectReader()
        self._clock = clock
        self._line_number = 0

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield quotes as they arrive; after a stop, the rest of what was already read.

        Raises:
            SourceError: the feed cannot be read.
        """
        for lines in self._reader.lines(stop):
            items = self._items(lines)
            while tick := list(islice(items, TICK_ITEMS)):
                yield tick

    def _items(self, lines: list[str]) -> Iterator[Quote | Rejection]:
        observed_at = format_timestamp(self._clock())
        for line in lines:
            self._line_number += 1
            if line.strip() and (item := self._item(line, observed_at)) is not None:
                yield item

    def _item(self, line: str, observed_at: str) -> Quote | Rejection | None:
        try:
            values = self._validator.validate(self._objects.values(line))
        except InvalidQuote as reason:
            data = line[:MAX_ROW].encode("utf-8", "surrogateescape")
            return Rejection(data, f"{self.name}:{self._reader.label}#{self._line_number}", str(reason))
        return None if values is None else _quote(values, observed_at)


def _quote(values: Values, observed_at: str) -> Quote:
    symbol, timestamp, price, *prices, volume = values
    previous_close, opening, high, low = (Decimal(text) if text else None for text in prices)
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
