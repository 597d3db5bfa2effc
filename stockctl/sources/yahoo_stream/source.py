"""The source ``yahoo-live``: quotes from Yahoo's stream as they happen."""

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
from stockctl.sources.yahoo.circuit_breaker import CircuitBreaker
from stockctl.sources.yahoo.parser import SOURCE
from stockctl.sources.yahoo.rate_limit import RateLimiter
from stockctl.sources.yahoo_stream.connection_manager import ConnectionManager, ConnectionTimeouts
from stockctl.sources.yahoo_stream.context import Counters, SharedContext
from stockctl.sources.yahoo_stream.fallback import FallbackPoller
from stockctl.sources.yahoo_stream.reader import MessageReader, QuoteMerger, ReceivedQuote

ItemT = TypeVar("ItemT")


class QueueClosed(Exception):
    """The other side of the queue has closed it."""


class BoundedQueue(Generic[ItemT]):
    """A bounded queue from which all items are taken at once.

    A writer waits while ``limit`` items or more are in the queue, which slows the connection down.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: list[ItemT] = []
        self._changed = Condition()
        self._closed = False
        self._error: StockctlError | None = None

    def put(self, items: Sequence[ItemT]) -> None:
        """Add the items as soon as there is room.

        Raises:
            QueueClosed: the queue is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit)
            if self._closed:
                raise QueueClosed
            self._items.extend(items)
            self._changed.notify_all()

    def get_all(self, timeout: float) -> list[ItemT]:
        """Return all items; wait at most ``timeout`` seconds for the first one.

        Raises:
            StockctlError: the error that was passed to ``close``, once all items were taken.
            QueueClosed: a writer closed the queue without an error.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items), timeout)
            if self._items or not self._closed:
                items, self._items = self._items, []
                self._changed.notify_all()
                return items
            raise self._error or QueueClosed

    def close_and_get_all(self) -> list[ItemT]:
        """Close the queue, and return the remaining items."""
        with self._changed:
            self.close()
            items, self._items = self._items, []
            return items

    def close(self, error: StockctlError | None = None) -> None:
        """Wake up everyone who waits, with ``error`` as the reason; only the first call counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()


QUEUE_LIMIT = 50_000
"""Quotes that may wait for the reader before the connection is slowed down."""
POLL_SECONDS = 0.5
"""Seconds between two checks of ``stop`` while nothing arrives."""
_JOIN_SECONDS = 0.5
"""Seconds to wait for a thread to end; one that hangs on the network is abandoned."""

Item = ReceivedQuote | Rejection


class YahooStreamSource:
    """Quotes from Yahoo's stream, and from polls while its connection is down.

    ``ticks`` may run again after it has ended, and continues where it stopped.

    Args:
        symbols: the symbols to subscribe to.
        interval: seconds between polls while the connection is down.
        hours: the market hours: whether silence is an error, and which quotes are of a regular session.
        breaker: decides whether requests may be sent; share it with all other clients of Yahoo.
        limiter: limits the rate of polls; share it, too. None means no limit.
        plausibility: checks the quotes.
        timeouts: the timeouts of the connection.
        clock: returns the current time.
        rng: the source of the jitter in waits.

    Raises:
        UsageError: there is no symbol, or the interval is not above zero.
        InvalidQuote: a symbol has invalid characters.
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
        timeouts: ConnectionTimeouts | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: Random | None = None,
    ) -> None:
        check_interval(interval)
        rng = Random() if rng is None else rng  # noqa: S311 - jitter is no secret
        self._symbols = tuple(canonical_symbols(symbols))
        self._interval = interval
        self._timeouts = ConnectionTimeouts() if timeouts is None else timeouts
        self.counters = Counters()
        self.breaker = CircuitBreaker(interval, rng=rng) if breaker is None else breaker
        hours = MarketHours() if hours is None else hours
        self._context = SharedContext(self.counters, self.breaker, limiter, hours, clock, rng)
        self._plausibility = PlausibilityChecker() if plausibility is None else plausibility
        self._merger = QuoteMerger(self.counters, self._plausibility, clock)

    def status(self) -> SourceStatus:
        """Return the state of breaker and connection, and the issues of quotes; call it from any thread."""
        state, until, _ = self.breaker.snapshot()
        return SourceStatus(
            breaker=state,
            breaker_until=until,
            connected=self.counters.connected,
            reconnects=self.counters.reconnects,
            issues={**self._plausibility.counts, **self.counters.left_out},
        )

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Subscribe to these symbols only; any thread or signal handler may call.

        The connection notices it at its next message, or at the next heartbeat.

        Raises:
            UsageError: there is no symbol.
            InvalidQuote: a symbol has invalid characters; nothing is changed.
        """
        self._symbols = tuple(canonical_symbols(symbols))

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield new quotes as they arrive; after ``stop``, only those already received.

        Raises:
            SourceError: yfinance cannot be used, or market hours cannot be read.
        """
        if stop.is_set():
            return
        queue: BoundedQueue[Item] = BoundedQueue(QUEUE_LIMIT)
        fallback = FallbackPoller(
            lambda tick: queue.put(_received(tick, polled=True)), self._context, self._interval
        )
        reader = MessageReader(lambda tick: queue.put(_received(tick, polled=False)), self._context)
        manager = ConnectionManager(lambda: self._symbols, reader, fallback, self._context, self._timeouts)
        threads = [
            Thread(target=_run, args=(run, queue), name=f"stockctl-yahoo-{name}", daemon=True)
            for name, run in (("polls", fallback.run), ("live", manager.run))
        ]
        for thread in threads:
            thread.start()
        try:
            yield from self._read(queue, stop)
        finally:
            queue.close()
            fallback.close()
            manager.close()
            for thread in threads:
                thread.join(_JOIN_SECONDS)

    def _read(self, queue: BoundedQueue[Item], stop: Event) -> Iterator[Tick]:
        while not stop.is_set():
            try:
                items = queue.get_all(POLL_SECONDS)
            except QueueClosed:
                raise RuntimeError("a thread of the live source has died") from None
            yield from self._tick(items)
        # What was received cannot be requested again.
        yield from self._tick(queue.close_and_get_all())

    def _tick(self, items: Sequence[Item]) -> Iterator[Tick]:
        if tick := [result for item in items if (result := self._process(item)) is not None]:
            yield tick

    def _process(self, item: Item) -> Quote | Rejection | None:
        if isinstance(item, Rejection):
            self._plausibility.count(QuoteIssue.UNREADABLE)
            return item
        return self._merger.merge(item)


def _received(tick: Tick, *, polled: bool) -> list[Item]:
    return [item if isinstance(item, Rejection) else ReceivedQuote(item, polled) for item in tick]


def _run(run: Callable[[], None], queue: BoundedQueue[Item]) -> None:
    """Run a thread; its error reaches the reader of the queue."""
    try:
        run()
    except SourceError as error:
        queue.close(error)
    except QueueClosed:
        return
    finally:
        queue.close()
