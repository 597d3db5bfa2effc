"""Real market data through the embedded pipeline, compared with the independent computation in full."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from support import real_data
from support.local_home import (
    batches,
    feed,
    open_stream,
    partial_files,
    raised,
    raw_files,
    records,
    stored_rows,
)
from support.reference_figures import Book, book_of

pytestmark = pytest.mark.slow

Quotes = list[dict[str, Any]]


class Replay(NamedTuple):
    """A file that went through the pipeline, and what the reference makes of it."""

    root: Path
    quotes: Quotes
    book: Book


@pytest.fixture(scope="module", params=["intraday", "daily"])
def replay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """The whole of a real file, once through an embedded home."""
    quotes = getattr(real_data, request.param)()
    root = tmp_path_factory.mktemp(request.param)
    feed(root, batches(quotes))
    return Replay(root, quotes, book_of(quotes))


@pytest.fixture(scope="module")
def year() -> Quotes:
    """The daily quotes of 2008, which hold many moves of more than five percent."""
    return real_data.daily_of("2008")


@pytest.fixture(scope="module")
def year_book(year: Quotes) -> Book:
    """What the reference makes of them."""
    return book_of(year)


def assert_same(root: Path, quotes: Quotes, book: Book) -> None:
    """Check table, alert log and archive against the reference."""
    assert stored_rows(root) == book.stored()
    assert raised(root) == book.alerts
    assert raw_files(root) == {
        (quote["symbol"], quote["timestamp"]): real_data.wire(quote) for quote in quotes
    }
    assert partial_files(root) == []


def test_every_quote_and_alert_equals_the_reference(replay: Replay):
    """Each stored field, each alert with its message, and each raw file of the whole file."""
    assert_same(*replay)


def test_counts_of_the_files_are_the_known_ones(replay: Replay):
    """2,832 crossings and 4 anomalies in the intraday file, 723 and 511 in the daily one."""
    kinds = Counter(alert["kind"] for alert in raised(replay.root).values())
    counts = len(replay.quotes), kinds["trend_up"] + kinds["trend_down"], kinds["anomaly"]
    assert counts in {(43_164, 2_832, 4), (12_154, 723, 511)}
    assert counts == (len(replay.book.rows), *_counts(replay.book))


def _counts(book: Book) -> tuple[int, int]:
    anomalies = sum(alert["kind"] == "anomaly" for alert in book.alerts.values())
    return len(book.alerts) - anomalies, anomalies


def test_the_turn_of_microsoft_in_2008(year: Quotes, tmp_path: Path):
    """The message of 7 October 2008, word for word."""
    quotes = [quote for quote in year if quote["symbol"] == "MSFT"]
    feed(tmp_path, batches(quotes))
    assert raised(tmp_path)["MSFT|2008-10-07T20:00:00.000Z|trend_down"]["message"] == (
        "MSFT 23.23, down 6.7 % on the day: SMA-5 25.44 crossed below SMA-20 25.93 (sell signal)"
    )


def test_twice_is_once(year: Quotes, year_book: Book, tmp_path: Path):
    """The same replay again stores, archives and alerts nothing more."""
    feed(tmp_path, batches(year))
    with open_stream(tmp_path) as stream:
        receipts = [stream.send(records(batch)) for batch in batches(year, 300)]
    assert [(receipt.stored, len(receipt.alerts)) for receipt in receipts] == [(0, 0)] * len(receipts)
    assert sum(receipt.duplicates for receipt in receipts) == len(year)
    assert_same(tmp_path, year, year_book)


@pytest.mark.parametrize("size", [1, 7, 100, 2000])
def test_batches_of_any_size_in_any_order(year: Quotes, year_book: Book, tmp_path: Path, size: int):
    """Cut into batches of one or of thousands, each shuffled, the year is the same."""
    shuffled = []
    for batch in batches(year, size):
        shuffled.append(list(batch))
        Random(size).shuffle(shuffled[-1])
    feed(tmp_path, shuffled)
    assert_same(tmp_path, year, year_book)


def test_whole_days_that_come_late(year: Quotes, tmp_path: Path):
    """A session delivered after later ones gets the figures of its place; what was stored stays."""
    sessions = list(batches(year, 4))
    Random(8).shuffle(sessions)
    book = Book()
    for session in sessions:
        book.deliver(session)
    feed(tmp_path, sessions)
    assert_same(tmp_path, year, book)
