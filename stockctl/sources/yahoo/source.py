"""The polling loop: ask, hand on what is new, rest; rest longer when Yahoo does not answer."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from random import Random
from threading import Event

from stockctl.errors import SourceError, UsageError
from stockctl.market.symbol import parse_symbol
from stockctl.sources.base import Tick
from stockctl.sources.yahoo.backoff import Backoff
from stockctl.sources.yahoo.caller import Caller, Stopped
from stockctl.sources.yahoo.client import YahooClient
from stockctl.sources.yahoo.faults import NoQuotes, YahooFault, named
from stockctl.sources.yahoo.reading import SOURCE
from stockctl.sources.yahoo.urls import split
from stockctl.sources.yahoo.watch import News, Watch

LONGEST_WAIT = 300.0
"""Seconds between two tries at most, however long Yahoo has not answered."""
ONCE_TRIES = 3
ONCE_WAIT = 0.5
"""Seconds of the first wait when a single poll fails, or the interval if that is less."""
POLITE_INTERVAL = 5.0

_UNUSABLE = (
    "Try again while the market is open, and check the spelling of what is unknown (BRK-B, VOD.L, ^GSPC)."
)

Outcome = tuple[News, YahooFault | None]
"""What a poll brought, and the fault that broke it off, if one did."""

_log = logging.getLogger(__name__)


class YahooSource:
    """Polls Yahoo for the newest quote of each symbol.

    A quote is yielded when its market time is newer than that of the one before. A fault makes the next
    poll wait, five minutes at most, and never makes a symbol be forgotten.

    Args:
        symbols: what to ask for, all in one request as long as they fit into a URL.
        interval: seconds from the start of a poll to the start of the next.
        once: poll once (with two more tries when that fails), and end.
        clock: the time of day, for ``observed_at``.
        rng: where the jitter of the waits after faults comes from.

    Raises:
        UsageError: there is no symbol, or the interval is not above zero.
        Refusal: a symbol has characters that no symbol has.
    """

    name = SOURCE
    expected: int | None = None

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        interval: float = 30.0,
        once: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: Random | None = None,
    ) -> None:
        if not symbols:
            raise UsageError("There is no symbol to ask Yahoo for.", "Name some: --symbols AAPL,MSFT.")
        if not (math.isfinite(interval) and interval > 0):
            raise UsageError(f"The interval of {interval:g} s is not above zero.", "Try --interval 30.")
        self._symbols = list(dict.fromkeys(map(parse_symbol, symbols)))
        self._requests = split(self._symbols)
        self._interval = interval
        self._once = once
        self._clock = clock
        self._rng = Random() if rng is None else rng  # noqa: S311 - jitter is no secret
        self._client = YahooClient()
        self._watch = Watch(self._symbols)
        self._quotes = 0

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what is new at each poll.

        Raises:
            SourceError: ``once`` was asked for and no symbol could be read, or yfinance is unfit.
        """
        caller: Caller[list[object]] = Caller()
        poll = partial(self._poll, caller, stop)
        self._announce()
        try:
            yield from self._single(poll, stop) if self._once else self._endless(poll, stop)
        except Stopped:
            return
        finally:
            caller.close()

    def _announce(self) -> None:
        how_often = "once" if self._once else f"every {self._interval:g} s"
        requests = "one request" if len(self._requests) == 1 else f"{len(self._requests)} requests a poll"
        _log.info("Asking Yahoo for %s %s, in %s.", named(self._symbols), how_often, requests)
        if not self._once and self._interval < POLITE_INTERVAL:
            _log.warning("Yahoo may limit an address that asks more often than every %g s.", POLITE_INTERVAL)

    def _endless(self, poll: Callable[[], Outcome], stop: Event) -> Iterator[Tick]:
        backoff = Backoff(self._interval, LONGEST_WAIT, self._rng)
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            news, fault = poll()
            if news.quotes or news.rejections:
                yield [*news.rejections, *news.quotes]
            if fault is not None:
                due = time.monotonic() + _rest(fault, backoff)
                continue
            if faults := backoff.reset():
                _log.info("Yahoo answers again after %d failed polls.", faults)
            due = next_start(due, self._interval, time.monotonic())

    def _single(self, poll: Callable[[], Outcome], stop: Event) -> Iterator[Tick]:
        backoff = Backoff(min(ONCE_WAIT, self._interval), LONGEST_WAIT, self._rng)
        while True:
            news, fault = poll()
            if news.quotes or news.rejections:
                yield [*news.rejections, *news.quotes]
            if news.quotes:
                _admit(fault)
                return
            if fault is None:
                reasons = [f"{symbol} ({reason})" for symbol, reason in news.unread.items()]
                raise SourceError(f"Yahoo answers, but no price can be used: {named(reasons)}.", _UNUSABLE)
            if backoff.faults == ONCE_TRIES - 1:
                raise SourceError(f"{fault.what}. {fault.means}.", fault.hint) from fault
            if stop.wait(_rest(fault, backoff)):
                return

    def _poll(self, caller: Caller[list[object]], stop: Event) -> Outcome:
        """Ask once for all symbols. What came before a fault counts."""
        results: list[object] = []
        asked: list[str] = []
        fault: YahooFault | None = None
        for request in self._requests:
            try:
                results += caller.call(partial(self._client.quotes, request), stop)
            except YahooFault as error:
                fault = error
                break
            asked += request
        if not results:
            return News((), (), {}), fault or NoQuotes(self._symbols)
        news = self._watch.take(results, asked, self._clock())
        self._tell(news)
        return news, fault

    def _tell(self, news: News) -> None:
        if news.quotes and not self._quotes:
            _log.info("First quotes: %s.", named([quote.symbol for quote in news.quotes]))
        self._quotes += len(news.quotes)
        _log.debug("New quotes: %d, and %d in all.", len(news.quotes), self._quotes)


def _admit(fault: YahooFault | None) -> None:
    """Say that a poll which brought quotes was broken off all the same."""
    if fault is not None:
        _log.warning("%s. %s. The rest of the symbols was not read.", fault.what, fault.means)


def _rest(fault: YahooFault, backoff: Backoff) -> float:
    """Return the seconds to wait after a fault, having said why."""
    wait = backoff.wait()
    _log.warning(
        "%s. %s. Next try in %.3g s (%d failed in a row).", fault.what, fault.means, wait, backoff.faults
    )
    return wait


def next_start(due: float, interval: float, now: float) -> float:
    """Return the next moment of the grid that ``due`` is on and that is not over at ``now``."""
    return due + interval * max(1, math.ceil((now - due) / interval))
