"""Reads messages into quotes, and merges streamed with polled ones."""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from stockctl.market.errors import InvalidQuote, truncate
from stockctl.market.plausibility import Action, PlausibilityChecker, QuoteIssue
from stockctl.market.quote import Quote, encode_quote
from stockctl.market.timestamp import to_datetime
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo_stream.context import Counters, SharedContext
from stockctl.sources.yahoo_stream.protocol import Pricing, parse_message, parse_pricing

_log = logging.getLogger(__name__)


ORIGIN = "yahoo-live"
"""The origin of rejections from this source."""

_LENGTH_TO_SECONDS = len("2008-10-06T20:00:00")


class ReceivedQuote(NamedTuple):
    """A quote, and whether it was polled or streamed."""

    quote: Quote
    polled: bool


class QuoteMerger:
    """Merges streamed and polled quotes: remembers the newest one of each symbol, and checks new ones.

    The times of polled quotes are truncated to seconds. So a streamed quote with the price and the second
    of an earlier polled one is the same trade with a more exact time, and a polled quote is older than any
    streamed one within its second.

    Args:
        counters: updated for each quote that is left out.
        plausibility: checks the quotes of both kinds together.
        clock: returns the current time.
    """

    def __init__(
        self, counters: Counters, plausibility: PlausibilityChecker, clock: Callable[[], datetime]
    ) -> None:
        self._counters = counters
        self._plausibility = plausibility
        self._clock = clock
        self._newest: dict[str, ReceivedQuote] = {}
        self._last_rejections: dict[str, str] = {}

    def merge(self, received: ReceivedQuote) -> Quote | Rejection | None:
        """Return what to yield: the quote, a rejection of it, or nothing."""
        before = self._newest.get(received.quote.symbol)
        if before is not None and not self._is_new(before, received):
            return None
        judgement = self._plausibility.judge(received.quote, self._clock())
        if judgement.action is Action.REJECT:
            return self._reject(received.quote, judgement.reason)
        if judgement.action is Action.DROP:
            self._drop_older(received.quote)
            return None
        if judgement.issue is QuoteIssue.RESCALED:
            _log.warning("%s: %s.", received.quote.symbol, judgement.reason)
        self._last_rejections.pop(received.quote.symbol, None)
        self._newest[received.quote.symbol] = received
        return received.quote

    def _is_new(self, before: ReceivedQuote, received: ReceivedQuote) -> bool:
        earlier, later = before.quote.timestamp, received.quote.timestamp
        if earlier == later or _same_trade(before, received):
            self._counters.duplicates += 1
            if later > earlier:
                self._newest[received.quote.symbol] = received
            return False
        if later < earlier:
            self._drop_older(received.quote)
            return False
        return True

    def _drop_older(self, quote: Quote) -> None:
        self._counters.backwards += 1
        if self._counters.backwards == 1:
            _log.info(
                "Quotes older than the last of their symbol are left out and counted; the first is of %s.",
                quote.symbol,
            )

    def _reject(self, quote: Quote, reason: str) -> Rejection | None:
        """Return a rejection, unless the quote of the symbol before was rejected for the same reason."""
        self._counters.rejected += 1
        if self._last_rejections.get(quote.symbol) == reason:
            return None
        self._last_rejections[quote.symbol] = reason
        _log.warning("A quote of %s is quarantined: %s.", quote.symbol, reason)
        return Rejection(encode_quote(quote), ORIGIN, reason)


def _same_trade(before: ReceivedQuote, received: ReceivedQuote) -> bool:
    return (
        before.polled != received.polled
        and before.quote.price == received.quote.price
        and before.quote.timestamp[:_LENGTH_TO_SECONDS] == received.quote.timestamp[:_LENGTH_TO_SECONDS]
    )


MAX_INVALID_MESSAGES = 100
"""Invalid messages in a row after which the connection is closed: polling may still work."""


class ProtocolError(Exception):
    """The connection is up but useless; the text is the reason."""


class MessageReader:
    """Turns messages into quotes and rejections.

    Args:
        deliver: takes quotes and rejections; it may block.
        context: the objects that the parts of the source share; its hours decide on quotes that Yahoo
            does not mark as of the regular session.
    """

    def __init__(
        self, deliver: Callable[[Sequence[Quote | Rejection]], None], context: SharedContext
    ) -> None:
        self._deliver = deliver
        self._context = context
        self._counters = context.counters
        self._invalid_in_a_row = 0
        self._last_rejections: dict[str, str] = {}
        self._logged_outside_session = False

    def read(
        self, message: str | bytes, decode: Callable[[bytes], Pricing], subscribed: Collection[str]
    ) -> bool:
        """Process one message, and return whether it could be decoded.

        Raises:
            ProtocolError: there were too many invalid messages in a row.
        """
        self._counters.messages += 1
        try:
            pricing = parse_message(message, decode)
        except InvalidQuote as reason:
            self._reject_message(message, str(reason))
            return False
        self._invalid_in_a_row = 0
        if pricing.id and pricing.id.upper() not in subscribed:
            self._counters.unsubscribed += 1
            return True
        try:
            self._process(pricing)
        except InvalidQuote as reason:
            self._reject_quote(pricing.id, message, str(reason))
        return True

    def _process(self, pricing: Pricing) -> None:
        parsed = parse_pricing(pricing, self._context.clock())
        self._last_rejections.pop(pricing.id, None)
        if parsed.quote is None:
            self._counters.timeless += 1
            if self._counters.timeless == 1:
                _log.info(
                    "Live quotes without a time are left out and counted; the first is of %s.", parsed.symbol
                )
        elif parsed.is_regular or self._in_session(parsed.quote):
            self._deliver([parsed.quote])

    def _in_session(self, quote: Quote) -> bool:
        if self._context.hours.is_open(quote.symbol, to_datetime(quote.timestamp)):
            return True
        self._counters.outside_session += 1
        if not self._logged_outside_session:
            self._logged_outside_session = True
            _log.info(
                "Quotes outside the regular session are left out and counted; the first is of %s.",
                quote.symbol,
            )
        return False

    def _reject_message(self, message: str | bytes, reason: str) -> None:
        self._counters.invalid_messages += 1
        self._invalid_in_a_row += 1
        if self._invalid_in_a_row == 1:
            _log.warning("An invalid live message from Yahoo is quarantined: %s.", reason)
        self._deliver([_rejection(message, reason)])
        if self._invalid_in_a_row >= MAX_INVALID_MESSAGES:
            self._invalid_in_a_row = 0
            raise ProtocolError(f"Yahoo's live messages cannot be understood: {reason}")

    def _reject_quote(self, symbol: str, message: str | bytes, reason: str) -> None:
        """Reject a quote, unless the previous quote of its symbol was rejected for the same reason."""
        self._counters.rejected += 1
        if self._last_rejections.get(symbol) == reason:
            return
        self._last_rejections[symbol] = reason
        _log.warning("An invalid live quote from Yahoo is quarantined: %s, %s.", truncate(symbol), reason)
        self._deliver([_rejection(message, reason)])


def _rejection(message: str | bytes, reason: str) -> Rejection:
    return Rejection(message.encode() if isinstance(message, str) else message, ORIGIN, reason)
