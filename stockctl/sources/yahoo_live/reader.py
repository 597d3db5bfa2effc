"""From the messages of a connection to quotes and rejections."""

import logging
from collections.abc import Callable, Collection, Sequence

from stockctl.market.quote import Quote
from stockctl.market.refusal import Refusal, shown
from stockctl.market.timestamp import to_datetime
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo_live.frames import Pricing, read_pricing
from stockctl.sources.yahoo_live.kit import Kit
from stockctl.sources.yahoo_live.newest import ORIGIN
from stockctl.sources.yahoo_live.wire import read_message

MAX_BAD_FRAMES = 100
"""Bad messages in a row after which the connection is given up: polling may fare better."""

_log = logging.getLogger(__name__)


class Unusable(Exception):
    """The connection stands, and is of no use; the text is why."""


class Reader:
    """Understands message by message.

    Args:
        deliver: takes quotes and rejections; it may wait.
        kit: what it shares with the other parts; its hours tell whether a quote that Yahoo does not call a
            regular one is one all the same.
    """

    def __init__(self, deliver: Callable[[Sequence[Quote | Rejection]], None], kit: Kit) -> None:
        self._deliver = deliver
        self._kit = kit
        self._counters = kit.counters
        self._bad_in_a_row = 0
        self._refusals: dict[str, str] = {}
        self._told_outside = False

    def read(self, message: str | bytes, decode: Callable[[bytes], Pricing], wanted: Collection[str]) -> bool:
        """Take one message, of whatever content; return whether it could be decoded.

        Raises:
            Unusable: there were so many bad messages in a row that no good one is likely to come.
        """
        self._counters.frames += 1
        try:
            pricing = read_message(message, decode)
        except Refusal as reason:
            self._reject_frame(message, str(reason))
            return False
        self._bad_in_a_row = 0
        if pricing.id and pricing.id.upper() not in wanted:
            self._counters.unasked += 1
            return True
        try:
            self._take(pricing)
        except Refusal as reason:
            self._reject_quote(pricing.id, message, str(reason))
        return True

    def _take(self, pricing: Pricing) -> None:
        heard = read_pricing(pricing, self._kit.clock())
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
            raise Unusable(f"Yahoo's live messages cannot be understood: {reason}")

    def _reject_quote(self, symbol: str, message: str | bytes, reason: str) -> None:
        """Reject a quote, unless the one of its symbol before was rejected for the same reason."""
        self._counters.refused += 1
        if self._refusals.get(symbol) == reason:
            return
        self._refusals[symbol] = reason
        _log.warning("A live quote of Yahoo goes to quarantine: %s, %s.", shown(symbol), reason)
        self._deliver([_rejection(message, reason)])


def _rejection(message: str | bytes, reason: str) -> Rejection:
    return Rejection(message.encode() if isinstance(message, str) else message, ORIGIN, reason)
