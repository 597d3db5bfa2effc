"""Stored quotes in SQLite: exact, in order, and found without reading everything."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.local.database import Database
from stockctl.backends.local.quotes import SqliteQuoteReader, SqliteQuoteTable
from stockctl.errors import HomeError
from stockctl.market.quote import EnrichedQuote
from support.local_home import batches, feed, stored_rows
from support.quote_strategies import examples

_FIGURES = st.none() | st.decimals("-1e23", "1e23", places=8)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An empty database."""
    path = tmp_path_factory.mktemp("table") / "stockctl.db"
    Database.create(path)
    with closing(Database(path)) as opened:
        yield opened


@given(st.lists(_FIGURES, min_size=8, max_size=8), st.integers(0, 2**63 - 1))
@examples(60)
def test_numbers_come_back_exact(database: Database, figures: list[Decimal | None], volume: int):
    """Whatever decimals and volumes are stored, the same come back, to the last digit."""
    close, opened, high, low, change, percent, short, long = figures
    quote = EnrichedQuote(
        "AAPL", "2019-02-11T14:31:00.000Z", Decimal("0.000001"), close, opened, high, low, volume,
        "replay", None, change, percent, short, long, "up", None, True, False, None, "2019-02-11",
    )  # fmt: skip
    with database.transaction() as connection:
        connection.execute("DELETE FROM quotes")
        SqliteQuoteTable(connection).insert([quote])
    (read,) = SqliteQuoteReader(database).history("AAPL")
    assert read == quote
    assert [type(value) for value in read] == [type(value) for value in quote]


def test_a_quote_stored_twice_is_refused_whole(tmp_path: Path):
    """The table is the last guard of first-wins: a second row of one key fails the transaction."""
    quote = {"symbol": "A", "timestamp": "2019-02-11T14:31:00.000Z", "price": "1", "source": "replay"}
    feed(tmp_path, [[quote]])
    with closing(Database(tmp_path / "stockctl.db")) as database:
        (stored,) = SqliteQuoteReader(database).latest()
        earlier = stored._replace(timestamp="2019-02-11T14:30:00.000Z")
        with pytest.raises(HomeError, match="UNIQUE constraint failed"), database.transaction() as connection:
            SqliteQuoteTable(connection).insert([earlier, stored])
    assert len(stored_rows(tmp_path)) == 1


@pytest.mark.slow
def test_the_newest_of_hundreds_of_symbols(tmp_path: Path):
    """The latest quote of each symbol, by symbol."""
    symbols = [f"S{number:04}" for number in range(300)]
    quotes = [
        {
            "symbol": symbol,
            "timestamp": f"2019-02-11T14:3{minute}:00.000Z",
            "price": f"{minute + 1}",
            "source": "x",
        }
        for minute in range(2)
        for symbol in symbols
    ]
    feed(tmp_path, batches(quotes))
    with closing(Database(tmp_path / "stockctl.db")) as database:
        reader = SqliteQuoteReader(database)
        latest = [(quote.symbol, quote.price) for quote in reader.latest()]
        assert latest == [(symbol, Decimal(2)) for symbol in symbols]
        assert reader.count() == 600


def test_the_newest_is_found_without_reading_what_is_older(database: Database):
    """Behind a long history, the latest quotes and a short look back cost a few steps, not a scan."""
    first = EnrichedQuote(
        "A", "", Decimal(1), *[None] * 5, "x", None, *[None] * 6, False, False, None, None
    )  # fmt: skip
    with database.transaction() as connection:
        connection.execute("DELETE FROM quotes")
        for symbol in ("A", "B", "C"):
            SqliteQuoteTable(connection).insert(
                [first._replace(symbol=symbol, timestamp=f"{moment:05}") for moment in range(3000)]
            )
    hundreds: list[int] = []
    database._connection.set_progress_handler(lambda: hundreds.append(1), 100)
    latest = SqliteQuoteReader(database).latest()
    assert [(quote.symbol, quote.timestamp) for quote in latest] == [(symbol, "02999") for symbol in "ABC"]
    assert len(SqliteQuoteReader(database).history("B", limit=10)) == 10
    assert [item.timestamp for item in SqliteQuoteTable(database._connection).newest(["C"], 2)["C"]] == [
        "02998",
        "02999",
    ]
    database._connection.set_progress_handler(None, 0)
    assert len(hundreds) < 10
