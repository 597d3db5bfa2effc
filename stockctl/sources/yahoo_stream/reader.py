"""Reads messages into quotes, and merges streamed with polled ones."""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from stockctl.market.plausibility import Action, PlausibilityChecker, QuoteIssue
from stockctl.market.quote import Quote, encode_quote
from stockctl.market.timestamp import to_datetime
from stockctl.market.validation import InvalidQuote, truncate
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo_stream.context import Counters, SharedContext
from stockctl.sources.yahoo_stream.protocol import Pricing, parse_message, parse_pricing

ORIGIN = "yahoo-live"
"""Where rejections of the live source come from."""

_SECOND = len("2008-10-06T20:00:00")

_log = logging.getLogger(__name__)


class Arrival(NamedTuple):
    """A quote, and whether it was polled."""

    quote: Quote
    polled: bool


class QuoteMerger:
    """Remembers the newest quote of each symbol that was handed on, and judges what is new.

    Polled times are cut to the second. So a quote of the connection with the price and the second of one
    polled before is the same trade, told with more digits; and a polled one is older than any of the
    connection in its second.

    Args:
        plausibility: judges the quotes of both sides together.
    """

    def __init__(
        self, counters: Counters, plausibility: PlausibilityChecker, clock: Callable[[], datetime]
    ) -> None:
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
        judgement = self._plausibility.judge(arrival.quote, self._clock())
        if judgement.action is Action.REJECT:
            return self._refuse(arrival.quote, judgement.reason)
        if judgement.action is Action.DROP:
            self._leave_out(arrival.quote)
            return None
        if judgement.issue is QuoteIssue.RESCALED:
            _log.warning("%s: %s.", arrival.quote.symbol, judgement.reason)
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


MAX_BAD_FRAMES = 100
"""Bad messages in a row after which the connection is given up: polling may fare better."""


class ProtocolError(Exception):
    """The connection stands, and is of no use; the text is why."""


class MessageReader:
    """Understands message by message.

    Args:
        deliver: takes quotes and rejections; it may wait.
        kit: what it shares with the other parts; its hours tell whether a quote that Yahoo does not call a
            regular one is one all the same.
    """

    def __init__(self, deliver: Callable[[Sequence[Quote | Rejection]], None], kit: SharedContext) -> None:
        self._deliver = deliver
        self._kit = kit
        self._counters = kit.counters
        self._bad_in_a_row = 0
        self._refusals: dict[str, str] = {}
        self._told_outside = False

    def read(self, message: str | bytes, decode: Callable[[bytes], Pricing], wanted: Collection[str]) -> bool:
        """Take one message, of whatever content; return whether it could be decoded.

        Raises:
            ProtocolError: there were so many bad messages in a row that no good one is likely to come.
        """
        self._counters.frames += 1
        try:
            pricing = parse_message(message, decode)
        except InvalidQuote as reason:
            self._reject_frame(message, str(reason))
            return False
        self._bad_in_a_row = 0
        if pricing.id and pricing.id.upper() not in wanted:
            self._counters.unasked += 1
            return True
        try:
            self._take(pricing)
        except InvalidQuote as reason:
            self._reject_quote(pricing.id, message, str(reason))
        return True

    def _take(self, pricing: Pricing) -> None:
        heard = parse_pricing(pricing, self._kit.clock())
        self._refusals.pop(pricing.id, None)
        if heard.quote is None:
            self._counters.timeless += 1
            if self._counters.timeless == 1:
                _log.info("Live quotes without a time are left out and counted; %s has some.", heard.symbol)
        elif heard.regular or self._in_session(heard.quote):
            self._deliver([heard.quote])

    def _in_session(self, quote: Quote) -> bool:
        if self._kit.hours.is_open(quote.symbol, to_datetime(quote.timestamp)):
            return True
        self._counters.outside += 1
        if not self._told_outside:
            self._told_outside = True
            _log.info(
                "Quotes from outside the regular session are left out and counted; %s has some.", quote.symbol
            )
        return False

    def _reject_frame(self, message: str | bytes, reason: str) -> None:
        self._counters.bad_frames += 1
        self._bad_in_a_row += 1
        if self._bad_in_a_row == 1:
            _log.warning("A live message of Yahoo goes to quarantine: %s.", reason)
        self._deliver([_rejection(message, reason)])
        if self._bad_in_a_row >= MAX_BAD_FRAMES:
            self._bad_in_a_row = 0
            raise ProtocolError(f"Yahoo's live messages cannot be understood: {reason}")

    def _reject_quote(self, symbol: str, message: str | bytes, reason: str) -> None:
        """Reject a quote, unless the one of its symbol before was rejected for the same reason."""
        self._counters.refused += 1
        if self._refusals.get(symbol) == reason:
            return
        self._refusals[symbol] = reason
        _log.warning("A live quote of Yahoo goes to quarantine: %s, %s.", truncate(symbol), reason)
        self._deliver([_rejection(message, reason)])


def _rejection(message: str | bytes, reason: str) -> Rejection:
    return Rejection(message.encode() if isinstance(message, str) else message, ORIGIN, reason)
