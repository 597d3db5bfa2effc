"""However quotes are delivered, the same is stored, archived and alerted: by property, on a real home."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.local.stream import LocalStream
from stockctl.market.rules import AnalysisRules
from stockctl.pipeline.ports import Record
from support.local_home import (
    NOW,
    feed,
    open_stream,
    partial_files,
    quarantined,
    raised,
    raw_files,
    records,
    stored_rows,
)
from support.quote_strategies import cut, examples, plain_quotes
from support.real_data import wire
from support.reference_figures import Book

pytestmark = pytest.mark.slow

RULES = AnalysisRules(2, 4)
Quotes = list[dict[str, Any]]


def assert_home_is(root: Path, book: Book) -> None:
    """Check that the home holds what the reference holds, each thing once."""
    assert stored_rows(root) == book.stored()
    assert raised(root) == book.alerts
    assert set(raw_files(root)) == set(book.rows)
    assert partial_files(root) == []


@contextmanager
def interrupted(stream: LocalStream) -> Iterator[None]:
    """Let a batch be interrupted when its quotes are in the table and its alerts are not yet."""

    def interrupt() -> datetime:
        raise KeyboardInterrupt

    clock, stream._clock = stream._clock, interrupt
    try:
        yield
    finally:
        stream._clock = clock


@st.composite
def deliveries(draw: Any, quotes: Quotes) -> list[Quotes]:
    """Draw batches in time order, each shuffled, with repetitions of anything sent so far."""
    batches, sent = [], []
    for batch in draw(cut(quotes)):
        sent += batch
        repeated = draw(st.lists(st.sampled_from(sent), max_size=6))
        batches.append(draw(st.permutations(batch + repeated)))
        if draw(st.booleans()):
            batches.append(draw(st.permutations(batches[-1])))
    return batches


@given(plain_quotes(), st.data())
@examples(40)
def test_any_delivery_brings_the_same(quotes: Quotes, data: st.DataObject):
    """Order within a batch, cuts between batches and repetitions of all or part of them change nothing."""
    book = Book(short=2, long=4)
    for quote in quotes:
        book.deliver([quote])
    with TemporaryDirectory() as folder:
        root = Path(folder)
        feed(root, data.draw(deliveries(quotes)), RULES)
        assert_home_is(root, book)
        assert raw_files(root) == {(quote["symbol"], quote["timestamp"]): wire(quote) for quote in quotes}


@given(plain_quotes(), st.data())
@examples(40)
def test_late_quotes_get_figures_from_what_precedes_them(quotes: Quotes, data: st.DataObject):
    """In any order of arrival, batch by batch, a quote is computed from what is stored before its time."""
    arrivals = data.draw(cut(data.draw(st.permutations(quotes))))
    book = Book(short=2, long=4)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        with open_stream(root, RULES) as stream:
            for batch in arrivals:
                before = stored_rows(root)
                assert book.deliver(batch) == len(batch)
                assert stream.send(records(batch)).stored == len(batch)
                after = stored_rows(root)
                assert [row for row in after if row in before] == before
        assert_home_is(root, book)


@given(plain_quotes(), st.data())
@examples(40)
def test_several_writers_in_any_turn_bring_the_same_as_one(quotes: Quotes, data: st.DataObject):
    """Each knows what the others stored, late quotes included, and what a failed batch of its own did not."""
    arrivals = data.draw(cut(data.draw(st.permutations(quotes))))
    book = Book(short=2, long=4)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        with open_stream(root, RULES) as first, open_stream(root, RULES) as second:
            for batch in arrivals:
                writer = data.draw(st.sampled_from([first, second]))
                if data.draw(st.booleans()):
                    with pytest.raises(KeyboardInterrupt), interrupted(writer):
                        writer.send(records(batch))
                book.deliver(batch)
                assert writer.send(records(batch)).stored == len(batch)
        assert_home_is(root, book)


@given(plain_quotes(), st.data())
@examples(40)
def test_first_wins_over_other_content(quotes: Quotes, data: st.DataObject):
    """A quote of another price at a moment that is taken changes nothing, in the batch or after it."""
    others = [{**quote, "price": "55.5", "volume": 1, "source": "simulate"} for quote in quotes]
    batches = data.draw(cut(quotes))
    book = Book(short=2, long=4)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        with open_stream(root, RULES) as stream:
            for batch in batches:
                rivals = data.draw(st.permutations(others[: quotes.index(batch[-1]) + 1]))
                book.deliver(batch)
                receipt = stream.send(records([*batch, *rivals]))
                assert (receipt.stored, receipt.duplicates) == (len(batch), len(rivals))
        assert_home_is(root, book)
        assert raw_files(root) == {(quote["symbol"], quote["timestamp"]): wire(quote) for quote in quotes}


@given(plain_quotes(), st.lists(st.binary(max_size=9), max_size=5), st.data())
@examples(40)
def test_unreadable_records_stand_in_nobodys_way(quotes: Quotes, bad: list[bytes], data: st.DataObject):
    """Among good records bad ones are put aside with reason and bytes, once; the others arrive."""
    book = Book(short=2, long=4)
    book.deliver(quotes)
    mixed = data.draw(st.permutations([*records(quotes), *(Record(item, "bad") for item in bad)]))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        with open_stream(root, RULES, now=NOW) as stream:
            first, second = stream.send(mixed), stream.send(mixed)
        assert (first.stored, first.duplicates, first.quarantined) == (len(quotes), 0, len(bad))
        assert (second.stored, second.duplicates, second.quarantined) == (0, len(quotes), len(bad))
        assert_home_is(root, book)
        assert sorted(item["data"] for item in quarantined(root)) == sorted(set(bad))
        assert {item["origin"] for item in quarantined(root)} <= {"bad"}
