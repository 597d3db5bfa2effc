"""A feed of lines as a source of quotes."""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from threading import Event

from stockctl.market.quote import Quote
from stockctl.market.refusal import Refusal
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import NEW_YORK, format_timestamp
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import Tick
from stockctl.sources.ndjson.feed import LineFeed
from stockctl.sources.replay.columns import Values
from stockctl.sources.replay.lines import MAX_ROW
from stockctl.sources.replay.moments import moment_reader
from stockctl.sources.replay.ndjson_objects import ObjectReader
from stockctl.sources.replay.rows import RowCheck

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
        Refusal: a symbol has characters that no symbol has.
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
        self._feed = LineFeed(argument, follow=follow)
        wanted = None if symbols is None else frozenset(map(parse_symbol, symbols))
        self._check = RowCheck(wanted, moment_reader(timezone))
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
        except Refusal as reason:
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
