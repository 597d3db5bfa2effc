"""The rows of an NDJSON file: one JSON object a line."""

from collections.abc import Iterator
from threading import Event

from stockctl.errors import SourceError
from stockctl.market.refusal import Refusal
from stockctl.sources.replay.columns import Values
from stockctl.sources.replay.inputs import FORMATS_HINT, Input, open_text
from stockctl.sources.replay.lines import read_lines
from stockctl.sources.replay.ndjson_objects import ObjectReader


class NdjsonRows:
    """A file of JSON objects, one a line. Blank lines are no rows."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._reader = ObjectReader()

    @property
    def lacks_previous_close(self) -> bool:
        """Whether no object of the file has that name; known once the last row was read."""
        return not self._reader.has_previous_close

    def rows(self, stop: Event) -> Iterator[tuple[Values | Refusal, str]]:
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

    def _read(self, line: str) -> Values | Refusal:
        try:
            return self._reader.values(line)
        except Refusal as reason:
            return reason
