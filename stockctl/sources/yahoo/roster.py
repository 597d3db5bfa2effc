"""Whom to ask for: what Yahoo may know at every poll, what it does not know more and more rarely."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from stockctl.sources.yahoo.urls import split

RAREST = 3600.0
"""Seconds between two requests for an unknown symbol, in the end."""


class Request(NamedTuple):
    """Symbols to ask for in one request."""

    symbols: Sequence[str]
    unknown: bool = False
    """None of them has ever had a quote: an empty answer is to be expected."""


class _Rest(NamedTuple):
    """How long an unknown symbol is left out, and until when."""

    wait: float
    until: float


class Roster:
    """Divides symbols among requests.

    A symbol that has no result in a sound answer, and never had one, is unknown: it is asked for in
    requests apart, after two intervals at first and then after twice as long each time, up to ``rarest``.
    One that had a result before stays with the others whatever happens; an answer may be incomplete.

    Args:
        symbols: all of them, in canonical form, each once.
        interval: seconds between two polls.
        rarest: seconds between two requests for a symbol that stays unknown.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        interval: float,
        rarest: float = RAREST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rarest = rarest
        self._first = min(2 * interval, rarest)
        self._clock = clock
        self._known: set[str] = set()
        self._unknown: dict[str, _Rest] = {}
        self.change(symbols)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The symbols that Yahoo does not know so far."""
        return tuple(self._unknown)

    def change(self, symbols: Sequence[str]) -> None:
        """Ask for these symbols, and no others."""
        self._symbols = tuple(symbols)
        kept = frozenset(symbols)
        self._known &= kept
        self._unknown = {symbol: rest for symbol, rest in self._unknown.items() if symbol in kept}
        self._divide()

    def requests(self) -> list[Request]:
        """Return what to ask for now: each symbol once, unless it is unknown and rests."""
        now = self._clock()
        due = [symbol for symbol, rest in self._unknown.items() if rest.until <= now]
        return [*self._regular, *(Request(symbols, unknown=True) for symbols in split(due))]

    def note(self, asked: Collection[str], missing: Collection[str]) -> None:
        """Learn from sound answers which of the symbols asked for had no result."""
        before = frozenset(self._unknown)
        self._known.update(symbol for symbol in asked if symbol not in missing)
        for symbol in asked:
            if symbol in self._known:
                self._unknown.pop(symbol, None)
            else:
                self._let_rest(symbol)
        if self._unknown.keys() != before:
            self._divide()

    def _let_rest(self, symbol: str) -> None:
        rest = self._unknown.get(symbol)
        wait = self._first if rest is None else min(rest.wait * 2, self._rarest)
        self._unknown[symbol] = _Rest(wait, self._clock() + wait)

    def _divide(self) -> None:
        asked = [symbol for symbol in self._symbols if symbol not in self._unknown]
        self._regular = [Request(symbols) for symbols in split(asked)]
