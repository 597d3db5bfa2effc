"""Deduplicates polled quotes, and logs each notice once."""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from stockctl.market.plausibility import Action, PlausibilityChecker, QuoteIssue
from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo.notices import (
    BACKWARDS,
    CLOSED,
    MISSING,
    TIMELESS,
    VANISHED,
    WRONG_CLOSE,
    Notice,
    Notices,
)
from stockctl.sources.yahoo.parser import ParsedResult, make_rejection, parse_result

_log = logging.getLogger(__name__)


_MAX_LOGGED_REJECTIONS = 3


class PollDelta(NamedTuple):
    """What is new in a poll, and why some symbols have no quote."""

    quotes: Sequence[Quote]
    rejections: Sequence[Rejection]
    unusable: dict[str, str]
    """The reason for each symbol without a usable quote."""
    missing: Collection[str] = frozenset()
    """Symbols that were requested, but have no result in the answer."""


class QuoteTracker:
    """Remembers what was sent, rejected and logged for each symbol.

    Args:
        symbols: all symbols that may be requested, in canonical form.
        plausibility: checks the quotes that are new.
    """

    def __init__(self, symbols: Collection[str], plausibility: PlausibilityChecker | None = None) -> None:
        self.plausibility = PlausibilityChecker() if plausibility is None else plausibility
        self._symbols = frozenset(symbols)
        self._answered: set[str] = set()
        self._sent: dict[str, str] = {}
        self._rejected: set[tuple[object, str]] = set()
        self._notices = Notices()
        self.backwards = 0
        """How many quotes were older than one that was sent before for the same symbol."""

    def set_symbols(self, symbols: Collection[str]) -> None:
        """Accept these symbols only, and forget the others."""
        self._symbols = frozenset(symbols)
        self._answered &= self._symbols
        self._notices.retain(self._symbols)
        self._sent = {symbol: time for symbol, time in self._sent.items() if symbol in self._symbols}
        self._rejected = {key for key in self._rejected if key[0] is None or key[0] in self._symbols}

    def process(self, results: Iterable[object], requested: Collection[str], now: datetime) -> PollDelta:
        """Return what is new in ``results``, the answer received at ``now`` for the symbols ``requested``."""
        older: set[str] = set()
        parsed_results = []
        for result in results:
            parsed = parse_result(result, now)
            if self._is_requested(parsed):
                parsed_results.append(self._check(parsed, result, older, now))
        self.backwards += len(older)
        quotes = [parsed.quote for parsed in parsed_results if parsed.quote is not None]
        missing = set(requested) - {parsed.symbol for parsed in parsed_results}
        unusable = _unusable(parsed_results, requested)
        self._log_notices(parsed_results, older, requested, missing)
        return PollDelta(self._newer(quotes, older), self._new_rejections(parsed_results), unusable, missing)

    def _check(self, parsed: ParsedResult, result: object, older: set[str], now: datetime) -> ParsedResult:
        """Return a result without its quote if that cannot be true; add its symbol to ``older`` if late."""
        quote = parsed.quote
        if quote is None or quote.timestamp == self._sent.get(quote.symbol):
            return parsed
        judgement = self.plausibility.judge(quote, now)
        if judgement.issue is QuoteIssue.RESCALED:
            _log.warning("%s: %s.", quote.symbol, judgement.reason)
        if judgement.action is Action.REJECT:
            rejection = make_rejection(quote.symbol, result, judgement.reason)
            return parsed._replace(quote=None, rejection=rejection)
        if judgement.action is Action.DROP:
            older.add(quote.symbol)
        return parsed

    def _is_requested(self, parsed: ParsedResult) -> bool:
        if parsed.symbol is None or parsed.symbol in self._symbols:
            return True
        _log.debug("Yahoo answers for %s, which was not requested.", parsed.symbol)
        return False

    def _newer(self, quotes: Sequence[Quote], older: Collection[str]) -> list[Quote]:
        newer = []
        for quote in quotes:
            if quote.symbol not in older and quote.timestamp > self._sent.get(quote.symbol, ""):
                self._sent[quote.symbol] = quote.timestamp
                newer.append(quote)
        return newer

    def _new_rejections(self, parsed_results: Sequence[ParsedResult]) -> list[Rejection]:
        """Return the rejections that were not in the previous poll.

        Other fields of a result (bid, ask) change all the time, and do not count as a change here.
        """
        rejected: dict[tuple[object, str], ParsedResult] = {}
        for parsed in parsed_results:
            if (rejection := parsed.rejection) is not None:
                content = rejection.data if parsed.symbol is None else (parsed.time, rejection.reason)
                rejected[(parsed.symbol, repr(content))] = parsed
        new = [parsed for key, parsed in rejected.items() if key not in self._rejected]
        seen = {None, *(parsed.symbol for parsed in parsed_results)}
        self._rejected = {key for key in self._rejected if key[0] not in seen} | set(rejected)
        for parsed in new:
            if parsed.issue is not None:
                self.plausibility.count(parsed.issue)
        rejections = [parsed.rejection for parsed in new if parsed.rejection is not None]
        _log_rejections(rejections)
        return rejections

    def _log_notices(
        self,
        parsed_results: Sequence[ParsedResult],
        older: Collection[str],
        requested: Collection[str],
        missing: Collection[str],
    ) -> None:
        answered = [symbol for symbol in requested if symbol not in missing]
        vanished = {symbol for symbol in missing if symbol in self._answered}
        self._notices.update(MISSING, set(missing) - vanished, requested)
        self._notices.update(VANISHED, vanished, requested)
        self._answered.update(answered)
        affected: dict[Notice, Collection[object]] = {
            TIMELESS: {parsed.symbol for parsed in parsed_results if parsed.is_timeless},
            BACKWARDS: older,
            WRONG_CLOSE: {parsed.symbol for parsed in parsed_results if parsed.has_wrong_close},
            CLOSED: {parsed.symbol for parsed in parsed_results if parsed.market_closed},
        }
        for notice, symbols in affected.items():
            self._notices.update(notice, symbols, answered)


def _unusable(parsed_results: Sequence[ParsedResult], requested: Collection[str]) -> dict[str, str]:
    reasons = dict.fromkeys(requested, "unknown to Yahoo")
    for parsed in parsed_results:
        if parsed.rejection is not None:
            reasons[parsed.symbol or "a result without a symbol"] = parsed.rejection.reason
        elif parsed.is_timeless:
            reasons[parsed.symbol or ""] = "without a market time"
        else:
            reasons.pop(parsed.symbol or "", None)
    return reasons


def _log_rejections(rejections: Sequence[Rejection]) -> None:
    if not rejections:
        return
    shown = "; ".join(f"{one.origin}, {one.reason}" for one in rejections[:_MAX_LOGGED_REJECTIONS])
    hidden = len(rejections) - _MAX_LOGGED_REJECTIONS
    _log.warning(
        "Invalid results from Yahoo are quarantined: %s%s.",
        shown,
        f"; and {hidden} more" if hidden > 0 else "",
    )
