"""A live source whose quotes are checked."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event

import pytest

from stockctl.market.plausibility import QuoteIssue
from stockctl.market.quote import Quote, decode_record
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import Tick
from stockctl.sources.plausibility import ValidatedSource

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
UNREADABLE = Rejection(b"?", "feed#3", "not JSON")


class Feed:
    """A source that yields what it is given."""

    name = "feed"
    expected = 7
    repeatable = False

    def __init__(self, *ticks: Tick) -> None:
        self._ticks = ticks

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield the ticks."""
        yield from self._ticks


def quote(price: int, second: int, close: int | None = 70) -> Quote:
    """Return a quote of a second before ``NOW``."""
    known = None if close is None else Decimal(close)
    time = f"2026-03-02T14:00:{second:02}.000Z"
    return Quote("VOD.L", time, Decimal(price), known, None, None, None, None, "feed", None)


def test_quotes_that_cannot_be_true_do_not_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """A rejected quote has its bytes and its reason, a late one is left out, the order is kept."""
    caplog.set_level(logging.WARNING, "stockctl.sources.plausibility")
    wrong, late = quote(7200, 20), quote(72, 5)
    given = Feed([quote(72, 10), wrong, UNREADABLE], [late], [wrong, quote(73, 30, close=None)])
    source = ValidatedSource(given, clock=lambda: NOW)
    first, second = source.ticks(Event())
    assert [first[0], first[2]] == [quote(72, 10), UNREADABLE]
    refused = first[1]
    assert isinstance(refused, Rejection)
    assert refused.origin == "feed:VOD.L"
    assert refused.reason.startswith("price 7200 is off by a factor of 100 from the last price, 72")
    assert decode_record(refused.data).quote == wrong
    assert second == [refused, quote(73, 30, close=None)]
    assert {issue: count for issue, count in source.status().issues.items() if count} == {
        QuoteIssue.SCALE: 1,
        QuoteIssue.UNREADABLE: 1,
        QuoteIssue.BACKWARDS: 1,
        QuoteIssue.NO_PREVIOUS_CLOSE: 1,
    }
    assert [record.getMessage()[:24] for record in caplog.records] == [
        "VOD.L: price 7200 is off",
        "VOD.L: timestamp 2026-03",
    ]


def test_it_is_the_source_it_wraps_in_all_else() -> None:
    """Name, number and kind are those of the source."""
    source = ValidatedSource(Feed(), clock=lambda: NOW)
    assert (source.name, source.expected, source.repeatable) == ("feed", 7, False)
    assert list(source.ticks(Event())) == []
