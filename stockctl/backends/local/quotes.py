"""The table of stored quotes, and a cache of the newest."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from stockctl.backends.local.database import Database
from stockctl.market.numbers import format_decimal
from stockctl.market.quote import EnrichedQuote, PriorQuote

_COLUMNS = ", ".join(EnrichedQuote._fields)
_INSERT = f"INSERT INTO quotes ({_COLUMNS}) VALUES ({', '.join('?' * len(EnrichedQuote._fields))})"
_PRECEDENT = ", ".join(PriorQuote._fields)
_NEWEST = f"SELECT {_PRECEDENT} FROM quotes WHERE symbol = ? ORDER BY timestamp DESC LIMIT ?"
_BEFORE = (
    f"SELECT {_PRECEDENT} FROM quotes WHERE symbol = ? AND timestamp < ? ORDER BY timestamp DESC LIMIT ?"
)
_BETWEEN = (
    f"SELECT {_PRECEDENT} FROM quotes WHERE symbol = ? AND timestamp BETWEEN ? AND ? ORDER BY timestamp"
)
_LATEST = f"SELECT {_COLUMNS} FROM quotes WHERE symbol = ? ORDER BY timestamp DESC LIMIT 1"
_HISTORY = (
    f"SELECT {_COLUMNS} FROM quotes WHERE symbol = ? AND timestamp >= ? ORDER BY timestamp DESC LIMIT ?"
)
# Jumps from symbol to symbol along the key instead of reading every quote.
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
    """The table ``quotes`` within one transaction, for the stages."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[PriorQuote]]:
        """Return, for each symbol that has any, its ``count`` newest quotes, oldest first."""
        found = {}
        for symbol in symbols:
            rows = self._connection.execute(_NEWEST, (symbol, count)).fetchall()
            if rows:
                rows.reverse()
                found[symbol] = _precedents(rows)
        return found

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[PriorQuote]:
        """Return the symbol's quotes from ``first`` to ``last`` and ``before`` more ahead, oldest first."""
        rows = self._connection.execute(_BEFORE, (symbol, first, before)).fetchall()
        rows.reverse()
        rows += self._connection.execute(_BETWEEN, (symbol, first, last)).fetchall()
        return _precedents(rows)

    def insert(self, quotes: Sequence[EnrichedQuote]) -> None:
        """Write quotes that are not there yet."""
        self._connection.executemany(_INSERT, [_row(quote) for quote in quotes])


class SqliteQuoteReader:
    """The table ``quotes`` as the commands show it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self, symbols: Collection[str] | None = None) -> Sequence[EnrichedQuote]:
        """Return the newest quote of each symbol, by symbol."""
        with self._database.reading() as connection:
            if symbols is None:
                symbols = [symbol for (symbol,) in connection.execute(_SYMBOLS).fetchall()]
            rows = [connection.execute(_LATEST, (symbol,)).fetchone() for symbol in sorted(set(symbols))]
        return [_stored(row) for row in rows if row is not None]

    def history(self, symbol: str, *, since: str | None = None, limit: int = 0) -> Sequence[EnrichedQuote]:
        """Return the symbol's quotes from ``since`` on, the newest ``limit`` (0 = all), oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(_HISTORY, (symbol, since or "", limit or -1)).fetchall()
        return [_stored(row) for row in reversed(rows)]

    def count(self) -> int:
        """Return how many quotes are stored."""
        with self._database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM quotes").fetchone()
        return int(count)


def _precedents(rows: Sequence[tuple[Any, ...]]) -> list[PriorQuote]:
    return [
        PriorQuote(timestamp, Decimal(price), trend, up_date, down_date)
        for timestamp, price, trend, up_date, down_date in rows
    ]


def _row(quote: EnrichedQuote) -> list[object]:
    return [format_decimal(value) if type(value) is Decimal else value for value in quote]


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _stored(row: tuple[Any, ...]) -> EnrichedQuote:
    quote = EnrichedQuote(*row)
    return quote._replace(
        price=Decimal(row[2]),
        previous_close=_decimal(row[3]),
        open=_decimal(row[4]),
        high=_decimal(row[5]),
        low=_decimal(row[6]),
        change=_decimal(row[10]),
        change_percent=_decimal(row[11]),
        sma_short=_decimal(row[12]),
        sma_long=_decimal(row[13]),
        anomaly=bool(quote.anomaly),
        anomaly_alert=bool(quote.anomaly_alert),
    )


MOST_QUOTES = 100_000
"""How many are remembered; each takes some 300 bytes."""


class RecentQuoteCache:
    """The last quotes of symbols, as one connection left them in the table.

    They hold as long as no other connection commits, which SQLite tells by ``PRAGMA data_version``: then
    all is forgotten, and read again.

    Args:
        window: how many quotes of a symbol are remembered.
        most: how many in all. Beyond it no further symbol is taken in.
    """

    def __init__(self, window: int, most: int = MOST_QUOTES) -> None:
        self.window = window
        self._most_symbols = most // window
        self._version: int | None = None
        self._known: dict[str, list[PriorQuote]] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Enclose a transaction; if it fails, all is forgotten."""
        try:
            yield
        except BaseException:
            self._known.clear()
            raise

    def table(self, connection: sqlite3.Connection) -> "CachedQuoteTable":
        """Return the table of quotes within the transaction that ``connection`` is in."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._known.clear()
            self._version = version
        return CachedQuoteTable(SqliteQuoteTable(connection), self)

    def of(self, symbol: str) -> list[PriorQuote] | None:
        """Return the newest quotes of a symbol, oldest first; None when they have to be read."""
        return self._known.get(symbol)

    def learn(self, symbol: str, newest: Sequence[PriorQuote]) -> None:
        """Take in the newest quotes of a symbol, oldest first: ``window`` of them, or all there are."""
        if len(self._known) < self._most_symbols:
            self._known[symbol] = list(newest)

    def add(self, quote: EnrichedQuote) -> None:
        """Take in a quote that is stored now."""
        known = self._known.get(quote.symbol)
        if known is None:
            return
        if known and quote.timestamp < known[-1].timestamp:
            del self._known[quote.symbol]
            return
        known.append(
            PriorQuote(
                quote.timestamp, quote.price, quote.trend, quote.anomaly_up_date, quote.anomaly_down_date
            )
        )
        del known[: -self.window]


class CachedQuoteTable:
    """The table of quotes within one transaction, which reads the newest of a symbol only once."""

    def __init__(self, table: SqliteQuoteTable, recent: RecentQuoteCache) -> None:
        self._table = table
        self._recent = recent

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[PriorQuote]]:
        """Return, for each symbol that has any, its ``count`` newest quotes, oldest first."""
        if count != self._recent.window:
            return self._table.newest(symbols, count)
        unknown = [symbol for symbol in symbols if self._recent.of(symbol) is None]
        read = self._table.newest(unknown, count)
        for symbol in unknown:
            self._recent.learn(symbol, read.get(symbol, ()))
        known = {symbol: list(quotes) for symbol in symbols if (quotes := self._recent.of(symbol))}
        return {**read, **known}

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[PriorQuote]:
        """Return the symbol's quotes from ``first`` to ``last`` and ``before`` more ahead, oldest first."""
        return self._table.around(symbol, first, last, before)

    def insert(self, quotes: Sequence[EnrichedQuote]) -> None:
        """Write quotes that are not there yet."""
        self._table.insert(quotes)
        for quote in quotes:
            self._recent.add(quote)
