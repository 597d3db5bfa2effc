"""All files of a replay, read to their ends before anything is sent."""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import NamedTuple

from stockctl.sources.replay.csv_rows import CsvRows
from stockctl.sources.replay.inputs import Format, Input, fetch, sniff
from stockctl.sources.replay.ndjson_rows import NdjsonRows
from stockctl.sources.replay.ordering import LineSorter
from stockctl.sources.replay.rows import RowCheck
from stockctl.sources.replay.spill import RejectionSpill
from stockctl.sources.replay.staging import RowSource, Staging

_LOG = logging.getLogger("stockctl.sources.replay")


class Prepared(NamedTuple):
    """What is ready to be sent."""

    spill: RejectionSpill
    rows: LineSorter
    """Staged lines."""
    quotes: int
    """How many rows there are."""
    deriving: Collection[int]
    """The numbers of the files whose previous closes come from the session before."""


class Preparation:
    """Reads files into a private folder.

    Args:
        folder: where to put things; the caller removes it.
        check: the check of a row.
        on_progress: told, now and then, what is being done.
        stop: ends the reading.
    """

    def __init__(
        self, folder: Path, check: RowCheck, on_progress: Callable[[str], None], stop: Event
    ) -> None:
        self._folder = folder
        self._check = check
        self._on_progress = on_progress
        self._stop = stop

    def run(self, files: Sequence[str]) -> Prepared:
        """Read ``files``, one after the other.

        Raises:
            SourceError: a file is refused.
            Stopped: the stop event was set.
            OSError: the folder has no room.
        """
        sorter = LineSorter(self._folder, self._stop)
        with closing(RejectionSpill(self._folder / "rejected.ndjson")) as spill:
            staging = Staging(sorter, spill, self._check, self._on_progress)
            sources = [self._stage(name, index, staging) for index, name in enumerate(files)]
        self._report(sources, staging, spill)
        return Prepared(spill, sorter, staging.count, staging.deriving)

    def _stage(self, name: str, index: int, staging: Staging) -> Input:
        source = fetch(name, self._folder / f"spooled-{index}", self._stop)
        self._on_progress(f"reading {source.label}")
        if not staging.add(source, index, self._rows(source, index), self._stop):
            _LOG.warning("%s has no rows", source.label)
        return source

    def _rows(self, source: Input, index: int) -> RowSource:
        found = sniff(source)
        if found is Format.PARQUET:
            from stockctl.sources.replay.parquet_rows import ParquetRows

            return ParquetRows(source, self._folder, index)
        return NdjsonRows(source) if found is Format.NDJSON else CsvRows(source)

    def _report(self, sources: Sequence[Input], staging: Staging, spill: RejectionSpill) -> None:
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
