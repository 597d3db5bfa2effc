"""Turns sorted rows into quotes, and plays them at the speed of the market."""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import Decimal
from threading import Event

from stockctl.errors import UsageError
from stockctl.formatting import format_age
from stockctl.market.quote import Quote
from stockctl.market.timestamp import to_datetime
from stockctl.sources.replay.previous_close import PreviousCloseTracker

_log = logging.getLogger("stockctl.sources.replay")


class QuoteBuilder:
    """Turns sorted staged lines into quotes.

    Args:
        files_without_close: the numbers of the files whose previous closes come from earlier rows.
    """

    def __init__(self, files_without_close: Collection[int]) -> None:
        self._files_without_close = files_without_close
        self._closes = PreviousCloseTracker()

    def quotes(self, lines: Iterable[str]) -> list[Quote]:
        """Return the quotes of the next lines."""
        return [self._quote(line) for line in lines]

    def _quote(self, line: str) -> Quote:
        timestamp, _, file, symbol, price_text, close_text, opening, high, low, volume = line[:-1].split("\t")
        price = Decimal(price_text)
        close = Decimal(close_text) if close_text else None
        if self._files_without_close:
            # For every row, because a row of this file may be the session before one of another file.
            derived_close = self._closes.update(symbol, timestamp, price)
            if int(file) in self._files_without_close:
                close = derived_close
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


_MAX_WAIT = 3600.0  # seconds; an event has a limit
_LOG_WAITS_FROM = 60.0  # seconds


def check_speed(speed: float) -> None:
    """Check that ``speed`` is 0 or a positive number.

    Raises:
        UsageError: it is not.
    """
    if not 0 <= speed < math.inf:
        raise UsageError(
            f"The speed {speed} is not possible.",
            "Use 0 (as fast as possible), 1 (real time), or 60 (a minute a second).",
        )


class Pacer:
    """Waits until timestamps are due: ``speed`` times faster than real time, from the first one on.

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
        """Return whether ``timestamp`` is due; timestamps must come in order."""
        return timestamp == self._reached or self._wait_time(timestamp) <= 0

    def wait_for(self, timestamp: str) -> bool:
        """Wait until ``timestamp`` is due; return False if ``stop`` was set first."""
        wait = self._wait_time(timestamp)
        if wait >= _LOG_WAITS_FROM:
            _log.info("The next quotes, of %s, are due in %s.", timestamp, format_age(wait))
        while wait > 0:
            if self._stop.wait(min(wait, _MAX_WAIT)):
                return False
            wait = self._wait_time(timestamp)
        self._reached = timestamp
        return not self._stop.is_set()

    def _wait_time(self, timestamp: str) -> float:
        """Return the seconds until ``timestamp`` is due; the first one is due at once."""
        market_time, now = to_datetime(timestamp).timestamp(), self._clock()
        if self._start is None:
            self._start = market_time, now
        first, started = self._start
        return started + (market_time - first) / self._speed - now


def paced_ticks(quotes: Iterable[Quote], pacer: Pacer, max_quotes: int) -> Iterator[list[Quote]]:
    """Yield quotes when they are due, those with the same time together with any that are overdue.

    A tick has at most ``max_quotes`` quotes. The iterator ends early if the pacer is stopped.
    """
    tick: list[Quote] = []
    for quote in quotes:
        if len(tick) >= max_quotes or not pacer.is_due(quote.timestamp):
            if tick:
                yield tick
                tick = []
            if not pacer.wait_for(quote.timestamp):
                return
        tick.append(quote)
    if tick:
        yield tick
