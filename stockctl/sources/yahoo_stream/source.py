"""Yahoo's stream as a source, with the bounded queue between its threads."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from threading import Condition, Event, Thread
from typing import Generic, TypeVar

from stockctl.errors import SourceError, StockctlError
from stockctl.market.plausibility import PlausibilityChecker, QuoteIssue
from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import SourceStatus, Tick, canonical_symbols, check_interval
from stockctl.sources.calendars import MarketHours
from stockctl.sources.yahoo.parser import SOURCE
from stockctl.sources.yahoo.throttle import CircuitBreaker, RateLimiter
from stockctl.sources.yahoo_stream.connection import ConnectionManager, ConnectionTimeouts
from stockctl.sources.yahoo_stream.context import Counters, SharedContext
from stockctl.sources.yahoo_stream.fallback import FallbackPoller
from stockctl.sources.yahoo_stream.reader import Arrival, MessageReader, QuoteMerger

ItemT = TypeVar("ItemT")


class QueueClosed(Exception):
    """Nobody reads any more."""


class BoundedQueue(Generic[ItemT]):
    """A bounded queue that is emptied at one go.

    A writer waits while ``limit`` items or more are there, which slows the connection down in turn.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: list[ItemT] = []
        self._changed = Condition()
        self._closed = False
        self._error: StockctlError | None = None

    def put(self, items: Sequence[ItemT]) -> None:
        """Add the items, as soon as there is room.

        Raises:
            QueueClosed: the inbox was closed before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit)
            if self._closed:
                raise QueueClosed
            self._items.extend(items)
            self._changed.notify_all()

    def take(self, timeout: float) -> list[ItemT]:
        """Return all items, waiting at most ``timeout`` seconds for the first one.

        Raises:
            StockctlError: what a writer gave to ``close``, once the items before it were taken.
            QueueClosed: a writer closed the inbox without a reason.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items), timeout)
            if self._items or not self._closed:
                items, self._items = self._items, []
                self._changed.notify_all()
                return items
            raise self._error or QueueClosed

    def rest(self) -> list[ItemT]:
        """Close it, and return what is left."""
        with self._changed:
            self.close()
            items, self._items = self._items, []
            return items

    def close(self, error: StockctlError | None = None) -> None:
        """Let nobody wait any more, for the reason ``error``; the first one counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()


QUEUE_LIMIT = 50_000
"""Quotes that may wait for the reader before the connection is slowed down."""
POLL_SECONDS = 0.5
"""Seconds between two looks at ``stop`` while nothing arrives."""
_CLOSE_SECONDS = 0.5
"""Seconds to wait for a thread that is to end; one that is held up by the network is left alone."""

Item = Arrival | Rejection


class YahooStreamSource:
    """Quotes of Yahoo's live connection, and of polls as long as it is down.

    ``ticks`` may run again after it ended, and goes on where it left off.

    Args:
        symbols: what to subscribe to.
        interval: seconds between polls while the connection is down.
        hours: when silence is a fault, and which quotes are of a regular session.
        breaker: decides whether Yahoo may be asked; to be shared with all else that asks it.
        limiter: decides how often it is polled; to be shared as well. Without it nothing is held back.
        plausibility: judges the quotes.
        pace: times of the connection.
        clock: the time of day.
        rng: where the jitter of waits comes from.

    Raises:
        UsageError: there is no symbol, or the interval is not above zero.
        InvalidQuote: a symbol has characters that no symbol has.
    """

    name = SOURCE
    repeatable = False
    follows_market_hours = True
    expected: int | None = None

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        interval: float = 30.0,
        hours: MarketHours | None = None,
        breaker: CircuitBreaker | None = None,
        limiter: RateLimiter | None = None,
        plausibility: PlausibilityChecker | None = None,
        pace: ConnectionTimeouts | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: Random | None = None,
    ) -> None:
        check_interval(interval)
        rng = Random() if rng is None else rng  # noqa: S311 - jitter is no secret
        self._symbols = tuple(canonical_symbols(symbols))
        self._interval = interval
        self._pace = ConnectionTimeouts() if pace is None else pace
        self.counters = Counters()
        self.breaker = CircuitBreaker(interval, rng=rng) if breaker is None else breaker
        hours = MarketHours() if hours is None else hours
        self._kit = SharedContext(self.counters, self.breaker, limiter, hours, clock, rng)
        self._plausibility = PlausibilityChecker() if plausibility is None else plausibility
        self._newest = QuoteMerger(self.counters, self._plausibility, clock)

    def status(self) -> SourceStatus:
        """Return how it stands with breaker and connection, and the doubts; any thread may ask."""
        state, until, _ = self.breaker.view()
        return SourceStatus(
            breaker=state,
            breaker_until=until,
            connected=self.counters.connected,
            reconnects=self.counters.reconnects,
            issues={**self._plausibility.counts, **self.counters.left_out},
        )

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Take these symbols from now on, and no others; from any thread, or a signal's handler.

        The connection learns of it at its next message, a heartbeat later at most.

        Raises:
            UsageError: there is no symbol.
            InvalidQuote: one has characters that no symbol has; nothing is changed.
        """
        self._symbols = tuple(canonical_symbols(symbols))

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what is new, as it comes; after ``stop`` what has come already, once.

        Raises:
            SourceError: yfinance is unfit, or market hours cannot be read.
        """
        if stop.is_set():
            return
        inbox: BoundedQueue[Item] = BoundedQueue(QUEUE_LIMIT)
        fallback = FallbackPoller(
            lambda tick: inbox.put(_arrivals(tick, polled=True)), self._kit, self._interval
        )
        reader = MessageReader(lambda tick: inbox.put(_arrivals(tick, polled=False)), self._kit)
        supervisor = ConnectionManager(lambda: self._symbols, reader, fallback, self._kit, self._pace)
        threads = [
            Thread(target=_run, args=(work, inbox), name=f"stockctl-yahoo-{name}", daemon=True)
            for name, work in (("polls", fallback.work), ("live", supervisor.work))
        ]
        for thread in threads:
            thread.start()
        try:
            yield from self._read(inbox, stop)
        finally:
            inbox.close()
            fallback.close()
            supervisor.close()
            for thread in threads:
                thread.join(_CLOSE_SECONDS)

    def _read(self, inbox: BoundedQueue[Item], stop: Event) -> Iterator[Tick]:
        while not stop.is_set():
            try:
                items = inbox.take(POLL_SECONDS)
            except QueueClosed:
                raise RuntimeError("a thread of the live source has died") from None
            yield from self._tick(items)
        # What has been received is not there to be asked for again.
        yield from self._tick(inbox.rest())

    def _tick(self, items: Sequence[Item]) -> Iterator[Tick]:
        if tick := [one for item in items if (one := self._fresh(item)) is not None]:
            yield tick

    def _fresh(self, item: Item) -> Quote | Rejection | None:
        if isinstance(item, Rejection):
            self._plausibility.count(QuoteIssue.UNREADABLE)
            return item
        return self._newest.take(item)


def _arrivals(tick: Tick, *, polled: bool) -> list[Item]:
    return [item if isinstance(item, Rejection) else Arrival(item, polled) for item in tick]


def _run(work: Callable[[], None], inbox: BoundedQueue[Item]) -> None:
    """Do a thread's work; what it fails with, the reader of the inbox learns."""
    try:
        work()
    except SourceError as error:
        inbox.close(error)
    except QueueClosed:
        return
    finally:
        inbox.close()
