"""The table of stored quotes, and a cache of the newest ones."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from stockctl.backends.local.database import Database
from stockctl.backends.local.rows import RowFormat
from stockctl.market.quote import EnrichedQuote, PriorQuote

_QUOTE, _PRIOR_QUOTE = RowFormat(EnrichedQuote), RowFormat(PriorQuote)
_INSERT = f"INSERT INTO quotes ({_QUOTE.columns}) VALUES ({_QUOTE.placeholders})"
_SELECT_PRIOR = f"SELECT {_PRIOR_QUOTE.columns} FROM quotes WHERE symbol = ?"
_NEWEST = f"{_SELECT_PRIOR} ORDER BY timestamp DESC LIMIT ?"
_BEFORE = f"{_SELECT_PRIOR} AND timestamp < ? ORDER BY timestamp DESC LIMIT ?"
_BETWEEN = f"{_SELECT_PRIOR} AND timestamp BETWEEN ? AND ? ORDER BY timestamp"
_SELECT = f"SELECT {_QUOTE.columns} FROM quotes WHERE symbol = ?"
_LATEST = f"{_SELECT} ORDER BY timestamp DESC LIMIT 1"
_HISTORY = f"{_SELECT} AND timestamp >= ? ORDER BY timestamp DESC LIMIT ?"
# Goes from symbol to symbol along the key instead of reading every quote.
_SYMBOLS = """
WITH RECURSIVE known (symbol) AS (
    SELECT min(symbol) FROM quotes
    UNION ALL
    SELECT (SELECT min(symbol) FROM quotes WHERE quotes.symbol > known.symbol) FROM known
    WHERE known.symbol IS NOT NULL
)
SELECT symbol FROM known WHERE symbol IS NOT NULL
"""


class SqliteQuoteTable:
    """The table ``quotes`` in one transaction, for the stages of the pipeline."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[PriorQuote]]:
        """Return the ``count`` newest quotes of each symbol that has any, oldest first."""
        found = {}
        for symbol in symbols:
            rows = self._connection.execute(_NEWEST, (symbol, count)).fetchall()
            if rows:
                rows.reverse()
                found[symbol] = [_PRIOR_QUOTE.read(row) for row in rows]
        return found

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[PriorQuote]:
        """Return quotes of a symbol from ``first`` to ``last``, and ``before`` earlier ones, oldest first."""
        rows = self._connection.execute(_BEFORE, (symbol, first, before)).fetchall()
        rows.reverse()
        rows += self._connection.execute(_BETWEEN, (symbol, first, last)).fetchall()
        return [_PRIOR_QUOTE.read(row) for row in rows]

    def insert(self, quotes: Sequence[EnrichedQuote]) -> None:
        """Store new quotes."""
        self._connection.executemany(_INSERT, [_QUOTE.values(quote) for quote in quotes])


class SqliteQuoteReader:
    """The table ``quotes`` for the commands that show it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self, symbols: Collection[str] | None = None) -> Sequence[EnrichedQuote]:
        """Return the newest quote of each symbol, by symbol."""
        with self._database.reading() as connection:
            if symbols is None:
                symbols = [symbol for (symbol,) in connection.execute(_SYMBOLS).fetchall()]
            rows = [connection.execute(_LATEST, (symbol,)).fetchone() for symbol in sorted(set(symbols))]
        return [_QUOTE.read(row) for row in rows if row is not None]

    def history(self, symbol: str, *, since: str | None = None, limit: int = 0) -> Sequence[EnrichedQuote]:
        """Return the newest ``limit`` quotes of a symbol since ``since`` (0 = all), oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(_HISTORY, (symbol, since or "", limit or -1)).fetchall()
        return [_QUOTE.read(row) for row in reversed(rows)]

    def count(self) -> int:
        """Return how many quotes are stored."""
        with self._database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM quotes").fetchone()
        return int(count)


MAX_QUOTES = 100_000
"""The size of the cache; a quote takes about 300 bytes."""


class RecentQuoteCache:
    """Caches the newest quotes of each symbol, as one connection left them in the table.

    If another connection commits, which ``PRAGMA data_version`` shows, the cache is cleared.

    Args:
        window: the maximum number of cached quotes of a symbol.
        max_quotes: the maximum number of cached quotes. Above it, further symbols are not cached.
    """

    def __init__(self, window: int, max_quotes: int = MAX_QUOTES) -> None:
        self.window = window
        self._max_symbols = max_quotes // window
        self._version: int | None = None
        self._quotes: dict[str, list[PriorQuote]] = {}

    @contextmanager
    def cleared_on_error(self) -> Iterator[None]:
        """Clear the cache if the block fails; put a transaction into it."""
        try:
            yield
        except BaseException:
            self._quotes.clear()
            raise

    def table(self, connection: sqlite3.Connection) -> "CachedQuoteTable":
        """Return the cached table, for the current transaction of ``connection``."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._quotes.clear()
            self._version = version
        return CachedQuoteTable(SqliteQuoteTable(connection), self)

    def get(self, symbol: str) -> list[PriorQuote] | None:
        """Return the newest quotes of a symbol, oldest first; None if they are not cached."""
        return self._quotes.get(symbol)

    def set(self, symbol: str, newest: Sequence[PriorQuote]) -> None:
        """Cache the newest quotes of a symbol, oldest first: ``window`` of them, or all there are."""
        if len(self._quotes) < self._max_symbols:
            self._quotes[symbol] = list(newest)

    def add(self, quote: EnrichedQuote) -> None:
        """Add a quote that was just stored."""
        cached = self._quotes.get(quote.symbol)
        if cached is None:
            return
        if cached and quote.timestamp < cached[-1].timestamp:
            del self._quotes[quote.symbol]
            return
        cached.append(
            PriorQuote(
                timestamp=quote.timestamp,
                price=quote.price,
                trend=quote.trend,
                anomaly_up_date=quote.anomaly_up_date,
                anomaly_down_date=quote.anomaly_down_date,
            )
        )
        del cached[: -self.window]


class CachedQuoteTable:
    """The table ``quotes`` in one transaction; reads the newest quotes of a symbol only once."""

    def __init__(self, table: SqliteQuoteTable, cache: RecentQuoteCache) -> None:
        self._table = table
        self._cache = cache

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[PriorQuote]]:
        """Return the ``count`` newest quotes of each symbol that has any, oldest first."""
        if count != self._cache.window:
            return self._table.newest(symbols, count)
        missing = [symbol for symbol in symbols if self._cache.get(symbol) is None]
        read = self._table.newest(missing, count)
        for symbol in missing:
            self._cache.set(symbol, read.get(symbol, ()))
        cached = {symbol: list(quotes) for symbol in symbols if (quotes := self._cache.get(symbol))}
        return {**read, **cached}

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[PriorQuote]:
        """Return quotes of a symbol from ``first`` to ``last``, and ``before`` earlier ones, oldest first."""
        return self._table.around(symbol, first, last, before)

    def insert(self, quotes: Sequence[EnrichedQuote]) -> None:
        """Store new quotes."""
        self._table.insert(quotes)
        for quote in quotes:
            self._cache.add(quote)
