"""The newest quotes of each symbol, remembered from one transaction to the next."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from stockctl.local.table import SqliteQuoteTable
from stockctl.market.stored_quote import Precedent, StoredQuote

MOST_QUOTES = 100_000
"""How many are remembered; each takes some 300 bytes."""


class RecentQuotes:
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
        self._known: dict[str, list[Precedent]] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Enclose a transaction; if it fails, all is forgotten."""
        try:
            yield
        except BaseException:
            self._known.clear()
            raise

    def table(self, connection: sqlite3.Connection) -> "RememberedTable":
        """Return the table of quotes within the transaction that ``connection`` is in."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._known.clear()
            self._version = version
        return RememberedTable(SqliteQuoteTable(connection), self)

    def of(self, symbol: str) -> list[Precedent] | None:
        """Return the newest quotes of a symbol, oldest first; None when they have to be read."""
        return self._known.get(symbol)

    def learn(self, symbol: str, newest: Sequence[Precedent]) -> None:
        """Take in the newest quotes of a symbol, oldest first: ``window`` of them, or all there are."""
        if len(self._known) < self._most_symbols:
            self._known[symbol] = list(newest)

    def add(self, quote: StoredQuote) -> None:
        """Take in a quote that is stored now."""
        known = self._known.get(quote.symbol)
        if known is None:
            return
        if known and quote.timestamp < known[-1].timestamp:
            del self._known[quote.symbol]
            return
        known.append(
            Precedent(
                quote.timestamp, quote.price, quote.trend, quote.anomaly_up_date, quote.anomaly_down_date
            )
        )
        del known[: -self.window]


class RememberedTable:
    """The table of quotes within one transaction, which reads the newest of a symbol only once."""

    def __init__(self, table: SqliteQuoteTable, recent: RecentQuotes) -> None:
        self._table = table
        self._recent = recent

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[Precedent]]:
        """Return, for each symbol that has any, its ``count`` newest quotes, oldest first."""
        if count != self._recent.window:
            return self._table.newest(symbols, count)
        unknown = [symbol for symbol in symbols if self._recent.of(symbol) is None]
        read = self._table.newest(unknown, count)
        for symbol in unknown:
            self._recent.learn(symbol, read.get(symbol, ()))
        known = {symbol: list(quotes) for symbol in symbols if (quotes := self._recent.of(symbol))}
        return {**read, **known}

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[Precedent]:
        """Return the symbol's quotes from ``first`` to ``last`` and ``before`` more ahead, oldest first."""
        return self._table.around(symbol, first, last, before)

    def insert(self, quotes: Sequence[StoredQuote]) -> None:
        """Write quotes that are not there yet."""
        self._table.insert(quotes)
        for quote in quotes:
            self._recent.add(quote)
