"""From files of many kinds to checked rows in order of time, and a spill of refused ones."""

import json
from collections.abc import Callable, Iterator
from threading import Event
from typing import Protocol

from stockctl.market.refusal import Refusal
from stockctl.pipeline.ports import Rejection
from stockctl.sources.replay.columns import FIELDS, Values
from stockctl.sources.replay.inputs import Input
from stockctl.sources.replay.lines import MAX_ROW
from stockctl.sources.replay.ordering import LineSorter
from stockctl.sources.replay.rows import RowCheck
from stockctl.sources.replay.spill import RejectionSpill

_PROGRESS_ROWS = 50_000


class RowSource(Protocol):
    """A file of some format, as rows."""

    @property
    def lacks_previous_close(self) -> bool:
        """Whether the file has no such column; known once all rows were read."""

    def rows(self, stop: Event) -> Iterator[tuple[Values | Refusal, str | None]]:
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
        self, sorter: LineSorter, spill: RejectionSpill, check: RowCheck, on_progress: Callable[[str], None]
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
                if isinstance(values, Refusal):
                    raise values
                checked = check(values)
            except Refusal as reason:
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


def _rejection(values: Values | Refusal, text: str | None, origin: str, reason: str) -> Rejection:
    if text is None:
        return Rejection(_as_json(values), origin, reason)
    data = text[:MAX_ROW].encode("utf-8", "surrogateescape")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text (byte {error.start + 1} is {data[error.start]:#04x}): {reason}"
    return Rejection(data, origin, reason)


def _as_json(values: Values | Refusal) -> bytes:
    fields = {} if isinstance(values, Refusal) else dict(zip(FIELDS, values, strict=True))
    return json.dumps({field: value for field, value in fields.items() if value}).encode("ascii")
