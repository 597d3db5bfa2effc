"""Whether a live quote can be true, judged against the clock and the quotes of its symbol before it.

Four things are judged, in this order:

1. A time in the future, beyond a small tolerance for clocks, is refused: what it would do is make every
   quote after it look old.
2. A time before the symbol's last one is dropped. Yahoo's servers disagree at times; nothing is wrong with
   the quote, it is only late.
3. A price 50 times the last one, or a fiftieth of it, is refused at first: pence for pounds and its like
   are factors of 100 or 1000. But a split of 1:100 and a currency of which zeros are struck off are real,
   so nothing is refused for ever. The new level is taken, and the quote flagged, when either

   - it stays: three later quotes, over a minute of the market's time at least, are within a factor of two
     of the first one refused, with none at the old level in between; or
   - the quote's own previous close is within a factor of two of it, and the market has rested for four
     hours, which is where splits happen. Within a session an agreeing close proves nothing, because then
     it was sent in the wrong unit as well.

   The quotes refused in the meantime are lost to the table, and kept with the reason by whoever asks.
4. A quote without a previous close is flagged. Its previous close stays unknown; it is not made up.

What an earlier run knew is used as well, where a ``PriceStore`` has it: the last price, and a level that was
doubted. A quote older than that price is not judged by it, for it may have been read again on purpose.

What is no number, not finite, zero or negative does not become a ``Quote`` in the first place. A replay
and a simulation are not judged: their quotes are old, or invented.
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
MOST_SYMBOLS = 100_000


class Doubt(StrEnum):
    """What is strange about a quote; the values name the counters."""

    UNREADABLE = "unreadable"
    """It is no quote: a price or a time that cannot be."""
    FUTURE = "future"
    BACKWARDS = "backwards"
    SCALE = "scale"
    """Its price is about 100 times the last one, or a hundredth."""
    RESCALED = "rescaled"
    """Its price was like that, and is believed now."""
    NO_PREVIOUS_CLOSE = "no_previous_close"


class Action(StrEnum):
    """What to do with a quote."""

    TAKE = "take"
    FLAG = "flag"
    """Take it, and mention the doubt."""
    DROP = "drop"
    """Do not take it; nothing is wrong with it."""
    REFUSE = "refuse"
    """Do not take it; keep it with the reason."""


class Judgement(NamedTuple):
    """What to do with a quote, and why; the reason is fit for a person, and empty with ``TAKE``."""

    action: Action
    doubt: Doubt | None = None
    reason: str = ""

    @property
    def taken(self) -> bool:
        """Whether the quote goes on."""
        return self.action in (Action.TAKE, Action.FLAG)


class SuspectedLevel(NamedTuple):
    """A price that is doubted, since when, and how often it has been confirmed."""

    price: Decimal
    since: str
    newest: str
    confirmations: int


class LastPrice(NamedTuple):
    """The last quote taken of a symbol, and the level that is doubted, if one is."""

    price: Decimal
    timestamp: str
    doubted: SuspectedLevel | None = None


class PriceStore(Protocol):
    """Remembers over the end of a run what was known of symbols."""

    def recall(self, symbol: str) -> LastPrice | None:
        """Return what an earlier run knew; asked once for each symbol, before anything is noted of it."""

    def note(self, symbol: str, known: LastPrice) -> None:
        """Remember what is known now."""


_SOUND = Judgement(Action.TAKE)
_NO_CLOSE = Judgement(Action.FLAG, Doubt.NO_PREVIOUS_CLOSE, "the previous close is unknown")


class PlausibilityChecker:
    """Judges the quotes of one live source, or of several that complete each other.

    A judgement takes the same time however many symbols there are. Memory is bounded by ``most_symbols``,
    beyond which the symbol that was quiet the longest is forgotten. Only one thread may judge at a time;
    ``counts`` may be read from any.

    Args:
        tolerance: how far ahead of ``now`` a time may be.
        most_symbols: how many symbols are remembered.
        memory: what earlier runs knew, and who is told for later ones.
    """

    def __init__(
        self,
        *,
        tolerance: timedelta = CLOCK_TOLERANCE,
        most_symbols: int = MOST_SYMBOLS,
        memory: PriceStore | None = None,
    ) -> None:
        self._memory = memory
        self._tolerance = tolerance
        self._most_symbols = most_symbols
        self._known: OrderedDict[str, LastPrice] = OrderedDict()
        self._counts = dict.fromkeys(Doubt, 0)
        self._now: datetime | None = None
        self._latest = ""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many quotes there were of each ``Doubt``; all doubts are named."""
        return {str(doubt): count for doubt, count in self._counts.items()}

    def count(self, doubt: Doubt, records: int = 1) -> None:
        """Count what a source has met and refused by itself, such as what it could not read."""
        self._counts[doubt] += records

    def judge(self, quote: Quote, now: datetime) -> Judgement:
        """Return what to do with a quote that came at ``now`` (aware); what is taken is remembered.

        The same quote may come again and again while a market rests. When it was refused for its scale, that
        is neither counted again nor taken for a confirmation.
        """
        verdict = self._judge(quote, now)
        if verdict is _SOUND or verdict.taken:
            self._remember(quote)
        return verdict

    def _judge(self, quote: Quote, now: datetime) -> Judgement:
        if now is not self._now:  # the quotes of a tick have it in common
            self._now, self._latest = now, format_timestamp(now + self._tolerance)
        if quote.timestamp > self._latest:
            return self._counted(Action.REFUSE, Doubt.FUTURE, self._ahead(quote))
        known = self._known.get(quote.symbol) or self._recalled(quote)
        if known is not None:
            if quote.timestamp < known.timestamp:
                reason = f"timestamp {quote.timestamp} is before that of the last quote, {known.timestamp}"
                return self._counted(Action.DROP, Doubt.BACKWARDS, reason)
            if not _is_near(quote.price, known.price, UNIT_FACTOR):
                return self._judge_scale(quote, known)
        if quote.previous_close is None:
            self._counts[Doubt.NO_PREVIOUS_CLOSE] += 1
            return _NO_CLOSE
        return _SOUND

    def _judge_scale(self, quote: Quote, known: LastPrice) -> Judgement:
        level = known.doubted
        if level is not None and quote.timestamp <= level.newest:
            return Judgement(Action.REFUSE, Doubt.SCALE, _ratio_text(quote, known))
        level = _confirmed(level, quote)
        if _lasts_long_enough(level) or _agrees(quote, known):
            return self._counted(Action.FLAG, Doubt.RESCALED, _rejection_reason(quote, known))
        self._know(quote.symbol, known._replace(doubted=level))
        return self._counted(Action.REFUSE, Doubt.SCALE, _ratio_text(quote, known))

    def _recalled(self, quote: Quote) -> LastPrice | None:
        known = None if self._memory is None else self._memory.recall(quote.symbol)
        if known is None or quote.timestamp < known.timestamp:
            return None
        self._known[quote.symbol] = known
        return known

    def _know(self, symbol: str, known: LastPrice) -> None:
        self._known[symbol] = known
        if self._memory is not None:
            self._memory.note(symbol, known)

    def _counted(self, action: Action, doubt: Doubt, reason: str) -> Judgement:
        self._counts[doubt] += 1
        return Judgement(action, doubt, reason)

    def _ahead(self, quote: Quote) -> str:
        # Without the time now, so that the same quote has the same reason when it comes again.
        minutes = self._tolerance.total_seconds() / 60
        return f"timestamp {quote.timestamp} is more than {minutes:g} minutes ahead of this machine's clock"

    def _remember(self, quote: Quote) -> None:
        self._know(quote.symbol, LastPrice(quote.price, quote.timestamp))
        self._known.move_to_end(quote.symbol)
        if len(self._known) > self._most_symbols:
            self._known.popitem(last=False)


def _is_near(price: Decimal, other: Decimal, factor: int) -> bool:
    """Return whether each price is less than ``factor`` times the other."""
    return price < other * factor and other < price * factor


def _confirmed(level: SuspectedLevel | None, quote: Quote) -> SuspectedLevel:
    """Return the doubted level once ``quote`` is at it; a new one when it is at another."""
    if level is None or not _is_near(quote.price, level.price, LEVEL_FACTOR):
        return SuspectedLevel(quote.price, quote.timestamp, quote.timestamp, 0)
    return level._replace(newest=quote.timestamp, confirmations=level.confirmations + 1)


def _lasts_long_enough(level: SuspectedLevel) -> bool:
    return (
        level.confirmations >= CONFIRMATIONS and _seconds_between(level.since, level.newest) >= CONFIRMED_OVER
    )


def _agrees(quote: Quote, known: LastPrice) -> bool:
    """Return whether the quote's own previous close is a reason to believe its price."""
    close = quote.previous_close
    if close is None or not _is_near(quote.price, close, LEVEL_FACTOR):
        return False
    return _seconds_between(known.timestamp, quote.timestamp) >= SESSION_BREAK


def _seconds_between(first: str, second: str) -> timedelta:
    return to_datetime(second) - to_datetime(first)


def _ratio_text(quote: Quote, known: LastPrice) -> str:
    return f"{_comparison(quote, known)}: a wrong unit, unless it stays so"


def _rejection_reason(quote: Quote, known: LastPrice) -> str:
    return f"{_comparison(quote, known)}, and taken, because it stays so or the previous close agrees"


def _comparison(quote: Quote, known: LastPrice) -> str:
    factor = format_decimal(Decimal(f"{max(quote.price, known.price) / min(quote.price, known.price):.3g}"))
    price, last = format_decimal(quote.price), format_decimal(known.price)
    return f"price {price} is off by a factor of {factor} from the last, {last}"
