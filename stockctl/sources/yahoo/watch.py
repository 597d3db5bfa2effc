"""What is new in a poll: quotes not seen before, and answers that cannot be read, each once."""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo.reading import Finding, read_result
from stockctl.sources.yahoo.remarks import BACKWARDS, CLOSED, MISSING, ODD_CLOSE, TIMELESS, Remark, Remarks

_SHOWN_REJECTIONS = 3

_log = logging.getLogger(__name__)


class News(NamedTuple):
    """What a poll brought that none before it did, and why some symbols gave no quote at all."""

    quotes: Sequence[Quote]
    rejections: Sequence[Rejection]
    unread: dict[str, str]


class Watch:
    """Remembers what was sent, refused and said of each symbol.

    Args:
        symbols: all that may be asked for, in canonical form.
    """

    def __init__(self, symbols: Collection[str]) -> None:
        self._symbols = frozenset(symbols)
        self._sent: dict[str, str] = {}
        self._refused: set[tuple[object, ...]] = set()
        self._remarks = Remarks()
        self.backwards = 0
        """How many quotes were older than one of their symbol that was sent before."""

    def take(self, results: Iterable[object], asked: Collection[str], now: datetime) -> News:
        """Return the news in ``results``, the answer that came at ``now`` for the symbols ``asked``."""
        findings = [finding for result in results if self._is_ours(finding := read_result(result, now))]
        quotes = [finding.quote for finding in findings if finding.quote is not None]
        older = {quote.symbol for quote in quotes if quote.timestamp < self._sent.get(quote.symbol, "")}
        self.backwards += len(older)
        unread = _unread(findings, asked)
        self._say(findings, older, asked)
        return News(self._newer(quotes), self._new_rejections(findings), unread)

    def _is_ours(self, finding: Finding) -> bool:
        if finding.symbol is None or finding.symbol in self._symbols:
            return True
        _log.debug("Yahoo answers for %s, which was not asked for.", finding.symbol)
        return False

    def _newer(self, quotes: Sequence[Quote]) -> list[Quote]:
        newer = []
        for quote in quotes:
            if quote.timestamp > self._sent.get(quote.symbol, ""):
                self._sent[quote.symbol] = quote.timestamp
                newer.append(quote)
        return newer

    def _new_rejections(self, findings: Sequence[Finding]) -> list[Rejection]:
        """Return the rejections, without what the poll before had wrong in the same way.

        Other fields of a result (bid, ask) change all the time, and are no reason to reject it again.
        """
        refused = {}
        for finding in findings:
            if (rejection := finding.rejection) is not None:
                what = rejection.data if finding.symbol is None else (finding.time, rejection.reason)
                refused[(finding.symbol, repr(what))] = rejection
        fresh = [rejection for key, rejection in refused.items() if key not in self._refused]
        self._refused = set(refused)
        _tell(fresh)
        return fresh

    def _say(self, findings: Sequence[Finding], older: Collection[str], asked: Collection[str]) -> None:
        of_whom = {finding.symbol for finding in findings}
        answered = [symbol for symbol in asked if symbol in of_whom]
        self._remarks.note(MISSING, set(asked) - of_whom, asked)
        holds: dict[Remark, Collection[object]] = {
            TIMELESS: {finding.symbol for finding in findings if finding.is_timeless},
            BACKWARDS: older,
            ODD_CLOSE: {finding.symbol for finding in findings if finding.odd_close},
            CLOSED: {finding.symbol for finding in findings if finding.closed},
        }
        for remark, symbols in holds.items():
            self._remarks.note(remark, symbols, answered)


def _unread(findings: Sequence[Finding], asked: Collection[str]) -> dict[str, str]:
    reasons = dict.fromkeys(asked, "unknown to Yahoo")
    for finding in findings:
        if finding.rejection is not None:
            reasons[finding.symbol or "a nameless result"] = finding.rejection.reason
        elif finding.is_timeless:
            reasons[finding.symbol or ""] = "without a market time"
        else:
            reasons.pop(finding.symbol or "", None)
    return reasons


def _tell(rejections: Sequence[Rejection]) -> None:
    if not rejections:
        return
    shown = "; ".join(f"{one.origin}, {one.reason}" for one in rejections[:_SHOWN_REJECTIONS])
    more = f"; and {len(rejections) - _SHOWN_REJECTIONS} more" if len(rejections) > _SHOWN_REJECTIONS else ""
    _log.warning("Answers of Yahoo that cannot be used go to quarantine: %s%s.", shown, more)
