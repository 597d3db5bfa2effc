"""Replays files as a source: loads, sorts and plays them back."""

import logging
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import NamedTuple, Self

from stockctl.errors import SourceError, UsageError
from stockctl.market.quote import Quote
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import NEW_YORK
from stockctl.market.validation import InvalidQuote
from stockctl.sources.base import SourceStopped, Tick
from stockctl.sources.formats.csv import CsvRows
from stockctl.sources.formats.fields import RowValidator, timestamp_parser
from stockctl.sources.formats.files import (
    Format,
    Input,
    check_arguments,
    detect_format,
    resolve_inputs,
)
from stockctl.sources.formats.ndjson import NdjsonRows
from stockctl.sources.replay.playback import Pacer, QuoteBuilder, check_speed, paced_ticks
from stockctl.sources.replay.staging import LineSorter, RejectionFile, RowSource, Staging, Workspace

_LOG = logging.getLogger("stockctl.sources.replay")


class LoadedRows(NamedTuple):
    """What is ready to be sent."""

    spill: RejectionFile
    rows: LineSorter
    """Staged lines."""
    quotes: int
    """How many rows there are."""
    deriving: Collection[int]
    """The numbers of the files whose previous closes come from the session before."""


class Loader:
    """Reads files into a private folder.

    Args:
        folder: where to put things; the caller removes it.
        check: the check of a row.
        on_progress: told, now and then, what is being done.
        stop: ends the reading.
    """

    def __init__(
        self, folder: Path, check: RowValidator, on_progress: Callable[[str], None], stop: Event
    ) -> None:
        self._folder = folder
        self._check = check
        self._on_progress = on_progress
        self._stop = stop

    def run(self, files: Sequence[str]) -> LoadedRows:
        """Read ``files``, one after the other.

        Raises:
            SourceError: a file is refused.
            Stopped: the stop event was set.
            OSError: the folder has no room.
        """
        sorter = LineSorter(self._folder, self._stop)
        with closing(RejectionFile(self._folder / "rejected.ndjson")) as spill:
            staging = Staging(sorter, spill, self._check, self._on_progress)
            sources = [self._stage(name, index, staging) for index, name in enumerate(files)]
        self._report(sources, staging, spill)
        return LoadedRows(spill, sorter, staging.count, staging.deriving)

    def _stage(self, name: str, index: int, staging: Staging) -> Input:
        source = resolve_inputs(name, self._folder / f"spooled-{index}", self._stop)
        self._on_progress(f"reading {source.label}")
        if not staging.add(source, index, self._rows(source, index), self._stop):
            _LOG.warning("%s has no rows", source.label)
        return source

    def _rows(self, source: Input, index: int) -> RowSource:
        found = detect_format(source)
        if found is Format.PARQUET:
            from stockctl.sources.formats.parquet import ParquetRows

            return ParquetRows(source, self._folder, index)
        return NdjsonRows(source) if found is Format.NDJSON else CsvRows(source)

    def _report(self, sources: Sequence[Input], staging: Staging, spill: RejectionFile) -> None:
        _LOG.info(
            "%d rows to replay; %d cannot be read, %d are of other symbols",
            staging.count,
            spill.count,
            staging.unwanted,
        )
        if staging.deriving and staging.count:
            labels = ", ".join(sources[index].label for index in sorted(staging.deriving))
            _LOG.info("previous closes come from the session before, for want of a column in %s", labels)
        if self._check.absent:
            _LOG.warning("no file has a row of %s", ", ".join(sorted(self._check.absent)))


TICK_ITEMS = 500
"""A tick has at most so many items."""


class ReplaySource:
    """Replays the rows of files in order of time, whatever their order in and across the files.

    The files are CSV, NDJSON (both may be gzip-compressed) or Parquet, told by their content. A file
    has the columns ``timestamp``, ``date`` or ``datetime``; ``symbol`` or ``ticker``; ``price`` or
    ``close`` (the first of each that is there counts); it may have ``open``, ``high``, ``low``, ``volume``
    and ``previous_close``. Where a file has no ``previous_close``, it is the last price of the symbol's
    latest earlier New York date in all the files. Ties of time go by the order of the files, then of the
    rows.

    A row that cannot be read becomes a ``Rejection``; its origin is ``replay:<file name>#<record
    number>``. Records are counted from 1, without the header and without blank lines; its bytes are the
    row's text, or JSON of its fields where the file holds no text. Rejections come ahead of the quotes.

    The source keeps a private temporary folder from ``prepare`` on, as large as the rows of the files.
    It is removed when ``ticks`` ends, on ``close``, and at the end of a ``with`` block; that of a replay that
    was killed, by the next one.

    Args:
        files: names of local regular files, taken literally; ``-`` is standard input.
        symbols: which symbols to send; None means all.
        timezone: where naive times are at home; a bare date is 16:00 there.
        speed: how many times faster than it was; 0 is as fast as possible.
        on_progress: told in a few words, now and then, what ``prepare`` is doing.
        clock: seconds that only go forward, for the pace.

    Raises:
        UsageError: a symbol, the time zone or the speed cannot be used.
    """

    name = "replay"
    repeatable = True

    def __init__(
        self,
        files: Sequence[str],
        *,
        symbols: Collection[str] | None = None,
        timezone: str = NEW_YORK,
        speed: float = 0.0,
        on_progress: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_speed(speed)
        self._files = tuple(files)
        self._symbols = None if symbols is None else frozenset(map(_wanted, symbols))
        self._moment = timestamp_parser(timezone)
        self._speed = speed
        self._on_progress = on_progress or _ignore
        self._clock = clock
        self._folder: Workspace | None = None
        self._prepared: LoadedRows | None = None
        self.expected: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary folder; a second call does nothing."""
        self._prepared = None
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def prepare(self, stop: Event | None = None) -> None:
        """Read all files to their end and set ``expected``; nothing happens when that is done already.

        When ``stop`` is set meanwhile, it returns early and leaves nothing behind.

        Raises:
            UsageError: an argument is no regular file.
            SourceError: a file is empty, damaged, or has no column for symbol, time or price; or there
                is no room for the temporary folder.
        """
        if self._prepared is not None:
            return
        check_arguments(self._files)
        try:
            self._folder = Workspace()
            check = RowValidator(self._symbols, self._moment)
            preparation = Loader(self._folder.path, check, self._on_progress, stop or Event())
            self._prepared = preparation.run(self._files)
            self.expected = self._prepared.spill.count + self._prepared.quotes
        except SourceStopped:
            _LOG.debug("stopped while files were being read")
        except OSError as error:
            raise SourceError(
                f"The files cannot be copied into the temporary folder: {error.strerror or error}.",
                "Make room there, or set TMPDIR to a folder that has some.",
            ) from error
        finally:
            if self._prepared is None:
                self.close()

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield rejections, then quotes in order of time; end when there are no more or ``stop`` is set.

        With a speed the quotes of a moment come when they are due, at most ``TICK_ITEMS`` at once.

        Raises:
            UsageError, SourceError: as ``prepare`` does; or the temporary folder cannot be read.
        """
        try:
            self.prepare(stop)
            if self._prepared is None:
                return
            with closing(self._all_ticks(self._prepared, stop)) as ticks:
                for tick in ticks:
                    if stop.is_set():
                        return
                    yield tick
        finally:
            self.close()

    def _all_ticks(self, prepared: LoadedRows, stop: Event) -> Generator[Tick, None, None]:
        yield from prepared.spill.chunks(TICK_ITEMS)
        chunks = self._quotes(prepared)
        if self._speed:
            pacer = Pacer(self._speed, stop, self._clock)
            yield from paced_ticks(chain.from_iterable(chunks), pacer, TICK_ITEMS)
        else:
            yield from chunks

    def _quotes(self, prepared: LoadedRows) -> Iterator[list[Quote]]:
        maker = QuoteBuilder(prepared.deriving)
        try:
            with closing(prepared.rows.lines()) as lines:
                while quotes := maker.quotes(islice(lines, TICK_ITEMS)):
                    yield quotes
        except OSError as error:
            raise SourceError(
                f"The rows cannot be read back from the temporary folder: {error.strerror or error}.",
                "Run the replay again: what has arrived counts once.",
            ) from error


def _wanted(symbol: str) -> str:
    try:
        return parse_symbol(symbol)
    except InvalidQuote as reason:
        raise UsageError(f"{reason}.", "Name symbols separated by commas, such as AAPL,MSFT.") from None


def _ignore(_: str) -> None:
    """Take a word on the progress, for want of somebody to tell."""
