"""The source ``yahoo``: polls Yahoo Finance."""

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from threading import Event

from stockctl.errors import SourceError, UsageError
from stockctl.formatting import join_symbols
from stockctl.market.plausibility import PlausibilityChecker
from stockctl.retry import Backoff
from stockctl.sources.base import SourceStatus, SourceStopped, Tick, canonical_symbols, check_interval
from stockctl.sources.yahoo.circuit_breaker import MAX_WAIT, CircuitBreaker
from stockctl.sources.yahoo.client import YahooClient
from stockctl.sources.yahoo.errors import RateLimited, YahooError
from stockctl.sources.yahoo.parser import SOURCE
from stockctl.sources.yahoo.poller import MAX_UNKNOWN_INTERVAL, Poller, PollResult, Results, SymbolSchedule
from stockctl.sources.yahoo.rate_limit import RateLimiter
from stockctl.sources.yahoo.tracker import PollDelta, QuoteTracker
from stockctl.sources.yahoo.workers import RequestPool

_log = logging.getLogger(__name__)


class PollLog:
    """Logs failed and successful polls; it remembers the last ones, so that nothing is logged twice."""

    def __init__(self) -> None:
        self.failures = 0
        """Polls in a row that failed."""
        self._partial_error: str | None = None

    def log_failure(self, error: YahooError, wait: float) -> None:
        """Log a failed poll, and that the next one comes after ``wait`` seconds."""
        self.failures += 1
        _log.warning(
            "%s. %s. Next try in %.3g s (%d failed in a row).",
            error.summary,
            error.explanation,
            wait,
            self.failures,
        )

    def log_success(self, result: PollResult) -> None:
        """Log that polls succeed again, for all symbols or for some."""
        if self.failures:
            _log.info("Yahoo answers again after %d failed polls.", self.failures)
        self.failures = 0
        before, error = self._partial_error, result.error
        self._partial_error = None if error is None else error.summary
        if error is not None and error.summary != before:
            _log.warning(
                "%s. %s. Affected: %s; retrying at the next poll. The other symbols are not affected.",
                error.summary,
                error.explanation,
                join_symbols(result.failed_symbols),
            )
        if error is None and before is not None:
            _log.info("Yahoo answers for all symbols again.")


def log_symbol_change(before: list[str], after: list[str]) -> None:
    """Log which symbols were added and removed."""
    old, new = frozenset(before), frozenset(after)
    added = [symbol for symbol in after if symbol not in old]
    removed = [symbol for symbol in before if symbol not in new]
    _log.info(
        "Symbols changed: %s added, %s removed.",
        join_symbols(added) or "none",
        join_symbols(removed) or "none",
    )


DEFAULT_PARALLEL = 4
"""How many requests run at once."""
ONCE_TRIES = 3
ONCE_FIRST_WAIT = 0.5
"""Seconds to wait after a single poll has failed the first time, or the interval if that is less."""
ONCE_MAX_WAIT = 10.0
"""The longest time in seconds that a single poll waits for its next try."""
SHORTEST_SAFE_INTERVAL = 5.0

_NO_USABLE_PRICE_HINT = (
    "Try again while the market is open, and check the spelling of unknown symbols (BRK-B, VOD.L, ^GSPC)."
)


class YahooSource:
    """Polls Yahoo for the newest quote of each symbol.

    A quote is yielded when its market time is newer than that of the one before. A failed request does not
    affect the others. If all fail, the next poll waits, at most five minutes, and no symbol is given up
    because of an error. After a 429 no request is sent while the breaker is open.

    Args:
        symbols: the symbols to ask for, in as few requests as their URLs allow.
        interval: seconds from the start of a poll to the start of the next.
        once: whether to poll only once, with up to two retries.
        parallel: the maximum number of requests at the same time.
        breaker: decides whether requests may be sent; share it with all other clients of Yahoo.
        limiter: limits the rate of requests; share it, too. None means no limit.
        plausibility: checks the quotes; share it with the source that this one replaces temporarily.
        max_unknown_interval: the longest time in seconds between two requests for an unknown symbol.
        clock: returns the current time, for ``observed_at``.
        rng: the source of the jitter in waits after errors.

    Raises:
        UsageError: there is no symbol, or a number is not above zero.
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
        once: bool = False,
        parallel: int = DEFAULT_PARALLEL,
        breaker: CircuitBreaker | None = None,
        limiter: RateLimiter | None = None,
        plausibility: PlausibilityChecker | None = None,
        max_unknown_interval: float = MAX_UNKNOWN_INTERVAL,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: Random | None = None,
    ) -> None:
        self._symbols = canonical_symbols(symbols)
        check_interval(interval)
        _check_parallel(parallel)
        self._interval = interval
        self._once = once
        self._parallel = parallel
        self._rng = Random() if rng is None else rng  # noqa: S311 - jitter is no secret
        self._first_wait = min(ONCE_FIRST_WAIT, interval) if once else interval
        self.breaker = CircuitBreaker(self._first_wait, rng=self._rng) if breaker is None else breaker
        self._limiter = limiter
        self._schedule = SymbolSchedule(
            self._symbols, interval=interval, max_unknown_interval=max_unknown_interval
        )
        self._tracker = QuoteTracker(self._symbols, plausibility)
        client = YahooClient(self.breaker, limiter)
        self._poller = Poller(client, self._schedule, self._tracker, clock)
        self._new_symbols = self._symbols
        self._quotes = 0
        self._unusable: dict[str, str] = {}
        self._poll_log = PollLog()

    def status(self) -> SourceStatus:
        """Return the state of the breaker, and the issues of quotes; call it from any thread."""
        state, until, _ = self.breaker.snapshot()
        return SourceStatus(breaker=state, breaker_until=until, issues=self._tracker.plausibility.counts)

    @property
    def unknown(self) -> Sequence[str]:
        """The symbols that Yahoo does not know so far; read it from any thread."""
        return self._schedule.unknown

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Request only these symbols, from the next poll on; any thread may call.

        Raises:
            UsageError: there is no symbol.
            InvalidQuote: a symbol has invalid characters; nothing is changed.
        """
        self._new_symbols = canonical_symbols(symbols)

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield the new quotes and rejections of each poll.

        Raises:
            SourceError: no symbol could be read with ``once``, or yfinance cannot be used.
        """
        pool: RequestPool[Results] = RequestPool(self._parallel)
        self._log_start()
        try:
            yield from self._poll_once(pool, stop) if self._once else self._poll_forever(pool, stop)
        except SourceStopped:
            return
        finally:
            pool.close()

    def _log_start(self) -> None:
        how_often = "once" if self._once else f"every {self._interval:g} s"
        count = len(self._schedule.due_requests())
        requests = "one request" if count == 1 else f"{count} requests a poll"
        _log.info("Asking Yahoo for %s %s, in %s.", join_symbols(self._symbols), how_often, requests)
        if self._once:
            return
        if self._interval < SHORTEST_SAFE_INTERVAL:
            _log.warning(
                "Yahoo may limit an address that asks more often than every %g s.", SHORTEST_SAFE_INTERVAL
            )
        if self._limiter is not None and (least := 60.0 * count / self._limiter.per_minute) > self._interval:
            _log.warning(
                "At %g requests a minute a poll takes %.3g s, longer than the interval of %g s.",
                self._limiter.per_minute,
                least,
                self._interval,
            )

    def _poll_forever(self, pool: RequestPool[Results], stop: Event) -> Iterator[Tick]:
        backoff = self._new_backoff()
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            self._apply_symbol_change()
            result = yield from self._poll(pool, stop)
            if result.error is not None and (result.is_rate_limited or not result.is_partial):
                due = time.monotonic() + self._wait_after(result.error, backoff)
                continue
            backoff.reset()
            self._poll_log.log_success(result)
            due = next_start(due, self._interval, time.monotonic())

    def _poll_once(self, pool: RequestPool[Results], stop: Event) -> Iterator[Tick]:
        backoff = self._new_backoff()
        while True:
            before = self._quotes
            result = yield from self._poll(pool, stop)
            error = result.error
            if self._quotes > before:
                _log_incomplete(error)
                return
            if error is None:
                reasons = [f"{symbol} ({reason})" for symbol, reason in self._unusable.items()]
                raise SourceError(
                    f"Yahoo answers, but no price can be used: {join_symbols(reasons)}.",
                    _NO_USABLE_PRICE_HINT,
                )
            if self._poll_log.failures == ONCE_TRIES - 1:
                raise _source_error(error)
            if stop.wait(self._wait_after(error, backoff)):
                return

    def _new_backoff(self) -> Backoff:
        return Backoff(self._first_wait, MAX_WAIT, "half", uniform=self._rng.uniform)

    def _poll(self, pool: RequestPool[Results], stop: Event) -> Generator[Tick, None, PollResult]:
        """Yield the ticks of a poll, and return its last result."""
        result = PollResult()
        self._unusable = {}
        for result in self._poller.poll(pool, stop):
            self._unusable |= result.delta.unusable
            yield from self._tick(result.delta)
        return result

    def _apply_symbol_change(self) -> None:
        before, self._symbols = self._symbols, self._new_symbols
        if before == self._symbols:
            return
        self._schedule.set_symbols(self._symbols)
        self._tracker.set_symbols(self._symbols)
        log_symbol_change(before, self._symbols)

    def _wait_after(self, error: YahooError, backoff: Backoff) -> float:
        """Log a failed poll, and return the seconds to wait before the next one.

        Raises:
            SourceError: the wait is too long for a single poll.
        """
        wait = self._rate_limit_wait() if isinstance(error, RateLimited) else backoff.next_delay()
        if self._once and wait > ONCE_MAX_WAIT:
            raise _source_error(error)
        self._poll_log.log_failure(error, wait)
        return wait

    def _rate_limit_wait(self) -> float:
        """Return the seconds until requests are allowed; not 0 while another request tests the limit."""
        return self.breaker.seconds_left or self._first_wait

    def _tick(self, delta: PollDelta) -> Iterator[Tick]:
        """Yield what is new as a tick, if anything is."""
        if delta.quotes and not self._quotes:
            _log.info("First quotes: %s.", join_symbols([quote.symbol for quote in delta.quotes]))
        self._quotes += len(delta.quotes)
        _log.debug("New quotes: %d, and %d in all.", len(delta.quotes), self._quotes)
        if delta.quotes or delta.rejections:
            yield [*delta.rejections, *delta.quotes]


def _check_parallel(requests: int) -> None:
    if requests < 1:
        raise UsageError(f"There cannot be {requests} requests at once.", f"Try {DEFAULT_PARALLEL}.")


def _log_incomplete(error: YahooError | None) -> None:
    """Log that a poll which brought quotes failed for some symbols."""
    if error is not None:
        _log.warning("%s. %s. The other symbols could not be read.", error.summary, error.explanation)


def _source_error(error: YahooError) -> SourceError:
    source_error = SourceError(f"{error.summary}. {error.explanation}.", error.hint)
    source_error.__cause__ = error
    return source_error


def next_start(due: float, interval: float, now: float) -> float:
    """Return the first moment after ``due``, in steps of ``interval``, that is not before ``now``."""
    return due + interval * max(1, math.ceil((now - due) / interval))
