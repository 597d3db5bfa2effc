"""Deduplicates polled quotes, and logs each notice once."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from stockctl.formatting import join_symbols
from stockctl.market.plausibility import Action, PlausibilityChecker, QuoteIssue
from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo.errors import SPELLING
from stockctl.sources.yahoo.parser import ParsedResult, parse_result, rejection_of

_log = logging.getLogger(__name__)


class Notice(NamedTuple):
    """A sentence about symbols (``%s``), the level to say it at, and what to say when it is over, if any."""

    level: int
    begins: str
    ends: str | None = None


MISSING = Notice(
    logging.WARNING,
    f"Yahoo has no quote for %s, and is asked for it again ever more rarely, hourly in the end. {SPELLING}",
    "Yahoo has a quote for %s now.",
)
VANISHED = Notice(
    logging.WARNING,
    "Yahoo has no quote for %s any more, and is asked for it again at every poll.",
    "Yahoo has a quote for %s again.",
)
TIMELESS = Notice(
    logging.WARNING,
    "Yahoo does not say since when %s has its price; it may be old, so it is not sent.",
    "Yahoo says again since when %s has its price.",
)
BACKWARDS = Notice(
    logging.WARNING,
    "Yahoo goes back in time with %s: the quote is older than the one sent before, so it is not sent.",
)
ODD_CLOSE = Notice(
    logging.WARNING,
    "Yahoo's previous close of %s is out of all proportion to the price, and left out.",
)
CLOSED = Notice(
    logging.INFO,
    "The market of %s is not in its regular session: prices rest until it opens, polling goes on.",
    "The market of %s is open.",
)


class Notices:
    """Knows which remarks hold of which symbols."""

    def __init__(self) -> None:
        self._holding: defaultdict[Notice, set[str]] = defaultdict(set)

    def note(self, remark: Notice, holds_of: Collection[object], among: Collection[str]) -> None:
        """Take down that, ``among`` these symbols, the remark holds of those, and say what has changed."""
        before = self._holding[remark]
        begun = [symbol for symbol in among if symbol in holds_of and symbol not in before]
        ended = [symbol for symbol in among if symbol in before and symbol not in holds_of]
        if begun:
            _log.log(remark.level, remark.begins, join_symbols(begun))
        if ended and remark.ends is not None:
            _log.info(remark.ends, join_symbols(ended))
        before.difference_update(ended)
        before.update(begun)

    def forget_all_but(self, symbols: Collection[str]) -> None:
        """Let no remark hold of other symbols any more, without a word."""
        for holding in self._holding.values():
            holding.intersection_update(symbols)


_SHOWN_REJECTIONS = 3


class PollDelta(NamedTuple):
    """What a poll brought that none before it did, and why some symbols gave no quote at all."""

    quotes: Sequence[Quote]
    rejections: Sequence[Rejection]
    unread: dict[str, str]
    missing: Collection[str] = frozenset()
    """Symbols that were asked for, and of which the answer has no result."""


class QuoteTracker:
    """Remembers what was sent, refused and said of each symbol.

    Args:
        symbols: all that may be asked for, in canonical form.
        plausibility: judges the quotes that are not known yet.
    """

    def __init__(self, symbols: Collection[str], plausibility: PlausibilityChecker | None = None) -> None:
        self.plausibility = PlausibilityChecker() if plausibility is None else plausibility
        self._symbols = frozenset(symbols)
        self._answered: set[str] = set()
        self._sent: dict[str, str] = {}
        self._refused: set[tuple[object, str]] = set()
        self._remarks = Notices()
        self.backwards = 0
        """How many quotes were older than one of their symbol that was sent before."""

    def change(self, symbols: Collection[str]) -> None:
        """Let these symbols, and no others, be asked for; the others are forgotten."""
        self._symbols = frozenset(symbols)
        self._answered &= self._symbols
        self._remarks.forget_all_but(self._symbols)
        self._sent = {symbol: time for symbol, time in self._sent.items() if symbol in self._symbols}
        self._refused = {key for key in self._refused if key[0] is None or key[0] in self._symbols}

    def take(self, results: Iterable[object], asked: Collection[str], now: datetime) -> PollDelta:
        """Return the news in ``results``, the answer that came at ``now`` for the symbols ``asked``."""
        older: set[str] = set()
        findings = []
        for result in results:
            finding = parse_result(result, now)
            if self._is_ours(finding):
                findings.append(self._judged(finding, result, older, now))
        self.backwards += len(older)
        quotes = [finding.quote for finding in findings if finding.quote is not None]
        missing = set(asked) - {finding.symbol for finding in findings}
        unread = _unreadable(findings, asked)
        self._say(findings, older, asked, missing)
        return PollDelta(self._newer(quotes, older), self._new_rejections(findings), unread, missing)

    def _judged(self, finding: ParsedResult, result: object, older: set[str], now: datetime) -> ParsedResult:
        """Return a finding without its quote if that cannot be true; note its symbol in ``older`` if late."""
        quote = finding.quote
        if quote is None or quote.timestamp == self._sent.get(quote.symbol):
            return finding
        judgement = self.plausibility.judge(quote, now)
        if judgement.issue is QuoteIssue.RESCALED:
            _log.warning("%s: %s.", quote.symbol, judgement.reason)
        if judgement.action is Action.REJECT:
            rejection = rejection_of(quote.symbol, result, judgement.reason)
            return finding._replace(quote=None, rejection=rejection)
        if judgement.action is Action.DROP:
            older.add(quote.symbol)
        return finding

    def _is_ours(self, finding: ParsedResult) -> bool:
        if finding.symbol is None or finding.symbol in self._symbols:
            return True
        _log.debug("Yahoo answers for %s, which was not asked for.", finding.symbol)
        return False

    def _newer(self, quotes: Sequence[Quote], older: Collection[str]) -> list[Quote]:
        newer = []
        for quote in quotes:
            if quote.symbol not in older and quote.timestamp > self._sent.get(quote.symbol, ""):
                self._sent[quote.symbol] = quote.timestamp
                newer.append(quote)
        return newer

    def _new_rejections(self, findings: Sequence[ParsedResult]) -> list[Rejection]:
        """Return the rejections, without what the poll before had wrong in the same way.

        Other fields of a result (bid, ask) change all the time, and are no reason to reject it again.
        """
        refused: dict[tuple[object, str], ParsedResult] = {}
        for finding in findings:
            if (rejection := finding.rejection) is not None:
                what = rejection.data if finding.symbol is None else (finding.time, rejection.reason)
                refused[(finding.symbol, repr(what))] = finding
        fresh = [finding for key, finding in refused.items() if key not in self._refused]
        read = {None, *(finding.symbol for finding in findings)}
        self._refused = {key for key in self._refused if key[0] not in read} | set(refused)
        for finding in fresh:
            if finding.issue is not None:
                self.plausibility.count(finding.issue)
        rejections = [finding.rejection for finding in fresh if finding.rejection is not None]
        _log_rejections(rejections)
        return rejections

    def _say(
        self,
        findings: Sequence[ParsedResult],
        older: Collection[str],
        asked: Collection[str],
        missing: Collection[str],
    ) -> None:
        answered = [symbol for symbol in asked if symbol not in missing]
        vanished = {symbol for symbol in missing if symbol in self._answered}
        self._remarks.note(MISSING, set(missing) - vanished, asked)
        self._remarks.note(VANISHED, vanished, asked)
        self._answered.update(answered)
        holds: dict[Notice, Collection[object]] = {
            TIMELESS: {finding.symbol for finding in findings if finding.is_timeless},
            BACKWARDS: older,
            ODD_CLOSE: {finding.symbol for finding in findings if finding.odd_close},
            CLOSED: {finding.symbol for finding in findings if finding.closed},
        }
        for remark, symbols in holds.items():
            self._remarks.note(remark, symbols, answered)


def _unreadable(findings: Sequence[ParsedResult], asked: Collection[str]) -> dict[str, str]:
    reasons = dict.fromkeys(asked, "unknown to Yahoo")
    for finding in findings:
        if finding.rejection is not None:
            reasons[finding.symbol or "a nameless result"] = finding.rejection.reason
        elif finding.is_timeless:
            reasons[finding.symbol or ""] = "without a market time"
        else:
            reasons.pop(finding.symbol or "", None)
    return reasons


def _log_rejections(rejections: Sequence[Rejection]) -> None:
    if not rejections:
        return
    shown = "; ".join(f"{one.origin}, {one.reason}" for one in rejections[:_SHOWN_REJECTIONS])
    more = f"; and {len(rejections) - _SHOWN_REJECTIONS} more" if len(rejections) > _SHOWN_REJECTIONS else ""
    _log.warning("Answers of Yahoo that cannot be used go to quarantine: %s%s.", shown, more)
