"""Rows from NDJSON files."""

import json
from collections.abc import Iterator, Sequence
from threading import Event
from typing import NoReturn

from stockctl.errors import SourceError
from stockctl.market.validation import InvalidQuote
from stockctl.sources.formats.fields import ColumnPicker, Values, find_columns, require_columns
from stockctl.sources.formats.files import FORMATS_HINT, MAX_ROW, Input, open_text, read_lines

_MAX_SHAPES = 256  # of objects, by their names; a feed has a few
_TEXTS = frozenset({str, type(None)})


class ObjectReader:
    """Reads objects whose names are their columns.

    Prices and volume are numbers or texts of numbers, and time is a text; null and an absent name say
    the same.
    """

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, ...], ColumnPicker] = {}
        self.usable = False
        """Whether any object so far named symbol, time and price."""
        self.has_previous_close = False
        """Whether any object so far had that name."""
        self.first_reason: InvalidQuote | None = None
        """Why the first line without a usable object had none."""

    def values(self, line: str) -> Values:
        """Return the values of the object in ``line``.

        Raises:
            InvalidQuote: there is none.
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
        pick = self._shapes.get(names) or self._learn(names)
        values = pick((*cells, ""))
        if not _TEXTS.issuperset(map(type, values)):
            values = _as_texts(values)
        return [value or "" for value in values]

    def _learn(self, names: tuple[str, ...]) -> ColumnPicker:
        columns = find_columns(names)
        try:
            require_columns(columns, names)
            self.usable = True
        except InvalidQuote as reason:  # what this object lacks is told with its values
            self.first_reason = self.first_reason or reason
        self.has_previous_close |= columns.has("previous_close")
        if len(self._shapes) < _MAX_SHAPES:
            self._shapes[names] = columns.pick
        return columns.pick


def _as_texts(values: Sequence[object]) -> Values:
    """Return ``values`` with texts, which no check passes, in place of booleans, arrays and objects."""
    if type(values[0]) not in _TEXTS:
        raise InvalidQuote(f"symbol {_list_words(values[0])} is not text")
    return ["" if value is None else _list_words(value) for value in values]


def _list_words(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "[...]" if isinstance(value, list) else "{...}"


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidQuote(f"{name} is not a JSON number")


# Numbers stay the text they are; an object becomes a tuple of pairs, so that a name met twice is seen.
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
    """A file of JSON objects, one a line. Blank lines are no rows."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._reader = ObjectReader()

    @property
    def lacks_previous_close(self) -> bool:
        """Whether no object of the file has that name; known once the last row was read."""
        return not self._reader.has_previous_close

    def rows(self, stop: Event) -> Iterator[tuple[Values | InvalidQuote, str]]:
        """Yield the values of each object, or why it has none, with the text of its line.

        Raises:
            SourceError: the file cannot be read, is damaged, or no object of it names symbol, time and
                price, as is known at its end.
            Stopped: ``stop`` was set.
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
