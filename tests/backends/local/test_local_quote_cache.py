"""What one connection remembers of the ends of the table: it saves reads, and never tells anything old."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from contract.contract_quotes import precedent, stored_quote

from stockctl.backends.local.database import Database
from stockctl.backends.local.quotes import CachedQuoteTable, RecentQuoteCache, SqliteQuoteTable
from stockctl.errors import HomeError
from stockctl.market.quote import EnrichedQuote
from support.local_home import open_stream, records

WINDOW = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty database."""
    Database.create(tmp_path / "stockctl.db")
    return tmp_path / "stockctl.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """The connection that remembers."""
    with closing(Database(path)) as opened:
        yield opened


def newest(recent: RecentQuoteCache, database: Database, *symbols: str) -> dict[str, list[int]]:
    """Return the prices of the newest quotes, asked for in a transaction of their own."""
    with recent.cleared_on_error(), database.transaction() as connection:
        found = recent.table(connection).newest(symbols, WINDOW)
    return {symbol: [int(item.price) for item in items] for symbol, items in found.items()}


def insert(recent: RecentQuoteCache, database: Database, *quotes: EnrichedQuote) -> None:
    """Store quotes by way of the memory."""
    with recent.cleared_on_error(), database.transaction() as connection:
        recent.table(connection).insert(quotes)


def test_a_symbol_is_read_once(tmp_path: Path):
    """Batches of the same symbols cost no read of their history after the first."""
    selects: list[str] = []

    def note(statement: str) -> None:
        if statement.startswith("SELECT") and "FROM quotes" in statement:
            selects.append(statement)

    with open_stream(tmp_path) as stream:
        stream._database._connection.set_trace_callback(note)
        counts = []
        for minute in range(4):
            batch = [
                {
                    "symbol": f"S{number}",
                    "timestamp": f"2019-02-11T15:{minute:02}:00.000Z",
                    "price": "1",
                    "source": "replay",
                }
                for number in range(50)
            ]
            assert stream.send(records(batch)).stored == 50
            counts.append(len(selects))
    assert counts == [50] * 4


def test_what_was_stored_is_remembered_as_the_table_has_it(database: Database):
    """In order of time, no more than the window, and the same as a read."""
    recent = RecentQuoteCache(WINDOW)
    assert newest(recent, database, "AAPL") == {}
    insert(recent, database, *(stored_quote(minute=minute, trend="up") for minute in range(5)))
    with recent.cleared_on_error(), database.transaction() as connection:
        remembered = recent.table(connection).newest(["AAPL"], WINDOW)
        assert remembered == SqliteQuoteTable(connection).newest(["AAPL"], WINDOW)
    assert remembered["AAPL"][-1] == precedent(stored_quote(minute=4, trend="up"))


def test_another_number_of_quotes_is_read(database: Database):
    """Only the window is remembered."""
    recent = RecentQuoteCache(WINDOW)
    insert(recent, database, *(stored_quote(minute=minute) for minute in range(5)))
    assert newest(recent, database, "AAPL") == {"AAPL": [102, 103, 104]}
    with recent.cleared_on_error(), database.transaction() as connection:
        assert len(recent.table(connection).newest(["AAPL"], 5)["AAPL"]) == 5


def test_what_others_wrote_is_seen(database: Database, path: Path):
    """A commit of another connection makes all be read again."""
    recent = RecentQuoteCache(WINDOW)
    insert(recent, database, stored_quote(minute=1))
    assert newest(recent, database, "AAPL") == {"AAPL": [101]}
    with closing(Database(path)) as other, other.transaction() as connection:
        SqliteQuoteTable(connection).insert([stored_quote(minute=2)])
    assert newest(recent, database, "AAPL") == {"AAPL": [101, 102]}


def test_a_late_quote_is_read_where_it_belongs(database: Database):
    """It lies before the newest one that is remembered."""
    recent = RecentQuoteCache(WINDOW)
    insert(recent, database, stored_quote(minute=5))
    assert newest(recent, database, "AAPL") == {"AAPL": [105]}
    insert(recent, database, stored_quote(minute=2))
    assert newest(recent, database, "AAPL") == {"AAPL": [102, 105]}


def test_what_was_rolled_back_is_forgotten(database: Database):
    """A quote whose transaction failed was never stored."""
    recent = RecentQuoteCache(WINDOW)
    insert(recent, database, stored_quote(minute=1))
    assert newest(recent, database, "AAPL") == {"AAPL": [101]}
    taken = stored_quote(minute=1)
    with pytest.raises(HomeError, match="UNIQUE"):
        insert(recent, database, stored_quote(minute=2), taken)
    with pytest.raises(KeyboardInterrupt), recent.cleared_on_error(), database.transaction() as connection:
        _insert_and_interrupt(recent.table(connection))
    assert newest(recent, database, "AAPL") == {"AAPL": [101]}


def _insert_and_interrupt(table: CachedQuoteTable) -> None:
    table.insert([stored_quote(minute=2)])
    raise KeyboardInterrupt


def test_beyond_the_bound_symbols_are_read_each_time(database: Database):
    """Memory is bounded; what is told is the same."""
    recent = RecentQuoteCache(WINDOW, max_quotes=2 * WINDOW)
    symbols = ["A", "B", "C", "D"]
    assert newest(recent, database, *symbols) == {}
    for minute in range(5):
        insert(recent, database, *(stored_quote(symbol, minute) for symbol in symbols))
        assert newest(recent, database, *symbols) == {
            symbol: list(range(100 + max(0, minute - 2), 101 + minute)) for symbol in symbols
        }
    assert [recent.get(symbol) is None for symbol in symbols] == [False, False, True, True]
