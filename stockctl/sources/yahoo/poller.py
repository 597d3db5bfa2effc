"""One poll: divides the symbols among requests and collects the results."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from threading import Event
from typing import NamedTuple
from urllib.parse import quote

from stockctl.sources.yahoo.circuit_breaker import BreakerState
from stockctl.sources.yahoo.client import YahooClient
from stockctl.sources.yahoo.errors import CircuitOpen, NoQuotes, RateLimited, YahooError
from stockctl.sources.yahoo.tracker import PollDelta, QuoteTracker
from stockctl.sources.yahoo.workers import RequestPool

MAX_LIST_LENGTH = 6000
"""Characters of a URL that the symbols may take: servers and proxies accept 8,000 in all."""

_COMMA = len(quote(",", safe=""))


def split_symbols(symbols: Iterable[str]) -> list[list[str]]:
    """Return the symbols, in order, in as few lists as fit into a URL each; 500 and more fit into one."""
    lists: list[list[str]] = []
    room = 0
    for symbol in symbols:
        length = len(quote(symbol, safe="")) + _COMMA
        if length > room:
            lists.append([])
            room = MAX_LIST_LENGTH
        lists[-1].append(symbol)
        room -= length
    return lists


MAX_UNKNOWN_INTERVAL = 3600.0
"""The longest time in seconds between two requests for an unknown symbol."""


class Request(NamedTuple):
    """Symbols to ask for in one request."""

    symbols: Sequence[str]
    unknown: bool = False
    """None of them has ever had a quote: an empty answer is to be expected."""


class _RetryTime(NamedTuple):
    """How long an unknown symbol is skipped, and until when."""

    wait: float
    until: float


class SymbolSchedule:
    """Divides symbols among requests.

    A symbol without a result in a valid answer that never had one is unknown. It is asked for in separate
    requests: after two intervals at first, and then after twice as long each time, up to
    ``max_unknown_interval``. A symbol that had a result once stays with the others, because an answer may
    be incomplete.

    Args:
        symbols: all symbols, in canonical form, each once.
        interval: seconds between two polls.
        max_unknown_interval: the longest time in seconds between two requests for an unknown symbol.
        clock: returns seconds that never go back.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        interval: float,
        max_unknown_interval: float = MAX_UNKNOWN_INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_wait = max_unknown_interval
        self._first_wait = min(2 * interval, max_unknown_interval)
        self._clock = clock
        self._known: set[str] = set()
        self._unknown: dict[str, _RetryTime] = {}
        self.set_symbols(symbols)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The symbols that Yahoo does not know so far."""
        return tuple(self._unknown)

    def set_symbols(self, symbols: Sequence[str]) -> None:
        """Ask for these symbols only."""
        self._symbols = tuple(symbols)
        kept = frozenset(symbols)
        self._known &= kept
        self._unknown = {symbol: retry for symbol, retry in self._unknown.items() if symbol in kept}
        self._plan_requests()

    def due_requests(self) -> list[Request]:
        """Return the requests to send now: each symbol once, except unknown ones that have to wait."""
        now = self._clock()
        due = [symbol for symbol, retry in self._unknown.items() if retry.until <= now]
        return [*self._regular, *(Request(symbols, unknown=True) for symbols in split_symbols(due))]

    def record(self, requested: Collection[str], missing: Collection[str]) -> None:
        """Update the unknown symbols from valid answers: which of those requested had no result."""
        before = frozenset(self._unknown)
        self._known.update(symbol for symbol in requested if symbol not in missing)
        for symbol in requested:
            if symbol in self._known:
                self._unknown.pop(symbol, None)
            else:
                self._postpone(symbol)
        if self._unknown.keys() != before:
            self._plan_requests()

    def _postpone(self, symbol: str) -> None:
        retry = self._unknown.get(symbol)
        wait = self._first_wait if retry is None else min(retry.wait * 2, self._max_wait)
        self._unknown[symbol] = _RetryTime(wait, self._clock() + wait)

    def _plan_requests(self) -> None:
        known = [symbol for symbol in self._symbols if symbol not in self._unknown]
        self._regular = [Request(symbols) for symbols in split_symbols(known)]


PARTIAL_RESULTS_AFTER = 5.0
"""Seconds after which the answers of a poll are used without waiting for the others."""

NO_DELTA = PollDelta((), (), {})

Results = list[object]


class PollResult(NamedTuple):
    """The result of a poll, or of a part of one."""

    delta: PollDelta = NO_DELTA
    error: YahooError | None = None
    """Why requests failed: the rate limit if there was one, otherwise the first error."""
    failed_symbols: Sequence[str] = ()
    """The symbols of the requests that failed."""
    is_partial: bool = False
    """Whether some requests failed, and others did not."""

    @property
    def is_rate_limited(self) -> bool:
        """Whether Yahoo has set a rate limit."""
        return isinstance(self.error, RateLimited)


class Poller:
    """Sends the requests of a schedule, and passes the answers to a tracker.

    Args:
        client: sends requests to Yahoo.
        schedule: decides which requests are due.
        tracker: finds what is new in the answers.
        clock: returns the current time, for ``observed_at``.
    """

    def __init__(
        self,
        client: YahooClient,
        schedule: SymbolSchedule,
        tracker: QuoteTracker,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._schedule = schedule
        self._tracker = tracker
        self._clock = clock

    def poll(self, pool: RequestPool[Results], stop: Event) -> Iterator[PollResult]:
        """Send all due requests once, and yield the results; late answers come in parts.

        Errors and empty answers are in the last part, which always comes.

        Raises:
            SourceStopped: ``stop`` was set.
            SourceError: yfinance cannot be used.
        """
        requests = self._schedule.due_requests()
        rest: list[tuple[Request, Results | YahooError]] = []
        parts = 0
        for answers in self._send(requests, pool, stop):
            full = [(requests[index], answer) for index, answer in answers.items() if _has_results(answer)]
            rest += [
                (requests[index], answer) for index, answer in answers.items() if not _has_results(answer)
            ]
            if full:
                parts += 1
                yield PollResult(self._process(full))
        yield self._last_part(rest, answered=parts > 0)

    def _send(
        self, requests: Sequence[Request], pool: RequestPool[Results], stop: Event
    ) -> Iterator[dict[int, Results | YahooError]]:
        """Yield answers by index; after a rate limit the first answer decides whether others are sent."""
        calls = [partial(self._client.quotes, request.symbols, stop) for request in requests]
        alone = 0 if self._client.breaker.state is BreakerState.CLOSED else 1
        for answers in pool.call_in_groups(calls[:alone], stop):
            yield answers
            if any(isinstance(answer, RateLimited) for answer in answers.values()):
                yield dict.fromkeys(range(alone, len(calls)), CircuitOpen())
                return
        for answers in pool.call_in_groups(calls[alone:], stop, PARTIAL_RESULTS_AFTER):
            yield {index + alone: answer for index, answer in answers.items()}

    def _process(self, answers: Sequence[tuple[Request, Results | YahooError]]) -> PollDelta:
        """Update the schedule from valid answers, and return what is new in them."""
        results = [result for _, answer in answers if isinstance(answer, list) for result in answer]
        requested = [symbol for request, _ in answers for symbol in request.symbols]
        delta = self._tracker.process(results, requested, self._clock())
        self._schedule.record(requested, delta.missing)
        return delta

    def _last_part(
        self, rest: Sequence[tuple[Request, Results | YahooError]], *, answered: bool
    ) -> PollResult:
        """Return the result of the requests that failed or had an empty answer.

        An empty answer is valid if another answer was not empty, or if all its symbols are unknown.
        Otherwise Yahoo has no data at the moment, and that says nothing about the symbols.
        """
        errors = [answer for _, answer in rest if isinstance(answer, YahooError)]
        empty = [(request, answer) for request, answer in rest if not isinstance(answer, YahooError)]
        error = min(errors, key=_rank, default=None)
        valid = answered or (error is None and all(request.unknown for request, _ in empty))
        if valid:
            delta = self._process(empty) if empty else NO_DELTA
            failed = [request for request, answer in rest if isinstance(answer, YahooError)]
            return PollResult(delta, error, _symbols(failed), is_partial=error is not None)
        requested = _symbols([request for request, _ in rest])
        return PollResult(NO_DELTA, error or NoQuotes(requested), requested)


def _symbols(requests: Sequence[Request]) -> list[str]:
    return [symbol for request in requests for symbol in request.symbols]


def _has_results(answer: Results | YahooError) -> bool:
    return isinstance(answer, list) and bool(answer)


def _rank(error: YahooError) -> int:
    """Return 0 for the most important error."""
    if isinstance(error, CircuitOpen):
        return 1
    return 0 if isinstance(error, RateLimited) else 2
