"""A source whose implausible prices are rejected."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Event

from stockctl.market.plausibility import Action, Doubt, Judgement, PlausibilityChecker
from stockctl.market.quote import Quote, encode_quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import Source, SourceStatus, Tick, source_status

_log = logging.getLogger(__name__)


class ValidatedSource:
    """A live source without the quotes that cannot be true.

    What is refused comes as a ``Rejection``, with the origin ``<source>:<symbol>``; what is late is left
    out; both are counted, and so are the rejections of the source itself. Not for a replay or a
    simulation, whose quotes are old, or invented.

    Args:
        source: what to run.
        plausibility: judges its quotes.
        clock: the time of day.
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
        self._told: set[Doubt] = set()

    @property
    def expected(self) -> int | None:
        """What the source expects."""
        return self.source.expected

    def told(self) -> SourceStatus:
        """Return what the source tells, and the doubts; any thread may ask."""
        return source_status(self.source)._replace(doubts=self._plausibility.counts)

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what the source yields, judged.

        Raises:
            SourceError: the source cannot go on.
        """
        for tick in self.source.ticks(stop):
            now = self._clock()
            judged = [self._judged(item, now) for item in tick]
            if kept := [item for item in judged if item is not None]:
                yield kept

    def _judged(self, item: Quote | Rejection, now: datetime) -> Quote | Rejection | None:
        if isinstance(item, Rejection):
            self._plausibility.count(Doubt.UNREADABLE)
            return item
        verdict = self._plausibility.judge(item, now)
        if verdict.action is Action.TAKE:
            return item
        self._tell(item.symbol, verdict)
        if verdict.action is Action.REFUSE:
            return Rejection(encode_quote(item), f"{self.name}:{item.symbol}", verdict.reason)
        return item if verdict.taken else None

    def _tell(self, symbol: str, verdict: Judgement) -> None:
        """Say each reason the first time; a feed may have it wrong a thousand times a second."""
        doubt = verdict.doubt
        if doubt is None or doubt is Doubt.NO_PREVIOUS_CLOSE or doubt in self._told:
            return
        self._told.add(doubt)
        _log.warning("%s: %s. Others like it are counted.", symbol, verdict.reason)
