"""One poll: all requests, some at a time, each for itself; what one of them lacks costs no other anything."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from threading import Event
from typing import NamedTuple

from stockctl.sources.yahoo.breaker import State
from stockctl.sources.yahoo.caller import Caller
from stockctl.sources.yahoo.client import YahooClient
from stockctl.sources.yahoo.faults import NoQuotes, RateLimited, Withheld, YahooFault
from stockctl.sources.yahoo.roster import Request, Roster
from stockctl.sources.yahoo.watch import News, Watch

PATIENCE = 5.0
"""Seconds after which answers that are there do not wait for the others of their poll."""

NOTHING = News((), (), {})

Results = list[object]


class Outcome(NamedTuple):
    """What a poll, or a part of one, brought, and what it did not."""

    news: News = NOTHING
    fault: YahooFault | None = None
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
        self, client: YahooClient, roster: Roster, watch: Watch, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._roster = roster
        self._watch = watch
        self._clock = clock

    def poll(self, caller: Caller[Results], stop: Event) -> Iterator[Outcome]:
        """Ask once for all that is due, and yield what it brought; what comes late comes in parts.

        Faults and empty answers are in the last part, which there is always.

        Raises:
            Stopped: ``stop`` was set.
            SourceError: yfinance is unfit.
        """
        requests = self._roster.requests()
        rest: list[tuple[Request, Results | YahooFault]] = []
        parts = 0
        for answers in self._ask(requests, caller, stop):
            full = [(requests[place], answer) for place, answer in answers.items() if _has_results(answer)]
            rest += [
                (requests[place], answer) for place, answer in answers.items() if not _has_results(answer)
            ]
            if full:
                parts += 1
                yield Outcome(self._take(full))
        yield self._conclude(rest, answered=parts > 0)

    def _ask(
        self, requests: Sequence[Request], caller: Caller[Results], stop: Event
    ) -> Iterator[dict[int, Results | YahooFault]]:
        """Yield answers by place; after a limit the first decides whether the others are sent."""
        ask = [partial(self._client.quotes, request.symbols, stop) for request in requests]
        alone = 0 if self._client.breaker.state is State.CLOSED else 1
        for answers in caller.answers(ask[:alone], stop):
            yield answers
            if any(isinstance(answer, RateLimited) for answer in answers.values()):
                yield dict.fromkeys(range(alone, len(ask)), Withheld())
                return
        for answers in caller.answers(ask[alone:], stop, PATIENCE):
            yield {place + alone: answer for place, answer in answers.items()}

    def _take(self, answers: Sequence[tuple[Request, Results | YahooFault]]) -> News:
        """Learn from sound answers, and return what is new in them."""
        results = [result for _, answer in answers if isinstance(answer, list) for result in answer]
        asked = [symbol for request, _ in answers for symbol in request.symbols]
        news = self._watch.take(results, asked, self._clock())
        self._roster.note(asked, news.missing)
        return news

    def _conclude(self, rest: Sequence[tuple[Request, Results | YahooFault]], *, answered: bool) -> Outcome:
        """Return what requests without a result mean.

        Empty answers are sound beside others that are not, or to what is unknown; otherwise Yahoo has
        nothing to say just now, and that proves nothing.
        """
        faults = [answer for _, answer in rest if isinstance(answer, YahooFault)]
        empty = [(request, answer) for request, answer in rest if not isinstance(answer, YahooFault)]
        fault = min(faults, key=_rank, default=None)
        sound = answered or (fault is None and all(request.unknown for request, _ in empty))
        if sound:
            news = self._take(empty) if empty else NOTHING
            unasked = [request for request, answer in rest if isinstance(answer, YahooFault)]
            return Outcome(news, fault, _symbols(unasked), is_partial=fault is not None)
        asked = _symbols([request for request, _ in rest])
        return Outcome(NOTHING, fault or NoQuotes(asked), asked)


def _symbols(requests: Sequence[Request]) -> list[str]:
    return [symbol for request in requests for symbol in request.symbols]


def _has_results(answer: Results | YahooFault) -> bool:
    return isinstance(answer, list) and bool(answer)


def _rank(fault: YahooFault) -> int:
    """Return 0 for the fault that matters the most."""
    if isinstance(fault, Withheld):
        return 1
    return 0 if isinstance(fault, RateLimited) else 2
