"""Poll while the live connection is down, and once more when it is up again."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from queue import SimpleQueue
from threading import Event
from typing import NamedTuple

from stockctl.errors import SourceError
from stockctl.sources.base import Tick
from stockctl.sources.yahoo.source import YahooSource
from stockctl.sources.yahoo_stream.context import SharedContext

_log = logging.getLogger(__name__)


class _PollOrder(NamedTuple):
    """What to poll, and what ends it."""

    symbols: Sequence[str]
    once: bool
    end: Event


class FallbackPoller:
    """Runs the polling source in ``work``, which is to run in a thread of its own.

    A new order ends the one before.

    Args:
        deliver: takes what a poll brought.
        kit: what it shares with the other parts.
        interval: seconds between polls while the connection is down.
    """

    def __init__(self, deliver: Callable[[Tick], None], kit: SharedContext, interval: float) -> None:
        self._deliver = deliver
        self._kit = kit
        self._interval = interval
        self._orders: SimpleQueue[_PollOrder | None] = SimpleQueue()
        self._current: _PollOrder | None = None
        self._steady: tuple[Sequence[str], YahooSource] | None = None

    def begin(self, symbols: Sequence[str]) -> None:
        """Poll from now on, for the connection is down; does nothing when that is done already."""
        current = self._current
        if current is None or current.once or current.symbols != symbols:
            self._order(symbols, once=False)

    def catch_up(self, symbols: Sequence[str]) -> None:
        """Poll once more, for what happened while there was no connection."""
        self._order(symbols, once=True)

    def close(self) -> None:
        """Let ``work`` end."""
        if self._current is not None:
            self._current.end.set()
        self._orders.put(None)

    def work(self) -> None:
        """Carry orders out until closed.

        Raises:
            SourceError: yfinance is unfit.
        """
        while (order := self._orders.get()) is not None:
            try:
                for tick in self._source(order).ticks(order.end):
                    self._deliver(tick)
            except SourceError as error:
                if not order.once:
                    raise
                _log.warning("%s The live connection goes on.", error.message)

    def _order(self, symbols: Sequence[str], *, once: bool) -> None:
        if self._current is not None:
            self._current.end.set()
        self._current = _PollOrder(symbols, once, Event())
        self._orders.put(self._current)

    def _source(self, order: _PollOrder) -> YahooSource:
        """Return a source; the one for an outage is kept, so that it does not say the same every time."""
        if order.once:
            return self._make(order)
        if self._steady is None or self._steady[0] != order.symbols:
            self._steady = order.symbols, self._make(order)
        return self._steady[1]

    def _make(self, order: _PollOrder) -> YahooSource:
        return YahooSource(
            order.symbols,
            interval=self._interval,
            once=order.once,
            breaker=self._kit.breaker,
            limiter=self._kit.limiter,
            clock=self._look,
            rng=self._kit.rng,
        )

    def _look(self) -> datetime:
        """Return the time; the polling source asks for it at each answer."""
        self._kit.counters.fallback_polls += 1
        return self._kit.clock()
