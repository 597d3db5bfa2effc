"""The polling loop as a source."""

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
from stockctl.sources.yahoo.client import YahooClient
from stockctl.sources.yahoo.errors import RateLimited, YahooError
from stockctl.sources.yahoo.parser import SOURCE
from stockctl.sources.yahoo.poller import LONGEST_PAUSE_POLLS, Poller, PollResult, Results, SymbolSchedule
from stockctl.sources.yahoo.throttle import LONGEST_WAIT, CircuitBreaker, RateLimiter
from stockctl.sources.yahoo.tracker import PollDelta, QuoteTracker
from stockctl.sources.yahoo.workers import RequestPool

_log = logging.getLogger(__name__)


class PollLog:
    """Remembers what was said of the polls before."""

    def __init__(self) -> None:
        self.failed = 0
        """Polls in a row after which Yahoo had to be left alone."""
        self._partial: str | None = None

    def waits(self, fault: YahooError, seconds: float) -> None:
        """Say why the next poll comes ``seconds`` later."""
        self.failed += 1
        _log.warning(
            "%s. %s. Next try in %.3g s (%d failed in a row).", fault.what, fault.means, seconds, self.failed
        )

    def goes_on(self, outcome: PollResult) -> None:
        """Say that polls succeed again, or in part."""
        if self.failed:
            _log.info("Yahoo answers again after %d failed polls.", self.failed)
        self.failed = 0
        before, fault = self._partial, outcome.fault
        self._partial = None if fault is None else fault.what
        if fault is not None and fault.what != before:
            _log.warning(
                "%s. %s. This holds of %s, asked for again at the next poll; the others go on.",
                fault.what,
                fault.means,
                join_symbols(outcome.unasked),
            )
        if fault is None and before is not None:
            _log.info("Yahoo answers for all symbols again.")


def log_symbol_change(before: list[str], after: list[str]) -> None:
    """Say which symbols are asked for that were not, and the other way round."""
    old, new = frozenset(before), frozenset(after)
    added = [symbol for symbol in after if symbol not in old]
    removed = [symbol for symbol in before if symbol not in new]
    _log.info(
        "Symbols changed: %s added, %s removed.",
        join_symbols(added) or "none",
        join_symbols(removed) or "none",
    )


PARALLEL = 4
"""Requests at once, unless said otherwise."""
ONCE_TRIES = 3
ONCE_WAIT = 0.5
"""Seconds of the first wait when a single poll fails, or the interval if that is less."""
ONCE_TIMEOUT = 10.0
"""Seconds that a single poll waits for its next try at most."""
POLITE_INTERVAL = 5.0

_UNUSABLE = (
    "Try again while the market is open, and check the spelling of what is unknown (BRK-B, VOD.L, ^GSPC)."
)


class YahooSource:
    """Polls Yahoo for the newest quote of each symbol.

    A quote is yielded when its market time is newer than that of the one before. A fault of one request
    costs the others nothing; when none is answered the next poll waits, five minutes at most, and no fault
    ever makes a symbol be forgotten. After a 429 nothing is asked while the breaker is open.

    Args:
        symbols: what to ask for, in as few requests as fit into a URL each.
        interval: seconds from the start of a poll to the start of the next.
        once: poll once (with two more tries when that fails), and end.
        parallel: how many requests are under way at once at most.
        breaker: decides whether Yahoo may be asked; to be shared with all else that asks it.
        limiter: decides how often; to be shared as well. Without it nothing is held back.
        plausibility: judges the quotes; to be shared with a source that this one stands in for.
        rarest: seconds between two requests for a symbol that Yahoo does not know.
        clock: the time of day, for ``observed_at``.
        rng: where the jitter of the waits after faults comes from.

    Raises:
        UsageError: there is no symbol, or a number is not above zero.
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
        once: bool = False,
        parallel: int = PARALLEL,
        breaker: CircuitBreaker | None = None,
        limiter: RateLimiter | None = None,
        plausibility: PlausibilityChecker | None = None,
        rarest: float = LONGEST_PAUSE_POLLS,
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
        self._first_wait = min(ONCE_WAIT, interval) if once else interval
        self.breaker = CircuitBreaker(self._first_wait, rng=self._rng) if breaker is None else breaker
        self._limiter = limiter
        self._roster = SymbolSchedule(self._symbols, interval=interval, rarest=rarest)
        self._watch = QuoteTracker(self._symbols, plausibility)
        self._poller = Poller(YahooClient(self.breaker, limiter), self._roster, self._watch, clock)
        self._wanted = self._symbols
        self._quotes = 0
        self._unread: dict[str, str] = {}
        self._course = PollLog()

    def status(self) -> SourceStatus:
        """Return how it stands with the breaker, and the doubts; any thread may ask."""
        state, until, _ = self.breaker.view()
        return SourceStatus(breaker=state, breaker_until=until, issues=self._watch.plausibility.counts)

    @property
    def unknown(self) -> Sequence[str]:
        """The symbols that Yahoo does not know so far; any thread may ask."""
        return self._roster.unknown

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Ask for these symbols from the next poll on, and for no others; any thread may say so.

        Raises:
            UsageError: there is none.
            InvalidQuote: one has characters that no symbol has; nothing is changed.
        """
        self._wanted = canonical_symbols(symbols)

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what is new at each poll.

        Raises:
            SourceError: ``once`` was asked for and no symbol could be read, or yfinance is unfit.
        """
        caller: RequestPool[Results] = RequestPool(self._parallel)
        self._announce()
        try:
            yield from self._single(caller, stop) if self._once else self._endless(caller, stop)
        except SourceStopped:
            return
        finally:
            caller.close()

    def _announce(self) -> None:
        how_often = "once" if self._once else f"every {self._interval:g} s"
        count = len(self._roster.requests())
        requests = "one request" if count == 1 else f"{count} requests a poll"
        _log.info("Asking Yahoo for %s %s, in %s.", join_symbols(self._symbols), how_often, requests)
        if self._once:
            return
        if self._interval < POLITE_INTERVAL:
            _log.warning("Yahoo may limit an address that asks more often than every %g s.", POLITE_INTERVAL)
        if self._limiter is not None and (least := 60.0 * count / self._limiter.per_minute) > self._interval:
            _log.warning(
                "At %g requests a minute a poll takes %.3g s, longer than the interval of %g s.",
                self._limiter.per_minute,
                least,
                self._interval,
            )

    def _endless(self, caller: RequestPool[Results], stop: Event) -> Iterator[Tick]:
        backoff = Backoff(self._first_wait, LONGEST_WAIT, "half", uniform=self._rng.uniform)
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            self._take_change()
            outcome = yield from self._poll(caller, stop)
            if outcome.fault is not None and (outcome.is_limited or not outcome.is_partial):
                due = time.monotonic() + self._rest(outcome.fault, backoff)
                continue
            backoff.reset()
            self._course.goes_on(outcome)
            due = next_start(due, self._interval, time.monotonic())

    def _single(self, caller: RequestPool[Results], stop: Event) -> Iterator[Tick]:
        backoff = Backoff(self._first_wait, LONGEST_WAIT, "half", uniform=self._rng.uniform)
        while True:
            before = self._quotes
            outcome = yield from self._poll(caller, stop)
            fault = outcome.fault
            if self._quotes > before:
                _check_usable(fault)
                return
            if fault is None:
                reasons = [f"{symbol} ({reason})" for symbol, reason in self._unread.items()]
                raise SourceError(
                    f"Yahoo answers, but no price can be used: {join_symbols(reasons)}.", _UNUSABLE
                )
            if self._course.failed == ONCE_TRIES - 1:
                raise _no_answer(fault)
            if stop.wait(self._rest(fault, backoff)):
                return

    def _poll(self, caller: RequestPool[Results], stop: Event) -> Generator[Tick, None, PollResult]:
        """Yield what a poll brings, and return how it ended."""
        outcome = PollResult()
        self._unread = {}
        for outcome in self._poller.poll(caller, stop):
            self._unread |= outcome.news.unread
            yield from self._told(outcome.news)
        return outcome

    def _take_change(self) -> None:
        before, self._symbols = self._symbols, self._wanted
        if before == self._symbols:
            return
        self._roster.change(self._symbols)
        self._watch.change(self._symbols)
        log_symbol_change(before, self._symbols)

    def _rest(self, fault: YahooError, backoff: Backoff) -> float:
        """Return the seconds to wait after a fault, having said why.

        Raises:
            SourceError: a single poll would have to wait for longer than anybody does.
        """
        wait = self._limit_left() if isinstance(fault, RateLimited) else backoff.next_delay()
        if self._once and wait > ONCE_TIMEOUT:
            raise _no_answer(fault)
        self._course.waits(fault, wait)
        return wait

    def _limit_left(self) -> float:
        """Return the seconds until Yahoo may be asked; not 0 while the request of another is to find out."""
        return self.breaker.left or self._first_wait

    def _told(self, news: PollDelta) -> Iterator[Tick]:
        """Yield news as a tick, if there is any, having mentioned the first."""
        if news.quotes and not self._quotes:
            _log.info("First quotes: %s.", join_symbols([quote.symbol for quote in news.quotes]))
        self._quotes += len(news.quotes)
        _log.debug("New quotes: %d, and %d in all.", len(news.quotes), self._quotes)
        if news.quotes or news.rejections:
            yield [*news.rejections, *news.quotes]


def _check_parallel(requests: int) -> None:
    if requests < 1:
        raise UsageError(f"There cannot be {requests} requests at once.", f"Try {PARALLEL}.")


def _check_usable(fault: YahooError | None) -> None:
    """Say that a poll which brought quotes lacks some all the same."""
    if fault is not None:
        _log.warning("%s. %s. The rest of the symbols was not read.", fault.what, fault.means)


def _no_answer(fault: YahooError) -> SourceError:
    error = SourceError(f"{fault.what}. {fault.means}.", fault.hint)
    error.__cause__ = fault
    return error


def next_start(due: float, interval: float, now: float) -> float:
    """Return the next moment of the grid that ``due`` is on and that is not over at ``now``."""
    return due + interval * max(1, math.ceil((now - due) / interval))
