"""The last quote of each symbol, noted as they pass."""

import heapq
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from threading import Lock
from typing import NamedTuple

from stockctl.market.decimals import rounded_quotient
from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import Tick

MOST_SYMBOLS = 100_000


class Line(NamedTuple):
    """What is known of one symbol."""

    symbol: str
    price: Decimal
    change_percent: Decimal | None
    """Against the close of the session before; None when that is unknown."""
    timestamp: str
    """The market's time of the last quote."""
    quotes: int
    """How many quotes there were."""


class Sums(NamedTuple):
    """What is known of all symbols together."""

    symbols: int = 0
    quotes: int = 0
    rejections: int = 0
    reason: str | None = None
    """Why the last one was rejected."""
    arrived_at: float | None = None
    """When the last quote came, in seconds since 1970."""


# The last quote, how many there were, and how many of all symbols when it came. A plain tuple is made in a
# fraction of the time that a named one takes.
_Entry = tuple[Quote, int, int]


class Board:
    """Notes what a source yields; one thread notes, any may read.

    Args:
        most_symbols: how many are remembered; beyond, a tenth of them goes that was quiet the longest.
        clock: seconds since 1970.
    """

    def __init__(self, most_symbols: int = MOST_SYMBOLS, clock: Callable[[], float] = time.time) -> None:
        self._most_symbols = most_symbols
        self._clock = clock
        self._lock = Lock()
        self._entries: dict[str, _Entry] = {}
        self._quotes = self._rejections = 0
        self._reason: str | None = None
        self._arrived_at: float | None = None

    def note(self, tick: Tick) -> None:
        """Note a tick."""
        with self._lock:
            entries, before, count = self._entries, self._quotes, self._quotes
            for item in tick:
                if isinstance(item, Rejection):
                    self._rejections += 1
                    self._reason = item.reason
                    continue
                count += 1
                entry = entries.get(item.symbol)
                entries[item.symbol] = (item, 1 if entry is None else entry[1] + 1, count)
            self._quotes = count
            if count > before:
                self._arrived_at = self._clock()
            if len(entries) > self._most_symbols:
                self._forget()

    def keep(self, symbols: Sequence[str]) -> None:
        """Forget all symbols but these."""
        kept = frozenset(symbols)
        with self._lock:
            self._entries = {symbol: entry for symbol, entry in self._entries.items() if symbol in kept}

    def sums(self) -> Sums:
        """Return what is known of all symbols together."""
        with self._lock:
            counts = (len(self._entries), self._quotes, self._rejections)
            return Sums(*counts, self._reason, self._arrived_at)

    def lines(self, most: int) -> list[Line]:
        """Return ``most`` symbols at most: all of them by name, or those that moved most.

        What has no known change comes behind, the latest quotes first.
        """
        with self._lock:
            entries = list(self._entries.values())
        if len(entries) <= most:
            chosen = sorted(entries, key=_name)
        else:
            chosen = heapq.nlargest(most, entries, key=_importance)
        return [_line(entry) for entry in chosen]

    def _forget(self) -> None:
        by_age = sorted(self._entries.values(), key=lambda entry: entry[2])
        for entry in by_age[: max(1, len(by_age) - self._most_symbols * 9 // 10)]:
            del self._entries[entry[0].symbol]


def _name(entry: _Entry) -> str:
    return entry[0].symbol


def _importance(entry: _Entry) -> tuple[float, int]:
    quote, _, arrived = entry
    close = quote.previous_close
    return -1.0 if close is None else abs(float(quote.price) / float(close) - 1.0), arrived


def _line(entry: _Entry) -> Line:
    quote, quotes, _ = entry
    close = quote.previous_close
    change = None if close is None else rounded_quotient((quote.price - close) * 100, close)
    return Line(quote.symbol, quote.price, change, quote.timestamp, quotes)
