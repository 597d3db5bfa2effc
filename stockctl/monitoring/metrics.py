"""Metrics of a run, and the latest quote of each symbol."""

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from threading import Lock
from typing import NamedTuple, Protocol

from stockctl.market.numbers import rounded_quotient
from stockctl.market.quote import Quote
from stockctl.market.timestamp import format_timestamp
from stockctl.monitoring.health import BREAKER, CONNECTION, DELIVERY, HEALTH, MARKET, HealthCheck, State
from stockctl.pipeline.ports import Rejection
from stockctl.producer.stats import DeliverySnapshot, Totals
from stockctl.sources.base import SourceStatus, Tick

MOST_SYMBOLS = 100_000


class QuoteLine(NamedTuple):
    """What is known of one symbol."""

    symbol: str
    price: Decimal
    change_percent: Decimal | None
    """Against the close of the session before; None when that is unknown."""
    timestamp: str
    """The market's time of the last quote."""
    quotes: int
    """How many quotes there were."""


class QuoteTotals(NamedTuple):
    """What is known of all symbols together."""

    symbols: int = 0
    quotes: int = 0
    rejections: int = 0
    reason: str | None = None
    """Why the last one was rejected."""
    arrived_at: float | None = None
    """When the last quote came, in seconds since 1970."""


# The last quote, how many there were, and how many of all symbols when it came. A plain tuple is made in a
# fraction of the time that a named one takes.
_Entry = tuple[Quote, int, int]


class LatestQuotes:
    """Notes what a source yields; one thread notes, any may read.

    Args:
        most_symbols: how many are remembered; beyond, a tenth of them goes that was quiet the longest.
        clock: seconds since 1970.
    """

    def __init__(self, most_symbols: int = MOST_SYMBOLS, clock: Callable[[], float] = time.time) -> None:
        self._most_symbols = most_symbols
        self._clock = clock
        self._lock = Lock()
        self._entries: dict[str, _Entry] = {}
        self._quotes = self._rejections = 0
        self._reason: str | None = None
        self._arrived_at: float | None = None

    def note(self, tick: Tick) -> None:
        """Note a tick."""
        with self._lock:
            entries, before, count = self._entries, self._quotes, self._quotes
            for item in tick:
                if isinstance(item, Rejection):
                    self._rejections += 1
                    self._reason = item.reason
                    continue
                count += 1
                entry = entries.get(item.symbol)
                entries[item.symbol] = (item, 1 if entry is None else entry[1] + 1, count)
            self._quotes = count
            if count > before:
                self._arrived_at = self._clock()
            if len(entries) > self._most_symbols:
                self._forget()

    def keep(self, symbols: Sequence[str]) -> None:
        """Forget all symbols but these."""
        kept = frozenset(symbols)
        with self._lock:
            self._entries = {symbol: entry for symbol, entry in self._entries.items() if symbol in kept}

    def sums(self) -> QuoteTotals:
        """Return what is known of all symbols together."""
        with self._lock:
            counts = (len(self._entries), self._quotes, self._rejections)
            return QuoteTotals(*counts, self._reason, self._arrived_at)

    def lines(self, most: int) -> list[QuoteLine]:
        """Return ``most`` symbols at most: all of them by name, or those that moved most.

        What has no known change comes behind, the latest quotes first.
        """
        with self._lock:
            entries = list(self._entries.values())
        if len(entries) <= most:
            chosen = sorted(entries, key=_name)
        else:
            chosen = heapq.nlargest(most, entries, key=_importance)
        return [_line(entry) for entry in chosen]

    def _forget(self) -> None:
        by_age = sorted(self._entries.values(), key=lambda entry: entry[2])
        for entry in by_age[: max(1, len(by_age) - self._most_symbols * 9 // 10)]:
            del self._entries[entry[0].symbol]


def _name(entry: _Entry) -> str:
    return entry[0].symbol


def _importance(entry: _Entry) -> tuple[float, int]:
    quote, _, arrived = entry
    close = quote.previous_close
    return -1.0 if close is None else abs(float(quote.price) / float(close) - 1.0), arrived


def _line(entry: _Entry) -> QuoteLine:
    quote, quotes, _ = entry
    close = quote.previous_close
    change = None if close is None else rounded_quotient((quote.price - close) * 100, close)
    return QuoteLine(quote.symbol, quote.price, change, quote.timestamp, quotes)


class MeasuredProducer(Protocol):
    """A producer, as far as it can be watched."""

    @property
    def totals(self) -> Totals:
        """What was done so far."""

    def snapshot(self) -> DeliverySnapshot:
        """Return the figures of this moment; any thread may ask."""


class RunMetrics(NamedTuple):
    """What there is to show."""

    source: str
    started_at: float
    """In seconds since 1970."""
    delivery: DeliverySnapshot
    alerts: int
    board: QuoteTotals
    told: SourceStatus
    verdict: HealthCheck

    def states(self) -> dict[str, State]:
        """Return how it stands with the delivery, the health, and what the source tells of."""
        told, verdict = self.told, self.verdict
        states = {DELIVERY: delivery_state(self.delivery)}
        if told.breaker is not None:
            states[BREAKER] = State(told.breaker, None, told.breaker_until)
        if told.rests is not None:
            closed, opened = State("closed", None, told.rests_until), State("open", None, told.closes_at)
            states[MARKET] = closed if told.rests else opened
        if told.connected is not None:
            states[CONNECTION] = State("up" if told.connected else "down")
        states[HEALTH] = State("healthy") if verdict.healthy else State("hung", verdict.reason)
        return states

    def fields(self) -> Mapping[str, object]:
        """Return the figures by the names that the log and the health file have for them.

        A condition has its ``<condition>_until`` beside it where that is known. Lags are in seconds, null
        where nothing was delivered lately; ``symbols`` is how many there were quotes of, ``received`` how
        many quotes the source gave, ``left_out`` how many it did not, see ``SourceStatus``.
        """
        delivery = self.delivery
        return {
            "source": self.source,
            **self._conditions(),
            "symbols": self.board.symbols,
            "received": self.board.quotes,
            "sent": delivery.sent,
            "waiting": delivery.waiting,
            "retried": delivery.retried,
            "refused": delivery.refused,
            "throttled": delivery.throttled,
            "uncertain": delivery.uncertain,
            "dropped": delivery.dropped,
            "left_out": self.told.left_out,
            "alerts": self.alerts,
            "reconnects": self.told.reconnects,
            "lag_p50": _rounded(delivery.lag_p50),
            "lag_p99": _rounded(delivery.lag_p99),
        }

    def _conditions(self) -> Mapping[str, object]:
        fields: dict[str, object] = {}
        for subject, state in self.states().items():
            fields[subject] = state.name
            if state.until is not None:
                fields[f"{subject}_until"] = format_timestamp(state.until)
        return fields


def delivery_state(delivery: DeliverySnapshot) -> State:
    """Return how it stands with the delivery."""
    return State("waiting", delivery.fault) if delivery.fault else State("delivering")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
