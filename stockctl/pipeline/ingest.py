"""The ingest stage: takes raw records, archives and stores their quotes with indicators."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from stockctl.market.enrichment import Enricher
from stockctl.market.errors import InvalidQuote
from stockctl.market.numbers import exact_arithmetic
from stockctl.market.quote import DecodedQuote, EnrichedQuote, PriorQuote, Quote, decode_record, is_canonical
from stockctl.market.rules import AnalysisRules
from stockctl.pipeline.ports import Archive, Quarantine, QuoteTable, RawObject, Record, Rejection

PART_QUOTES = 1000


class IngestResult(NamedTuple):
    """The result of a batch, or of a part of one. ``stored`` is ordered by time, then symbol."""

    stored: Sequence[EnrichedQuote]
    duplicates: int
    """Quotes that were stored already, or occurred earlier in the batch."""
    quarantined: int

    @property
    def records(self) -> int:
        """How many records these are."""
        return len(self.stored) + self.duplicates + self.quarantined

    @classmethod
    def total(cls, parts: Iterable["IngestResult"]) -> "IngestResult":
        """Return the result of several parts together."""
        parts = list(parts)
        stored = [quote for part in parts for quote in part.stored]
        stored.sort(key=attrgetter("timestamp", "symbol"))
        return cls(stored, sum(part.duplicates for part in parts), sum(part.quarantined for part in parts))


class IngestStage:
    """Archives, enriches and stores a batch; quarantines records that are not valid.

    Idempotent: a batch may be delivered again, whole or in part. Quotes that are stored already are
    dropped before any write, and the archive and the quarantine never overwrite.

    ``part`` is the maximum number of quotes that are archived and stored together.
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
        """Process one batch. A failure of the backend is raised, so that the batch is delivered again.

        Rejections in the batch are quarantined.
        """
        return IngestResult.total(self.parts(records))

    def parts(self, records: Sequence[Record | Rejection]) -> Iterator[IngestResult]:
        """Process one batch like ``run``, and yield the result of each part as soon as it is stored.

        The first part holds the records that are not new quotes; then come quotes by symbol and time. A
        caller that stops between two parts must have the batch delivered again.
        """
        decoded, rejections = _decode(records)
        if rejections:
            self._quarantine.put(rejections)
        unique = _without_duplicates(decoded)
        yield IngestResult([], len(decoded) - len(unique), len(rejections))
        quotes = sorted(item.quote for item in unique.values())
        for start in range(0, len(quotes), self._part):
            part = quotes[start : start + self._part]
            new = self._enrich(part)
            if new:
                self._archive.put([RawObject(*quote[:2], unique[quote[:2]].body) for quote in new])
                self._table.insert(new)
            yield IngestResult(new, len(part) - len(new), 0)

    def _enrich(self, quotes: Sequence[Quote]) -> list[EnrichedQuote]:
        """Return those that are not stored yet, with indicators; ``quotes`` are sorted by symbol and time."""
        by_symbol = {symbol: list(group) for symbol, group in groupby(quotes, attrgetter("symbol"))}
        newest = self._table.newest(by_symbol, self._rules.long - 1)
        new: list[EnrichedQuote] = []
        with exact_arithmetic():
            for symbol, run in by_symbol.items():
                prior_quotes = newest.get(symbol, ())
                if prior_quotes and run[0].timestamp <= prior_quotes[-1].timestamp:
                    prior_quotes = self._with_late_history(symbol, run, prior_quotes)
                new += _enrich_new(prior_quotes, run, self._rules)
        new.sort(key=attrgetter("timestamp", "symbol"))
        return new

    def _with_late_history(
        self, symbol: str, run: Sequence[Quote], newest: Sequence[PriorQuote]
    ) -> Sequence[PriorQuote]:
        """Return the stored quotes that a run with late or duplicate quotes depends on.

        These are one window before its first quote, all up to its last late quote, and the newest.
        """
        last = next(quote.timestamp for quote in reversed(run) if quote.timestamp <= newest[-1].timestamp)
        around = self._table.around(symbol, run[0].timestamp, last, self._rules.long - 1)
        return [*around, *(prior for prior in newest if prior.timestamp > last)]


def _decode(records: Sequence[Record | Rejection]) -> tuple[list[DecodedQuote], list[Rejection]]:
    decoded, rejections = [], []
    for record in records:
        if isinstance(record, Rejection):
            rejections.append(record)
            continue
        if record.quote is not None and is_canonical(record.quote):
            decoded.append(DecodedQuote(record.quote, record.data))
            continue
        try:
            decoded.append(decode_record(record.data))
        except InvalidQuote as reason:
            rejections.append(Rejection(record.data, record.origin, str(reason)))
    return decoded, rejections


def _without_duplicates(decoded: Iterable[DecodedQuote]) -> dict[tuple[str, str], DecodedQuote]:
    first: dict[tuple[str, str], DecodedQuote] = {}
    for item in decoded:
        first.setdefault((item.quote.symbol, item.quote.timestamp), item)
    return first


def _enrich_new(
    prior_quotes: Sequence[PriorQuote], run: Sequence[Quote], rules: AnalysisRules
) -> list[EnrichedQuote]:
    """Return the quotes of ``run`` that are not stored yet, with indicators from the quotes before them."""
    enricher = Enricher(rules)
    new = []
    seeded = 0
    for quote in run:
        position = bisect_left(prior_quotes, quote.timestamp, seeded, key=attrgetter("timestamp"))
        enricher.seed(prior_quotes[seeded:position])
        seeded = position
        if position == len(prior_quotes) or prior_quotes[position].timestamp != quote.timestamp:
            new.append(enricher.add(quote))
    return new
