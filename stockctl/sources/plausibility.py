"""A source whose implausible quotes are rejected."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Event

from stockctl.market.plausibility import Action, Judgement, PlausibilityChecker, QuoteIssue
from stockctl.market.quote import Quote, encode_quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import Source, SourceStatus, Tick, source_status

_log = logging.getLogger(__name__)


class ValidatedSource:
    """A live source without the quotes that cannot be true.

    A rejected quote becomes a ``Rejection`` with the origin ``<source>:<symbol>``; a late one is left out.
    Both are counted, and so are the rejections of the source itself. Not for a replay or a simulation, whose
    quotes are old or invented.

    Args:
        source: the source to run.
        plausibility: checks its quotes.
        clock: returns the current time.
    """

    def __init__(
        self,
        source: Source,
        plausibility: PlausibilityChecker | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.source = source
        self.name = source.name
        self.repeatable = source.repeatable
        self._plausibility = PlausibilityChecker() if plausibility is None else plausibility
        self._clock = clock
        self._logged: set[QuoteIssue] = set()

    @property
    def expected(self) -> int | None:
        """How many items the source expects to yield."""
        return self.source.expected

    def status(self) -> SourceStatus:
        """Return the status of the source with the issues counted here; call it from any thread."""
        return source_status(self.source)._replace(issues=self._plausibility.counts)

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield the ticks of the source, checked.

        Raises:
            SourceError: the source cannot continue.
        """
        for tick in self.source.ticks(stop):
            now = self._clock()
            checked = [self._check(item, now) for item in tick]
            if kept := [item for item in checked if item is not None]:
                yield kept

    def _check(self, item: Quote | Rejection, now: datetime) -> Quote | Rejection | None:
        if isinstance(item, Rejection):
            self._plausibility.count(QuoteIssue.UNREADABLE)
            return item
        judgement = self._plausibility.judge(item, now)
        if judgement.action is Action.ACCEPT:
            return item
        self._log_first(item.symbol, judgement)
        if judgement.action is Action.REJECT:
            return Rejection(encode_quote(item), f"{self.name}:{item.symbol}", judgement.reason)
        return item if judgement.accepted else None

    def _log_first(self, symbol: str, judgement: Judgement) -> None:
        """Log each kind of issue once: a feed may repeat it a thousand times a second."""
        issue = judgement.issue
        if issue is None or issue is QuoteIssue.NO_PREVIOUS_CLOSE or issue in self._logged:
            return
        self._logged.add(issue)
        _log.warning("%s: %s. Further cases are only counted.", symbol, judgement.reason)
