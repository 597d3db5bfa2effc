"""Join what comes over the connection and what is polled: each quote once, in order of time, plausible."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from stockctl.market.plausibility import Action, Doubt, Plausibility
from stockctl.market.quote import Quote, encode_quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo_live.counters import Counters

ORIGIN = "yahoo-live"
"""Where rejections of the live source come from."""

_SECOND = len("2008-10-06T20:00:00")

_log = logging.getLogger(__name__)


class Arrival(NamedTuple):
    """A quote, and whether it was polled."""

    quote: Quote
    polled: bool


class Newest:
    """Remembers the newest quote of each symbol that was handed on, and judges what is new.

    Polled times are cut to the second. So a quote of the connection with the price and the second of one
    polled before is the same trade, told with more digits; and a polled one is older than any of the
    connection in its second.

    Args:
        plausibility: judges the quotes of both sides together.
    """

    def __init__(self, counters: Counters, plausibility: Plausibility, clock: Callable[[], datetime]) -> None:
        self._counters = counters
        self._plausibility = plausibility
        self._clock = clock
        self._newest: dict[str, Arrival] = {}
        self._refusals: dict[str, str] = {}

    def take(self, arrival: Arrival) -> Quote | Rejection | None:
        """Return what to hand on: the quote, a rejection of it, or nothing."""
        before = self._newest.get(arrival.quote.symbol)
        if before is not None and not self._is_new(before, arrival):
            return None
        verdict = self._plausibility.judge(arrival.quote, self._clock())
        if verdict.action is Action.REFUSE:
            return self._refuse(arrival.quote, verdict.reason)
        if verdict.action is Action.DROP:
            self._leave_out(arrival.quote)
            return None
        if verdict.doubt is Doubt.RESCALED:
            _log.warning("%s: %s.", arrival.quote.symbol, verdict.reason)
        self._refusals.pop(arrival.quote.symbol, None)
        self._newest[arrival.quote.symbol] = arrival
        return arrival.quote

    def _is_new(self, before: Arrival, arrival: Arrival) -> bool:
        earlier, later = before.quote.timestamp, arrival.quote.timestamp
        if earlier == later or _same_trade(before, arrival):
            self._counters.duplicates += 1
            if later > earlier:
                self._newest[arrival.quote.symbol] = arrival
            return False
        if later < earlier:
            self._leave_out(arrival.quote)
            return False
        return True

    def _leave_out(self, quote: Quote) -> None:
        self._counters.backwards += 1
        if self._counters.backwards == 1:
            _log.info(
                "Quotes older than the last of their symbol are left out and counted; %s has one.",
                quote.symbol,
            )

    def _refuse(self, quote: Quote, reason: str) -> Rejection | None:
        """Return a rejection, unless the quote of the symbol before was rejected for the same reason."""
        self._counters.refused += 1
        if self._refusals.get(quote.symbol) == reason:
            return None
        self._refusals[quote.symbol] = reason
        _log.warning("A quote of %s goes to quarantine: %s.", quote.symbol, reason)
        return Rejection(encode_quote(quote), ORIGIN, reason)


def _same_trade(before: Arrival, arrival: Arrival) -> bool:
    return (
        before.polled != arrival.polled
        and before.quote.price == arrival.quote.price
        and before.quote.timestamp[:_SECOND] == arrival.quote.timestamp[:_SECOND]
    )
