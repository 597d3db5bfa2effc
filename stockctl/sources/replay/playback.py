"""Sorted rows as quotes: previous closes filled in, paced by market time."""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from threading import Event
from zoneinfo import ZoneInfo

from stockctl.errors import UsageError
from stockctl.formatting import format_age
from stockctl.market.quote import Quote
from stockctl.market.timestamp import NEW_YORK, format_timestamp, new_york_date, to_datetime


class _Session:
    """What is known of a symbol's newest session."""

    __slots__ = ("date", "last_price", "last_timestamp", "previous_close")

    def __init__(self, date: str, timestamp: str, price: Decimal, previous_close: Decimal | None) -> None:
        self.date = date
        self.last_timestamp = timestamp
        self.last_price = price
        self.previous_close = previous_close


class PreviousCloseTracker:
    """The last price of each symbol's latest earlier New York date.

    Rows have to pass in order of time, which is why one look at each is enough. Of rows with the same
    symbol and timestamp the first one counts.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._date = ""
        self._date_ends = ""

    def pass_by(self, symbol: str, timestamp: str, price: Decimal) -> Decimal | None:
        """Take the next row, and return the close of the session before its own."""
        if timestamp >= self._date_ends:
            self._date = new_york_date(timestamp)
            self._date_ends = _end_of(self._date)
        session = self._sessions.get(symbol)
        if session is None:
            self._sessions[symbol] = _Session(self._date, timestamp, price, None)
            return None
        if session.date != self._date:
            session.date = self._date
            session.previous_close = session.last_price
            session.last_timestamp = timestamp
            session.last_price = price
        elif session.last_timestamp != timestamp:
            session.last_timestamp = timestamp
            session.last_price = price
        return session.previous_close


def _end_of(day: str) -> str:
    """Return the timestamp at which the date ends in New York."""
    if day == date.max.isoformat():
        return "~"  # sorts behind every timestamp
    midnight = datetime.fromisoformat(day) + timedelta(days=1)
    return format_timestamp(midnight.replace(tzinfo=ZoneInfo(NEW_YORK)))


class QuoteBuilder:
    """Makes quotes of staged lines that pass in order.

    Args:
        deriving: the numbers of the files whose rows get their previous close from the session before.
    """

    def __init__(self, deriving: Collection[int]) -> None:
        self._deriving = deriving
        self._closes = PreviousCloseTracker()

    def quotes(self, lines: Iterable[str]) -> list[Quote]:
        """Return the quotes of the next lines."""
        return [self._quote(line) for line in lines]

    def _quote(self, line: str) -> Quote:
        timestamp, _, file, symbol, price_text, close_text, opening, high, low, volume = line[:-1].split("\t")
        price = Decimal(price_text)
        close = Decimal(close_text) if close_text else None
        if self._deriving:
            # Every row passes, because one of this file may be the session before one of another.
            derived = self._closes.pass_by(symbol, timestamp, price)
            if int(file) in self._deriving:
                close = derived
        return Quote(
            symbol,
            timestamp,
            price,
            close,
            Decimal(opening) if opening else None,
            Decimal(high) if high else None,
            Decimal(low) if low else None,
            int(volume) if volume else None,
            "replay",
            None,
        )


_LOG = logging.getLogger("stockctl.sources.replay")
_LONGEST_WAIT = 3600.0  # seconds; an event cannot wait for ever
_LOG_WAITS_FROM = 60.0  # seconds


def check_speed(speed: float) -> None:
    """Make sure that ``speed`` is 0 or a positive number.

    Raises:
        UsageError: it is not.
    """
    if not 0 <= speed < math.inf:
        raise UsageError(
            f"A replay cannot have the speed {speed}.",
            "Give 0 (as fast as possible), 1 (real time), or 60 (a minute a second).",
        )


class Pacer:
    """Tells and awaits when moments are due: ``speed`` times as fast as they were, from the first on.

    Args:
        speed: above 0.
        stop: ends every wait.
        clock: seconds that only go forward.
    """

    def __init__(self, speed: float, stop: Event, clock: Callable[[], float]) -> None:
        self._speed = speed
        self._stop = stop
        self._clock = clock
        self._start: tuple[float, float] | None = None
        self._reached = ""

    def is_due(self, timestamp: str) -> bool:
        """Tell whether ``timestamp`` is reached; moments have to come in order."""
        return timestamp == self._reached or self._rest(timestamp) <= 0

    def wait_for(self, timestamp: str) -> bool:
        """Wait until ``timestamp`` is due; False means that ``stop`` came first."""
        rest = self._rest(timestamp)
        if rest >= _LOG_WAITS_FROM:
            _LOG.info("the next quotes, of %s, are due in %s", timestamp, format_age(rest))
        while rest > 0:
            if self._stop.wait(min(rest, _LONGEST_WAIT)):
                return False
            rest = self._rest(timestamp)
        self._reached = timestamp
        return not self._stop.is_set()

    def _rest(self, timestamp: str) -> float:
        """Return the seconds until ``timestamp`` is due; the first one asked for is due at once."""
        moment, now = to_datetime(timestamp).timestamp(), self._clock()
        if self._start is None:
            self._start = moment, now
        first, began = self._start
        return began + (moment - first) / self._speed - now


def paced_ticks(quotes: Iterable[Quote], pacer: Pacer, most: int) -> Iterator[list[Quote]]:
    """Yield quotes when they are due: those of a moment together, with any that are overdue.

    A tick has at most ``most`` quotes. The iterator ends early when the pacer is stopped.
    """
    tick: list[Quote] = []
    for quote in quotes:
        if len(tick) >= most or not pacer.is_due(quote.timestamp):
            if tick:
                yield tick
                tick = []
            if not pacer.wait_for(quote.timestamp):
                return
        tick.append(quote)
    if tick:
        yield tick
