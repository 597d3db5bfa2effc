"""One poll: divides the symbols among requests and collects the results."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from threading import Event
from typing import NamedTuple
from urllib.parse import quote

from stockctl.sources.yahoo.client import YahooClient
from stockctl.sources.yahoo.errors import CircuitOpen, NoQuotes, RateLimited, YahooError
from stockctl.sources.yahoo.throttle import BreakerState
from stockctl.sources.yahoo.tracker import PollDelta, QuoteTracker
from stockctl.sources.yahoo.workers import RequestPool

LONGEST_LIST = 6000
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
            room = LONGEST_LIST
        lists[-1].append(symbol)
        room -= length
    return lists


LONGEST_PAUSE_POLLS = 3600.0
"""Seconds between two requests for an unknown symbol, in the end."""


class Request(NamedTuple):
    """Symbols to ask for in one request."""

    symbols: Sequence[str]
    unknown: bool = False
    """None of them has ever had a quote: an empty answer is to be expected."""


class _Pause(NamedTuple):
    """How long an unknown symbol is left out, and until when."""

    wait: float
    until: float


class SymbolSchedule:
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
        rarest: float = LONGEST_PAUSE_POLLS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rarest = rarest
        self._first = min(2 * interval, rarest)
        self._clock = clock
        self._known: set[str] = set()
        self._unknown: dict[str, _Pause] = {}
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
        return [*self._regular, *(Request(symbols, unknown=True) for symbols in split_symbols(due))]

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
        self._unknown[symbol] = _Pause(wait, self._clock() + wait)

    def _divide(self) -> None:
        asked = [symbol for symbol in self._symbols if symbol not in self._unknown]
        self._regular = [Request(symbols) for symbols in split_symbols(asked)]


MISSING_POLLS = 5.0
"""Seconds after which answers that are there do not wait for the others of their poll."""

NOTHING = PollDelta((), (), {})

Results = list[object]


class PollResult(NamedTuple):
    """What a poll, or a part of one, brought, and what it did not."""

    news: PollDelta = NOTHING
    fault: YahooError | None = None
    """What went wrong: the limit if there was one, or else the first of all faults."""
    unasked: Sequence[str] = ()
    """The symbols of the requests that failed."""
    is_partial: bool = False
    """Whether some requests failed, and others did not."""

    @property
    def is_limited(self) -> bool:
        """Whether Yahoo wants to be left alone."""
        return isinstance(self.fault, RateLimited)


class Poller:
    """Polls for what a roster says, and lets a watch judge the answers.

    Args:
        client: asks Yahoo.
        roster: says for what.
        watch: knows what is new.
        clock: the time of day, for ``observed_at``.
    """

    def __init__(
        self, client: YahooClient, roster: SymbolSchedule, watch: QuoteTracker, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._roster = roster
        self._watch = watch
        self._clock = clock

    def poll(self, caller: RequestPool[Results], stop: Event) -> Iterator[PollResult]:
        """Ask once for all that is due, and yield what it brought; what comes late comes in parts.

        Faults and empty answers are in the last part, which there is always.

        Raises:
            Stopped: ``stop`` was set.
            SourceError: yfinance is unfit.
        """
        requests = self._roster.requests()
        rest: list[tuple[Request, Results | YahooError]] = []
        parts = 0
        for answers in self._ask(requests, caller, stop):
            full = [(requests[place], answer) for place, answer in answers.items() if _has_results(answer)]
            rest += [
                (requests[place], answer) for place, answer in answers.items() if not _has_results(answer)
            ]
            if full:
                parts += 1
                yield PollResult(self._take(full))
        yield self._conclude(rest, answered=parts > 0)

    def _ask(
        self, requests: Sequence[Request], caller: RequestPool[Results], stop: Event
    ) -> Iterator[dict[int, Results | YahooError]]:
        """Yield answers by place; after a limit the first decides whether the others are sent."""
        ask = [partial(self._client.quotes, request.symbols, stop) for request in requests]
        alone = 0 if self._client.breaker.state is BreakerState.CLOSED else 1
        for answers in caller.answers(ask[:alone], stop):
            yield answers
            if any(isinstance(answer, RateLimited) for answer in answers.values()):
                yield dict.fromkeys(range(alone, len(ask)), CircuitOpen())
                return
        for answers in caller.answers(ask[alone:], stop, MISSING_POLLS):
            yield {place + alone: answer for place, answer in answers.items()}

    def _take(self, answers: Sequence[tuple[Request, Results | YahooError]]) -> PollDelta:
        """Learn from sound answers, and return what is new in them."""
        results = [result for _, answer in answers if isinstance(answer, list) for result in answer]
        asked = [symbol for request, _ in answers for symbol in request.symbols]
        news = self._watch.take(results, asked, self._clock())
        self._roster.note(asked, news.missing)
        return news

    def _conclude(
        self, rest: Sequence[tuple[Request, Results | YahooError]], *, answered: bool
    ) -> PollResult:
        """Return what requests without a result mean.

        Empty answers are sound beside others that are not, or to what is unknown; otherwise Yahoo has
        nothing to say just now, and that proves nothing.
        """
        faults = [answer for _, answer in rest if isinstance(answer, YahooError)]
        empty = [(request, answer) for request, answer in rest if not isinstance(answer, YahooError)]
        fault = min(faults, key=_rank, default=None)
        sound = answered or (fault is None and all(request.unknown for request, _ in empty))
        if sound:
            news = self._take(empty) if empty else NOTHING
            unasked = [request for request, answer in rest if isinstance(answer, YahooError)]
            return PollResult(news, fault, _symbols(unasked), is_partial=fault is not None)
        asked = _symbols([request for request, _ in rest])
        return PollResult(NOTHING, fault or NoQuotes(asked), asked)


def _symbols(requests: Sequence[Request]) -> list[str]:
    return [symbol for request in requests for symbol in request.symbols]


def _has_results(answer: Results | YahooError) -> bool:
    return isinstance(answer, list) and bool(answer)


def _rank(fault: YahooError) -> int:
    """Return 0 for the fault that matters the most."""
    if isinstance(fault, CircuitOpen):
        return 1
    return 0 if isinstance(fault, RateLimited) else 2
