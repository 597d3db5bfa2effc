"""The first stage: raw records in; archived, enriched and stored quotes out."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from stockctl.market.decimals import exact
from stockctl.market.enrich import SymbolWalk
from stockctl.market.quote import Quote, Reading, read_record
from stockctl.market.refusal import Refusal
from stockctl.market.rules import Rules
from stockctl.market.stored_quote import Precedent, StoredQuote
from stockctl.pipeline.ports import Archive, Quarantine, QuoteTable, RawObject, Record, Rejection


class Ingested(NamedTuple):
    """What became of a batch. ``stored`` is ordered by time, then symbol."""

    stored: Sequence[StoredQuote]
    repeated: int
    quarantined: int


class IngestStage:
    """Archive, enrich and store a batch; quarantine what cannot be read.

    Right whether a batch comes once, again, or again in part: quotes that are stored already are
    dropped before any write, and the archive and the quarantine keep what they have.
    """

    def __init__(self, archive: Archive, quarantine: Quarantine, table: QuoteTable, rules: Rules) -> None:
        self._archive = archive
        self._quarantine = quarantine
        self._table = table
        self._rules = rules

    def run(self, records: Sequence[Record]) -> Ingested:
        """Take one batch. A fault of a port is raised, so that the batch can come again."""
        readings, rejections = _read(records)
        if rejections:
            self._quarantine.put(rejections)
        bodies = _first_wins(readings)
        fresh = self._enrich([reading.quote for reading in bodies.values()])
        if fresh:
            self._archive.put(
                [RawObject(key[0], key[1], bodies[key].body) for key in (quote[:2] for quote in fresh)]
            )
            self._table.insert(fresh)
        return Ingested(fresh, len(readings) - len(fresh), len(rejections))

    def _enrich(self, quotes: list[Quote]) -> list[StoredQuote]:
        if not quotes:
            return []
        quotes.sort()
        by_symbol = {symbol: list(group) for symbol, group in groupby(quotes, attrgetter("symbol"))}
        newest = self._table.newest(by_symbol, self._rules.long - 1)
        fresh: list[StoredQuote] = []
        with exact():
            for symbol, run in by_symbol.items():
                precedents = newest.get(symbol, ())
                if precedents and run[0].timestamp <= precedents[-1].timestamp:
                    precedents = self._with_late_history(symbol, run, precedents)
                fresh += _walk(precedents, run, self._rules)
        fresh.sort(key=attrgetter("timestamp", "symbol"))
        return fresh

    def _with_late_history(
        self, symbol: str, run: Sequence[Quote], newest: Sequence[Precedent]
    ) -> Sequence[Precedent]:
        """Return what a run with late or repeated quotes needs to know of the stored ones.

        That is one window ahead of the first, everything up to the last late one, and the newest.
        """
        last = next(quote.timestamp for quote in reversed(run) if quote.timestamp <= newest[-1].timestamp)
        around = self._table.around(symbol, run[0].timestamp, last, self._rules.long - 1)
        return [*around, *(precedent for precedent in newest if precedent.timestamp > last)]


def _read(records: Sequence[Record]) -> tuple[list[Reading], list[Rejection]]:
    readings, rejections = [], []
    for record in records:
        try:
            readings.append(read_record(record.data))
        except Refusal as reason:
            rejections.append(Rejection(record.data, record.origin, str(reason)))
    return readings, rejections


def _first_wins(readings: Iterable[Reading]) -> dict[tuple[str, str], Reading]:
    first: dict[tuple[str, str], Reading] = {}
    for reading in readings:
        first.setdefault((reading.quote.symbol, reading.quote.timestamp), reading)
    return first


def _walk(precedents: Sequence[Precedent], run: Sequence[Quote], rules: Rules) -> list[StoredQuote]:
    """Return the quotes of ``run`` that are not stored yet, each with figures from what precedes it."""
    walk = SymbolWalk(rules)
    fresh = []
    passed = 0
    for quote in run:
        ahead = bisect_left(precedents, quote.timestamp, passed, key=attrgetter("timestamp"))
        walk.follow(precedents[passed:ahead])
        passed = ahead
        if ahead == len(precedents) or precedents[ahead].timestamp != quote.timestamp:
            fresh.append(walk.enrich(quote))
    return fresh
