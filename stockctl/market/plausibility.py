"""Checks whether a live quote can be true, by the clock and by the earlier quotes of its symbol.

Four checks are made, in this order:

1. A timestamp in the future, beyond a small tolerance for clocks, is rejected: it would make every later
   quote look old.
2. A timestamp before the symbol's last one is dropped. Yahoo's servers disagree at times; nothing is wrong
   with such a quote, it is only late.
3. A price 50 times the last one, or a fiftieth of it, is rejected at first: wrong units, such as pence for
   pounds, are factors of 100 or 1000. But a 1:100 split and a currency reform are real, so nothing is
   rejected for ever. The new level is accepted, and the quote flagged, when either

   - it lasts: three later quotes, over at least a minute of market time, are within a factor of two of the
     first one rejected, with none at the old level in between; or
   - the quote's own previous close is within a factor of two of it, and the symbol had no quote for four
     hours; splits happen between sessions. Within a session the previous close proves nothing, because it
     was sent in the wrong unit as well.

   The quotes rejected in the meantime are not stored; the caller can quarantine them with the reason.
4. A quote without a previous close is flagged. Its previous close stays unknown; it is not made up.

A ``PriceStore`` carries the last price and a suspected level from one run to the next. A quote older than
that price is not checked against it, because it may have been read again on purpose.

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
    """Its price differs by such a factor, and is accepted now."""
    NO_PREVIOUS_CLOSE = "no_previous_close"


class Action(StrEnum):
    """What to do with a quote."""

    ACCEPT = "accept"
    FLAG = "flag"
    """Accept it, and report the issue."""
    DROP = "drop"
    """Leave it out; nothing is wrong with it."""
    REJECT = "reject"
    """Leave it out, and quarantine it with the reason."""


class Judgement(NamedTuple):
    """What to do with a quote, and why; the reason is a text for people, empty with ``ACCEPT``."""

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
        """Return the last price from an earlier run; called once a symbol, before ``store``."""

    def store(self, symbol: str, last: LastPrice) -> None:
        """Remember the last price of a symbol."""


_ACCEPTED = Judgement(Action.ACCEPT)
_NO_PREVIOUS_CLOSE = Judgement(Action.FLAG, QuoteIssue.NO_PREVIOUS_CLOSE, "the previous close is unknown")


class PlausibilityChecker:
    """Checks the quotes of one live source, or of several that complement each other.

    A check takes the same time however many symbols there are. At most ``max_symbols`` are remembered; the
    one without a quote for the longest time is forgotten first. Only one thread may call ``judge`` at a
    time; any thread may read ``counts``.

    Args:
        tolerance: how far ahead of ``now`` a timestamp may be.
        max_symbols: how many symbols are remembered.
        store: the prices of earlier runs; it is also updated for later ones.
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
    return f"{_comparison(quote, last)}: a wrong unit, unless it lasts"


def _acceptance_reason(quote: Quote, last: LastPrice) -> str:
    return f"{_comparison(quote, last)}; accepted because it lasts or the previous close agrees"


def _comparison(quote: Quote, last: LastPrice) -> str:
    factor = format_decimal(Decimal(f"{max(quote.price, last.price) / min(quote.price, last.price):.3g}"))
    price, last_price = format_decimal(quote.price), format_decimal(last.price)
    return f"price {price} is off by a factor of {factor} from the last, {last_price}"
