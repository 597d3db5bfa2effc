"""Stored quotes in SQLite."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from stockctl.local.database import Database
from stockctl.market.decimals import plain
from stockctl.market.stored_quote import Precedent, StoredQuote

_COLUMNS = ", ".join(StoredQuote._fields)
_INSERT = f"INSERT INTO quotes ({_COLUMNS}) VALUES ({', '.join('?' * len(StoredQuote._fields))})"
_PRECEDENT = ", ".join(Precedent._fields)
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

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[Precedent]]:
        """Return, for each symbol that has any, its ``count`` newest quotes, oldest first."""
        found = {}
        for symbol in symbols:
            rows = self._connection.execute(_NEWEST, (symbol, count)).fetchall()
            if rows:
                rows.reverse()
                found[symbol] = _precedents(rows)
        return found

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[Precedent]:
        """Return the symbol's quotes from ``first`` to ``last`` and ``before`` more ahead, oldest first."""
        rows = self._connection.execute(_BEFORE, (symbol, first, before)).fetchall()
        rows.reverse()
        rows += self._connection.execute(_BETWEEN, (symbol, first, last)).fetchall()
        return _precedents(rows)

    def insert(self, quotes: Sequence[StoredQuote]) -> None:
        """Write quotes that are not there yet."""
        self._connection.executemany(_INSERT, [_row(quote) for quote in quotes])


class SqliteQuoteReader:
    """The table ``quotes`` as the commands show it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self, symbols: Collection[str] | None = None) -> Sequence[StoredQuote]:
        """Return the newest quote of each symbol, by symbol."""
        with self._database.reading() as connection:
            if symbols is None:
                symbols = [symbol for (symbol,) in connection.execute(_SYMBOLS).fetchall()]
            rows = [connection.execute(_LATEST, (symbol,)).fetchone() for symbol in sorted(set(symbols))]
        return [_stored(row) for row in rows if row is not None]

    def history(self, symbol: str, *, since: str | None = None, limit: int = 0) -> Sequence[StoredQuote]:
        """Return the symbol's quotes from ``since`` on, the newest ``limit`` (0 = all), oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(_HISTORY, (symbol, since or "", limit or -1)).fetchall()
        return [_stored(row) for row in reversed(rows)]

    def count(self) -> int:
        """Return how many quotes are stored."""
        with self._database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM quotes").fetchone()
        return int(count)


def _precedents(rows: Sequence[tuple[Any, ...]]) -> list[Precedent]:
    return [
        Precedent(timestamp, Decimal(price), trend, up_date, down_date)
        for timestamp, price, trend, up_date, down_date in rows
    ]


def _row(quote: StoredQuote) -> list[object]:
    return [plain(value) if type(value) is Decimal else value for value in quote]


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _stored(row: tuple[Any, ...]) -> StoredQuote:
    quote = StoredQuote(*row)
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
