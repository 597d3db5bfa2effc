"""Rows from NDJSON files."""

import json
from collections.abc import Iterator, Sequence
from threading import Event
from typing import NoReturn

from stockctl.errors import SourceError
from stockctl.market.errors import InvalidQuote
from stockctl.sources.formats.fields import ColumnPicker, Values, find_columns, require_columns
from stockctl.sources.formats.files import FORMATS_HINT, MAX_ROW, Input, open_text, read_lines

_MAX_CACHED_LAYOUTS = 256  # a layout is the field names of an object; a feed has a few
_TEXTS = frozenset({str, type(None)})


class ObjectReader:
    """Reads JSON objects, whose field names are used as columns.

    Prices and volume are numbers, or texts that contain a number; the time is a text. Null means the same
    as a missing field.
    """

    def __init__(self) -> None:
        self._layouts: dict[tuple[str, ...], ColumnPicker] = {}
        self.usable = False
        """Whether any object so far had a symbol, a time and a price."""
        self.has_previous_close = False
        """Whether any object so far had a previous close."""
        self.first_reason: InvalidQuote | None = None
        """Why the first invalid line is invalid."""

    def values(self, line: str) -> Values:
        """Return the values of the object in ``line``.

        Raises:
            InvalidQuote: it is not a usable object.
        """
        try:
            return self._values(line)
        except InvalidQuote as reason:
            self.first_reason = self.first_reason or reason
            raise

    def _values(self, line: str) -> Values:
        if len(line) > MAX_ROW:
            raise InvalidQuote(f"row is longer than {MAX_ROW} characters")
        pairs = _decode(line)
        if type(pairs) is not tuple:
            raise InvalidQuote("not a JSON object")
        names, cells = zip(*pairs, strict=True) if pairs else ((), ())
        pick = self._layouts.get(names) or self._add_layout(names)
        values = pick((*cells, ""))
        if not _TEXTS.issuperset(map(type, values)):
            values = _as_texts(values)
        return [value or "" for value in values]

    def _add_layout(self, names: tuple[str, ...]) -> ColumnPicker:
        columns = find_columns(names)
        try:
            require_columns(columns, names)
            self.usable = True
        except InvalidQuote as reason:  # its values raise it again
            self.first_reason = self.first_reason or reason
        self.has_previous_close |= columns.has("previous_close")
        if len(self._layouts) < _MAX_CACHED_LAYOUTS:
            self._layouts[names] = columns.pick
        return columns.pick


def _as_texts(values: Sequence[object]) -> Values:
    """Return ``values`` with invalid texts in place of booleans, arrays and objects."""
    if type(values[0]) not in _TEXTS:
        raise InvalidQuote(f"symbol {_describe(values[0])} is not text")
    return ["" if value is None else _describe(value) for value in values]


def _describe(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "[...]" if isinstance(value, list) else "{...}"


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidQuote(f"{name} is not a JSON number")


# Numbers stay texts; an object becomes a tuple of pairs, so that a duplicate field is noticed.
_decode_text = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_refuse_constant, object_pairs_hook=tuple
).decode


def _decode(line: str) -> object:
    try:
        return _decode_text(line)
    except json.JSONDecodeError as error:
        raise InvalidQuote(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise InvalidQuote("not a quote: nested too deeply") from None


class NdjsonRows:
    """A file of JSON objects, one a line. Blank lines are ignored."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._reader = ObjectReader()

    @property
    def lacks_previous_close(self) -> bool:
        """Whether no object of the file has such a field; known after the last row was read."""
        return not self._reader.has_previous_close

    def rows(self, stop: Event) -> Iterator[tuple[Values | InvalidQuote, str]]:
        """Yield the values of each object, or why it is invalid, with the text of its line.

        Raises:
            SourceError: the file cannot be read, is damaged, or (at its end) had no object with symbol,
                time and price.
            SourceStopped: ``stop`` was set.
        """
        with open_text(self._source) as stream:
            for line in read_lines(stream, stop):
                if line.strip():
                    yield self._read(line), line
        if not self._reader.usable:
            raise SourceError(
                f"{self._source.argument} cannot be replayed, no line of it is a JSON object with time, "
                f"symbol and price: {self._reader.first_reason}.",
                FORMATS_HINT,
            )

    def _read(self, line: str) -> Values | InvalidQuote:
        try:
            return self._reader.values(line)
        except InvalidQuote as reason:
            return reason
