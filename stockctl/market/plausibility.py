"""Checks whether a live quote can be true, by the clock and by the earlier quotes of its symbol.

Four checks are made, in this order:

1. A quote with a timestamp in the future is rejected: it would make every later quote look old. A small
   tolerance allows for clocks that are wrong.
2. A quote with a timestamp before the symbol's last one is dropped. It is valid, only late: at times
   Yahoo's servers do not have the same data.
3. A price at least 50 times the last one, or at most a fiftieth of it, is rejected at first. The likely
   cause is a wrong unit: pence instead of pounds, for example, is a factor of 100. But after a 1:100 split
   or a currency reform the price is correct. So the new price level is accepted, and the quote flagged,
   when one of these is true:

   - The level persists: three later quotes, over at least one minute of market time, are within a factor
     of two of the first rejected one, and no quote in between is at the old level.
   - The quote's own previous close is within a factor of two of its price, and the symbol had no quote for
     four hours, because splits happen between sessions. Within a session the previous close proves nothing:
     it may be in the same wrong unit.

   The quotes rejected until then are not stored; the caller can quarantine them with the reason.
4. A quote without a previous close is flagged. Its previous close stays unknown; it is not made up.

A ``PriceStore`` keeps the last price and a suspected level from one run to the next. A quote that is older
than this last price is not compared with it: the user may have read old quotes again on purpose.

A value that is not a number, not finite, zero or negative does not become a ``Quote`` in the first place.
Replays and simulations are not checked: their quotes are old or invented.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from stockctl.market.numbers import format_decimal
from stockctl.market.quote import Quote
from stockctl.market.timestamp import format_timestamp, to_datetime

CLOCK_TOLERANCE = timedelta(minutes=5)
UNIT_FACTOR = 50
LEVEL_FACTOR = 2
CONFIRMATIONS = 3
CONFIRMED_OVER = timedelta(minutes=1)
SESSION_BREAK = timedelta(hours=4)
MAX_SYMBOLS = 100_000


class QuoteIssue(StrEnum):
    """What is suspicious about a quote; the values are the names of the counters."""

    UNREADABLE = "unreadable"
    """It is not a valid quote."""
    FUTURE = "future"
    BACKWARDS = "backwards"
    SCALE = "scale"
    """Its price is about 100 times the last one, or a hundredth of it."""
    RESCALED = "rescaled"
    """Its price differs by a factor like ``SCALE``, but it was accepted as a new price level."""
    NO_PREVIOUS_CLOSE = "no_previous_close"


class Action(StrEnum):
    """What to do with a quote."""

    ACCEPT = "accept"
    FLAG = "flag"
    """Accept it, and report the issue."""
    DROP = "drop"
    """Do not use it; it is valid."""
    REJECT = "reject"
    """Do not use it, and quarantine it with the reason."""


class Judgement(NamedTuple):
    """What to do with a quote, and the reason as text for the user; empty with ``ACCEPT``."""

    action: Action
    issue: QuoteIssue | None = None
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the quote is used."""
        return self.action in (Action.ACCEPT, Action.FLAG)


class SuspectedLevel(NamedTuple):
    """A suspicious price level: its first price, since when, and how often it was confirmed."""

    price: Decimal
    since: str
    newest: str
    confirmations: int


class LastPrice(NamedTuple):
    """The last accepted price of a symbol, and a new level that is suspected, if any."""

    price: Decimal
    timestamp: str
    suspected: SuspectedLevel | None = None


class PriceStore(Protocol):
    """Keeps the last prices of symbols from one run to the next."""

    def load(self, symbol: str) -> LastPrice | None:
        """Return the last price from an earlier run; called once for each symbol, before ``store``."""

    def store(self, symbol: str, last: LastPrice) -> None:
        """Remember the last price of a symbol."""


_ACCEPTED = Judgement(Action.ACCEPT)
_NO_PREVIOUS_CLOSE = Judgement(Action.FLAG, QuoteIssue.NO_PREVIOUS_CLOSE, "the previous close is unknown")


class PlausibilityChecker:
    """Checks the quotes of one live source, or of several that complement each other.

    The time of a check does not depend on the number of symbols. At most ``max_symbols`` are remembered;
    the one without a quote for the longest time is removed first. Only one thread may call ``judge`` at a
    time; any thread may read ``counts``.

    Args:
        tolerance: the time by which a timestamp may be ahead of ``now``.
        max_symbols: the maximum number of symbols remembered.
        store: the last prices of earlier runs; it is updated for later runs.
    """

    def __init__(
        self,
        *,
        tolerance: timedelta = CLOCK_TOLERANCE,
        max_symbols: int = MAX_SYMBOLS,
        store: PriceStore | None = None,
    ) -> None:
        self._store = store
        self._tolerance = tolerance
        self._max_symbols = max_symbols
        self._last_prices: OrderedDict[str, LastPrice] = OrderedDict()
        self._counts = dict.fromkeys(QuoteIssue, 0)
        self._now: datetime | None = None
        self._latest_allowed = ""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many quotes had each ``QuoteIssue``; zeros included."""
        return {str(issue): count for issue, count in self._counts.items()}

    def count(self, issue: QuoteIssue, quotes: int = 1) -> None:
        """Count quotes that the source itself rejected, for example because it could not read them."""
        self._counts[issue] += quotes

    def judge(self, quote: Quote, now: datetime) -> Judgement:
        """Return what to do with a quote received at ``now`` (aware); an accepted one is remembered.

        The same quote may come again and again while a market is closed. If it was rejected for its scale,
        a repetition is not counted again, and confirms nothing.
        """
        judgement = self._judge(quote, now)
        if judgement is _ACCEPTED or judgement.accepted:
            self._remember(quote)
        return judgement

    def _judge(self, quote: Quote, now: datetime) -> Judgement:
        if now is not self._now:  # all quotes of a tick share one object
            self._now, self._latest_allowed = now, format_timestamp(now + self._tolerance)
        if quote.timestamp > self._latest_allowed:
            return self._issue(Action.REJECT, QuoteIssue.FUTURE, self._future_text(quote))
        last = self._last_prices.get(quote.symbol) or self._load(quote)
        if last is not None:
            if quote.timestamp < last.timestamp:
                reason = f"timestamp {quote.timestamp} is before that of the last quote, {last.timestamp}"
                return self._issue(Action.DROP, QuoteIssue.BACKWARDS, reason)
            if not _is_near(quote.price, last.price, UNIT_FACTOR):
                return self._judge_scale(quote, last)
        if quote.previous_close is None:
            self._counts[QuoteIssue.NO_PREVIOUS_CLOSE] += 1
            return _NO_PREVIOUS_CLOSE
        return _ACCEPTED

    def _judge_scale(self, quote: Quote, last: LastPrice) -> Judgement:
        level = last.suspected
        if level is not None and quote.timestamp <= level.newest:
            return Judgement(Action.REJECT, QuoteIssue.SCALE, _rejection_reason(quote, last))
        level = _updated_level(level, quote)
        if _lasts_long_enough(level) or _previous_close_agrees(quote, last):
            return self._issue(Action.FLAG, QuoteIssue.RESCALED, _acceptance_reason(quote, last))
        self._set_last(quote.symbol, last._replace(suspected=level))
        return self._issue(Action.REJECT, QuoteIssue.SCALE, _rejection_reason(quote, last))

    def _load(self, quote: Quote) -> LastPrice | None:
        last = None if self._store is None else self._store.load(quote.symbol)
        if last is None or quote.timestamp < last.timestamp:
            return None
        self._last_prices[quote.symbol] = last
        return last

    def _set_last(self, symbol: str, last: LastPrice) -> None:
        self._last_prices[symbol] = last
        if self._store is not None:
            self._store.store(symbol, last)

    def _issue(self, action: Action, issue: QuoteIssue, reason: str) -> Judgement:
        self._counts[issue] += 1
        return Judgement(action, issue, reason)

    def _future_text(self, quote: Quote) -> str:
        # Without the current time, so that the same quote gets the same reason when it comes again.
        minutes = self._tolerance.total_seconds() / 60
        return f"timestamp {quote.timestamp} is more than {minutes:g} minutes ahead of this machine's clock"

    def _remember(self, quote: Quote) -> None:
        self._set_last(quote.symbol, LastPrice(quote.price, quote.timestamp))
        self._last_prices.move_to_end(quote.symbol)
        if len(self._last_prices) > self._max_symbols:
            self._last_prices.popitem(last=False)


def _is_near(price: Decimal, other: Decimal, factor: int) -> bool:
    """Return whether each price is less than ``factor`` times the other."""
    return price < other * factor and other < price * factor


def _updated_level(level: SuspectedLevel | None, quote: Quote) -> SuspectedLevel:
    """Return the suspected level, confirmed once more by ``quote``; a new one if it is at another level."""
    if level is None or not _is_near(quote.price, level.price, LEVEL_FACTOR):
        return SuspectedLevel(quote.price, quote.timestamp, quote.timestamp, 0)
    return level._replace(newest=quote.timestamp, confirmations=level.confirmations + 1)


def _lasts_long_enough(level: SuspectedLevel) -> bool:
    return level.confirmations >= CONFIRMATIONS and _time_between(level.since, level.newest) >= CONFIRMED_OVER


def _previous_close_agrees(quote: Quote, last: LastPrice) -> bool:
    """Return whether the quote's own previous close is a reason to accept its price."""
    close = quote.previous_close
    if close is None or not _is_near(quote.price, close, LEVEL_FACTOR):
        return False
    return _time_between(last.timestamp, quote.timestamp) >= SESSION_BREAK


def _time_between(first: str, second: str) -> timedelta:
    return to_datetime(second) - to_datetime(first)


def _rejection_reason(quote: Quote, last: LastPrice) -> str:
    return f"{_comparison(quote, last)}: probably a wrong unit; accepted if the new price level persists"


def _acceptance_reason(quote: Quote, last: LastPrice) -> str:
    return (
        f"{_comparison(quote, last)}; accepted because the new price level persists "
        "or the previous close confirms it"
    )


def _comparison(quote: Quote, last: LastPrice) -> str:
    factor = format_decimal(Decimal(f"{max(quote.price, last.price) / min(quote.price, last.price):.3g}"))
    price, last_price = format_decimal(quote.price), format_decimal(last.price)
    return f"price {price} is off by a factor of {factor} from the last price, {last_price}"
