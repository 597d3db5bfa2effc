"""Rows from CSV files."""

import csv
from collections import deque
from collections.abc import Iterator
from threading import Event
from typing import NamedTuple

from stockctl.errors import SourceError
from stockctl.market.errors import InvalidQuote
from stockctl.sources.formats.fields import Columns, Values, find_columns, require_columns
from stockctl.sources.formats.files import FORMATS_HINT, MAX_ROW, Input, open_text, read_lines

_DELIMITERS = ",;\t"
_MAX_LINES = 100  # of one record, so that an unclosed quote does not swallow all further rows


class CsvRows:
    """A CSV file with a header, separated by commas, or by semicolons or tabs if the header needs them.

    Cells may be in double quotes, and contain line breaks then. Blank lines are ignored.
    """

    def __init__(self, source: Input) -> None:
        self._source = source
        self._columns: Columns | None = None

    @property
    def lacks_previous_close(self) -> bool:
        """Whether the file has no such column; known after the first row was read."""
        return self._columns is not None and not self._columns.has("previous_close")

    def rows(self, stop: Event) -> Iterator[tuple[Values | InvalidQuote, str]]:
        """Yield the values of each row, or why it is invalid, with its text.

        Raises:
            SourceError: the file cannot be read, is damaged, or has no usable header.
            SourceStopped: ``stop`` was set.
        """
        with open_text(self._source) as stream:
            lines = read_lines(stream, stop)
            header = next((line for line in lines if line.strip()), "")
            layout = self._read_header(header, lines)
            self._columns = layout.columns
            pick = layout.columns.pick
            for cells, text in _records(lines, layout):
                if isinstance(cells, InvalidQuote):
                    yield cells, text
                else:
                    cells.append("")
                    yield pick(cells), text

    def _read_header(self, first: str, lines: Iterator[str]) -> "_Layout":
        if not first:
            raise SourceError(f"{self._source.argument} is empty.", FORMATS_HINT)
        header = first if _is_closed(first) else _join_quoted(first, lines)[0]
        reasons: dict[int, InvalidQuote] = {}
        for delimiter in _DELIMITERS:
            names = _parse(header, delimiter)
            try:
                if isinstance(names, InvalidQuote):
                    raise names
                columns = find_columns(names)
                require_columns(columns, names)
                return _Layout(delimiter, columns)
            except InvalidQuote as reason:
                reasons.setdefault(0 if isinstance(names, InvalidQuote) else len(names), reason)
        raise SourceError(
            f"{self._source.argument} cannot be replayed: {reasons[max(reasons)]}.", FORMATS_HINT
        )


class _Layout(NamedTuple):
    delimiter: str
    columns: Columns

    def values(self, cells: list[str]) -> Values:
        return self.columns.pick([*cells, ""])


def _records(lines: Iterator[str], layout: _Layout) -> Iterator[tuple[list[str] | InvalidQuote, str]]:
    delimiter, width = layout.delimiter, layout.columns.width
    pushed_back: deque[str] = deque()
    while (line := pushed_back.popleft() if pushed_back else next(lines, None)) is not None:
        if len(line) > MAX_ROW:
            yield InvalidQuote(f"row is longer than {MAX_ROW} characters"), line
        elif '"' in line:
            yield _quoted_record(line, lines, pushed_back, layout)
        else:
            cells = line.split(delimiter)
            if len(cells) == width:
                yield cells, line
            elif line.strip():
                yield _wrong_width(cells, width), line


def _quoted_record(
    line: str, lines: Iterator[str], pushed_back: deque[str], layout: _Layout
) -> tuple[list[str] | InvalidQuote, str]:
    """Return the record that starts with ``line``; lines read that do not belong to it are pushed back."""
    cells = _check_row(line, layout)
    if not isinstance(cells, InvalidQuote) or _is_closed(line):
        return cells, line
    text, taken = _join_quoted(line, _with_pushed_back(pushed_back, lines))
    whole = _check_row(text, layout)
    # No field may contain a line break: if one does, a closing quote is missing.
    if not isinstance(whole, InvalidQuote) and not any("\n" in value for value in layout.values(whole)):
        return whole, text
    pushed_back.extendleft(reversed(taken))
    return cells, line


def _with_pushed_back(pushed_back: deque[str], lines: Iterator[str]) -> Iterator[str]:
    while pushed_back:
        yield pushed_back.popleft()
    yield from lines


def _join_quoted(first: str, lines: Iterator[str]) -> tuple[str, list[str]]:
    """Return ``first`` joined with the lines up to the one that closes its quotes, and those lines."""
    taken: list[str] = []
    quotes, length = first.count('"'), len(first)
    while quotes % 2 and len(taken) < _MAX_LINES and length <= MAX_ROW:
        line = next(lines, None)
        if line is None:
            break
        taken.append(line)
        quotes += line.count('"')
        length += len(line) + 1
    return "\n".join([first, *taken]), taken


def _is_closed(text: str) -> bool:
    return text.count('"') % 2 == 0


def _check_row(text: str, layout: _Layout) -> list[str] | InvalidQuote:
    cells = _parse(text, layout.delimiter)
    width = layout.columns.width
    return cells if isinstance(cells, InvalidQuote) or len(cells) == width else _wrong_width(cells, width)


def _parse(text: str, delimiter: str) -> list[str] | InvalidQuote:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        if not _is_closed(text):
            return InvalidQuote("not CSV: a quoted cell is not closed")
        return InvalidQuote(f"not CSV: {error}")


def _wrong_width(cells: list[str], width: int) -> InvalidQuote:
    return InvalidQuote(f"row has {len(cells)} cells where the header has {width}")
