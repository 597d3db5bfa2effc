"""The source ``replay``: loads files, sorts their rows, and plays them back."""

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
from stockctl.market.errors import InvalidQuote
from stockctl.market.quote import Quote
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import NEW_YORK
from stockctl.sources.base import SourceStopped, Tick
from stockctl.sources.formats.csv import CsvRows
from stockctl.sources.formats.fields import RowValidator, timestamp_parser
from stockctl.sources.formats.files import Format, Input, check_arguments, detect_format, resolve_inputs
from stockctl.sources.formats.ndjson import NdjsonRows
from stockctl.sources.replay.playback import Pacer, QuoteBuilder, check_speed, paced_ticks
from stockctl.sources.replay.staging import LineSorter, RejectionFile, RowSource, Staging, Workspace

_log = logging.getLogger("stockctl.sources.replay")


class LoadedRows(NamedTuple):
    """The loaded rows of all files."""

    rejections: RejectionFile
    rows: LineSorter
    row_count: int
    """How many valid rows there are."""
    files_without_close: Collection[int]
    """The numbers of the files without a column ``previous_close``."""


class Loader:
    """Loads files into a temporary folder.

    Args:
        folder: the folder; the caller removes it.
        validator: validates rows.
        on_progress: called from time to time with a short text.
        stop: ends the loading.
    """

    def __init__(
        self, folder: Path, validator: RowValidator, on_progress: Callable[[str], None], stop: Event
    ) -> None:
        self._folder = folder
        self._validator = validator
        self._on_progress = on_progress
        self._stop = stop

    def load(self, files: Sequence[str]) -> LoadedRows:
        """Load ``files``, one after the other.

        Raises:
            SourceError: a file cannot be used.
            SourceStopped: the stop event was set.
            OSError: the disk is full.
        """
        sorter = LineSorter(self._folder, self._stop)
        with closing(RejectionFile(self._folder / "rejected.ndjson")) as rejections:
            staging = Staging(sorter, rejections, self._validator, self._on_progress)
            sources = [self._stage(name, index, staging) for index, name in enumerate(files)]
        self._log_summary(sources, staging, rejections)
        return LoadedRows(rejections, sorter, staging.count, staging.files_without_close)

    def _stage(self, name: str, index: int, staging: Staging) -> Input:
        source = resolve_inputs(name, self._folder / f"spooled-{index}", self._stop)
        self._on_progress(f"reading {source.label}")
        if not staging.add(source, index, self._rows(source, index), self._stop):
            _log.warning("%s has no rows.", source.label)
        return source

    def _rows(self, source: Input, index: int) -> RowSource:
        file_format = detect_format(source)
        if file_format is Format.PARQUET:
            from stockctl.sources.formats.parquet import ParquetRows

            return ParquetRows(source, self._folder, index)
        return NdjsonRows(source) if file_format is Format.NDJSON else CsvRows(source)

    def _log_summary(self, sources: Sequence[Input], staging: Staging, rejections: RejectionFile) -> None:
        _log.info(
            "%d rows to replay; %d invalid, %d skipped (other symbols).",
            staging.count,
            rejections.count,
            staging.skipped,
        )
        if staging.files_without_close and staging.count:
            labels = [sources[index].label for index in sorted(staging.files_without_close)]
            _log.info(
                "%s %s no previous_close column; using the last close of the day before.",
                ", ".join(labels),
                "has" if len(labels) == 1 else "have",
            )
        if self._validator.missing_symbols:
            _log.warning("No file has a row for %s.", ", ".join(sorted(self._validator.missing_symbols)))


TICK_ITEMS = 500
"""The largest number of items in a tick."""


class ReplaySource:
    """Replays the rows of all files in order of time; the files need not be sorted.

    The files are CSV, NDJSON (both may be gzip-compressed) or Parquet, detected by their content. A file
    has the columns ``timestamp``, ``date`` or ``datetime``; ``symbol`` or ``ticker``; ``price`` or
    ``close`` (the first one found counts); it may have ``open``, ``high``, ``low``, ``volume`` and
    ``previous_close``. If a file has no ``previous_close``, it is the last price of the symbol on its
    latest earlier New York date in all files. Rows with the same time keep the order of the files, then of
    the rows.

    An invalid row becomes a ``Rejection`` with the origin ``replay:<file name>#<record number>``. Records
    are counted from 1, without the header and blank lines. Its data is the text of the row, or its fields
    as JSON if the file has no text. Rejections come before the quotes.

    From ``prepare`` on the source has a private temporary folder, as large as the rows of the files. It is
    removed when ``ticks`` ends, on ``close``, and at the end of a ``with`` block. The folder of a killed
    replay is removed by the next one.

    Args:
        files: names of local regular files, without patterns; ``-`` is standard input.
        symbols: the symbols to send; None means all.
        timezone: the time zone of naive times; a date without a time means 16:00 there.
        speed: the factor by which it is faster than real time; 0 is as fast as possible.
        on_progress: called from time to time with a short text about what ``prepare`` does.
        clock: seconds that only go forward, for the speed.

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
        self._symbols = None if symbols is None else frozenset(map(_parse_symbol, symbols))
        self._parse_time = timestamp_parser(timezone)
        self._speed = speed
        self._on_progress = on_progress or _ignore
        self._clock = clock
        self._workspace: Workspace | None = None
        self._loaded: LoadedRows | None = None
        self.expected: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary folder; call it any number of times."""
        self._loaded = None
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None

    def prepare(self, stop: Event | None = None) -> None:
        """Load all files and set ``expected``; does nothing if they are loaded already.

        If ``stop`` is set meanwhile, it returns early and removes its folder.

        Raises:
            UsageError: an argument is not a regular file.
            SourceError: a file is empty, damaged, or has no column for symbol, time or price; or the disk
                is full.
        """
        if self._loaded is not None:
            return
        check_arguments(self._files)
        try:
            self._workspace = Workspace()
            validator = RowValidator(self._symbols, self._parse_time)
            loader = Loader(self._workspace.path, validator, self._on_progress, stop or Event())
            self._loaded = loader.load(self._files)
            self.expected = self._loaded.rejections.count + self._loaded.row_count
        except SourceStopped:
            _log.debug("Stopped while loading files.")
        except OSError as error:
            raise SourceError(
                f"The files cannot be copied to the temporary folder: {error.strerror or error}.",
                "Free some space there, or set TMPDIR to another folder.",
            ) from error
        finally:
            if self._loaded is None:
                self.close()

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield rejections, then quotes in order of time, until there are no more or ``stop`` is set.

        With a speed, quotes with the same time come when they are due, at most ``TICK_ITEMS`` at once.

        Raises:
            UsageError, SourceError: as ``prepare`` does; or the temporary folder cannot be read.
        """
        try:
            self.prepare(stop)
            if self._loaded is None:
                return
            with closing(self._all_ticks(self._loaded, stop)) as ticks:
                for tick in ticks:
                    if stop.is_set():
                        return
                    yield tick
        finally:
            self.close()

    def _all_ticks(self, loaded: LoadedRows, stop: Event) -> Generator[Tick, None, None]:
        yield from loaded.rejections.chunks(TICK_ITEMS)
        chunks = self._quotes(loaded)
        if self._speed:
            pacer = Pacer(self._speed, stop, self._clock)
            yield from paced_ticks(chain.from_iterable(chunks), pacer, TICK_ITEMS)
        else:
            yield from chunks

    def _quotes(self, loaded: LoadedRows) -> Iterator[list[Quote]]:
        builder = QuoteBuilder(loaded.files_without_close)
        try:
            with closing(loaded.rows.lines()) as lines:
                while quotes := builder.quotes(islice(lines, TICK_ITEMS)):
                    yield quotes
        except OSError as error:
            raise SourceError(
                f"The rows cannot be read back from the temporary folder: {error.strerror or error}.",
                "Run the replay again: quotes that were stored already are not stored twice.",
            ) from error


def _parse_symbol(symbol: str) -> str:
    try:
        return parse_symbol(symbol)
    except InvalidQuote as reason:
        raise UsageError(f"{reason}.", "Pass symbols separated by commas, such as AAPL,MSFT.") from None


def _ignore(_: str) -> None:
    """Do nothing with a progress text."""
