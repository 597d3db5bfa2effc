"""The latest quote of each symbol, and totals over all symbols."""

import heapq
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from threading import Lock
from typing import NamedTuple

from stockctl.market.numbers import rounded_quotient
from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import Tick

MAX_SYMBOLS = 100_000


class QuoteRow(NamedTuple):
    """The latest quote of one symbol."""

    symbol: str
    price: Decimal
    change_percent: Decimal | None
    """Against the previous close; None when that is unknown."""
    timestamp: str
    """When the market made the quote."""
    quotes: int
    """How many quotes of the symbol arrived."""


class QuoteTotals(NamedTuple):
    """Counts over all symbols."""

    symbols: int = 0
    quotes: int = 0
    rejections: int = 0
    reason: str | None = None
    """Why the latest record was rejected."""
    arrived_at: float | None = None
    """When the latest quote arrived, in seconds since 1970."""


# The latest quote, the number of quotes of its symbol, and its number among the quotes of all symbols. A
# plain tuple, because a named one takes much longer to create.
_Entry = tuple[Quote, int, int]


class LatestQuotes:
    """Keeps the latest quote of each symbol. One thread adds ticks, any thread may read.

    Args:
        max_symbols: the maximum number of symbols. Above it, the 10 % of symbols with the oldest updates are
            removed.
        clock: returns seconds since 1970.
    """

    def __init__(self, max_symbols: int = MAX_SYMBOLS, clock: Callable[[], float] = time.time) -> None:
        self._max_symbols = max_symbols
        self._clock = clock
        self._lock = Lock()
        self._entries: dict[str, _Entry] = {}
        self._quotes = self._rejections = 0
        self._reason: str | None = None
        self._arrived_at: float | None = None

    def add(self, tick: Tick) -> None:
        """Add the quotes and rejections of a tick."""
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
            if len(entries) > self._max_symbols:
                self._remove_stale()

    def retain(self, symbols: Sequence[str]) -> None:
        """Remove all symbols except these."""
        wanted = frozenset(symbols)
        with self._lock:
            self._entries = {symbol: entry for symbol, entry in self._entries.items() if symbol in wanted}

    def totals(self) -> QuoteTotals:
        """Return the counts over all symbols."""
        with self._lock:
            counts = (len(self._entries), self._quotes, self._rejections)
            return QuoteTotals(*counts, self._reason, self._arrived_at)

    def rows(self, limit: int) -> list[QuoteRow]:
        """Return at most ``limit`` symbols: all of them, sorted by name, or those with the largest change.

        Symbols without a known change come last, the latest quotes first.
        """
        with self._lock:
            entries = list(self._entries.values())
        if len(entries) <= limit:
            chosen = sorted(entries, key=_name)
        else:
            chosen = heapq.nlargest(limit, entries, key=_importance)
        return [_row(entry) for entry in chosen]

    def _remove_stale(self) -> None:
        by_age = sorted(self._entries.values(), key=lambda entry: entry[2])
        for entry in by_age[: max(1, len(by_age) - self._max_symbols * 9 // 10)]:
            del self._entries[entry[0].symbol]


def _name(entry: _Entry) -> str:
    return entry[0].symbol


def _importance(entry: _Entry) -> tuple[float, int]:
    quote, _, arrived = entry
    close = quote.previous_close
    return -1.0 if close is None else abs(float(quote.price) / float(close) - 1.0), arrived


def _row(entry: _Entry) -> QuoteRow:
    quote, quotes, _ = entry
    close = quote.previous_close
    change = None if close is None else rounded_quotient((quote.price - close) * 100, close)
    return QuoteRow(quote.symbol, quote.price, change, quote.timestamp, quotes)
