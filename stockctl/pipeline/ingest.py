"""The first stage: raw records in; archived, enriched and stored quotes out."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from stockctl.market.enrichment import Enricher
from stockctl.market.numbers import exact_arithmetic
from stockctl.market.policy import AnalysisRules
from stockctl.market.quote import DecodedQuote, EnrichedQuote, PriorQuote, Quote, decode_record
from stockctl.market.validation import InvalidQuote
from stockctl.pipeline.ports import Archive, Quarantine, QuoteTable, RawObject, Record, Rejection

PART_QUOTES = 1000


class IngestResult(NamedTuple):
    """What became of a batch, or of a part of one. ``stored`` is ordered by time, then symbol."""

    stored: Sequence[EnrichedQuote]
    repeated: int
    quarantined: int

    @property
    def records(self) -> int:
        """How many records that is."""
        return len(self.stored) + self.repeated + self.quarantined

    @classmethod
    def total(cls, parts: Iterable["IngestResult"]) -> "IngestResult":
        """Return what became of several parts."""
        parts = list(parts)
        stored = [quote for part in parts for quote in part.stored]
        stored.sort(key=attrgetter("timestamp", "symbol"))
        return cls(stored, sum(part.repeated for part in parts), sum(part.quarantined for part in parts))


class IngestStage:
    """Archive, enrich and store a batch; quarantine what cannot be read.

    Right whether a batch comes once, again, or again in part: quotes that are stored already are
    dropped before any write, and the archive and the quarantine keep what they have.

    ``part`` is how many quotes are archived and stored together, at most.
    """

    def __init__(
        self,
        archive: Archive,
        quarantine: Quarantine,
        table: QuoteTable,
        rules: AnalysisRules,
        *,
        part: int = PART_QUOTES,
    ) -> None:
        self._archive = archive
        self._quarantine = quarantine
        self._table = table
        self._rules = rules
        self._part = part

    def run(self, records: Sequence[Record | Rejection]) -> IngestResult:
        """Take one batch. A fault of a port is raised, so that the batch can come again.

        What the caller rejected itself goes to the quarantine as it says.
        """
        return IngestResult.total(self.parts(records))

    def parts(self, records: Sequence[Record | Rejection]) -> Iterator[IngestResult]:
        """Take one batch like ``run``, and yield what became of each part of it as soon as it is stored.

        First come the records that are no new quotes, then quotes by symbol and time. Who stops between
        two parts has to let the batch come again.
        """
        readings, rejections = _decode(records)
        if rejections:
            self._quarantine.put(rejections)
        bodies = _without_duplicates(readings)
        yield IngestResult([], len(readings) - len(bodies), len(rejections))
        quotes = sorted(reading.quote for reading in bodies.values())
        for start in range(0, len(quotes), self._part):
            part = quotes[start : start + self._part]
            fresh = self._enrich(part)
            if fresh:
                self._archive.put([RawObject(*quote[:2], bodies[quote[:2]].body) for quote in fresh])
                self._table.insert(fresh)
            yield IngestResult(fresh, len(part) - len(fresh), 0)

    def _enrich(self, quotes: Sequence[Quote]) -> list[EnrichedQuote]:
        """Return those that are not stored yet, with their figures; ``quotes`` are by symbol and time."""
        by_symbol = {symbol: list(group) for symbol, group in groupby(quotes, attrgetter("symbol"))}
        newest = self._table.newest(by_symbol, self._rules.long - 1)
        fresh: list[EnrichedQuote] = []
        with exact_arithmetic():
            for symbol, run in by_symbol.items():
                precedents = newest.get(symbol, ())
                if precedents and run[0].timestamp <= precedents[-1].timestamp:
                    precedents = self._with_late_history(symbol, run, precedents)
                fresh += _enricher_of(precedents, run, self._rules)
        fresh.sort(key=attrgetter("timestamp", "symbol"))
        return fresh

    def _with_late_history(
        self, symbol: str, run: Sequence[Quote], newest: Sequence[PriorQuote]
    ) -> Sequence[PriorQuote]:
        """Return what a run with late or repeated quotes needs to know of the stored ones.

        That is one window ahead of the first, everything up to the last late one, and the newest.
        """
        last = next(quote.timestamp for quote in reversed(run) if quote.timestamp <= newest[-1].timestamp)
        around = self._table.around(symbol, run[0].timestamp, last, self._rules.long - 1)
        return [*around, *(precedent for precedent in newest if precedent.timestamp > last)]


def _decode(records: Sequence[Record | Rejection]) -> tuple[list[DecodedQuote], list[Rejection]]:
    readings, rejections = [], []
    for record in records:
        if isinstance(record, Rejection):
            rejections.append(record)
            continue
        try:
            readings.append(decode_record(record.data))
        except InvalidQuote as reason:
            rejections.append(Rejection(record.data, record.origin, str(reason)))
    return readings, rejections


def _without_duplicates(readings: Iterable[DecodedQuote]) -> dict[tuple[str, str], DecodedQuote]:
    first: dict[tuple[str, str], DecodedQuote] = {}
    for reading in readings:
        first.setdefault((reading.quote.symbol, reading.quote.timestamp), reading)
    return first


def _enricher_of(
    precedents: Sequence[PriorQuote], run: Sequence[Quote], rules: AnalysisRules
) -> list[EnrichedQuote]:
    """Return the quotes of ``run`` that are not stored yet, each with figures from what precedes it."""
    walk = Enricher(rules)
    fresh = []
    passed = 0
    for quote in run:
        ahead = bisect_left(precedents, quote.timestamp, passed, key=attrgetter("timestamp"))
        walk.follow(precedents[passed:ahead])
        passed = ahead
        if ahead == len(precedents) or precedents[ahead].timestamp != quote.timestamp:
            fresh.append(walk.enrich(quote))
    return fresh
