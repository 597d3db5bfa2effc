"""The last price of each symbol, kept in SQLite across restarts."""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import Lock

from stockctl.market.errors import truncate
from stockctl.market.numbers import format_decimal, parse_positive
from stockctl.market.plausibility import MAX_SYMBOLS, LastPrice, SuspectedLevel
from stockctl.market.timestamp import parse_timestamp
from stockctl.producer.outbox.paths import PRICES, beside
from stockctl.sqlite import identity, open_database

_log = logging.getLogger(__name__)


FLUSH_SECONDS = 5.0
"""Time between two writes. After a kill the stored prices are that much older, which does no harm."""

_APPLICATION_ID = 0x5C7C_0C01
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
CREATE TABLE prices (
    symbol TEXT PRIMARY KEY,
    price TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    doubted TEXT,
    since TEXT,
    newest TEXT,
    confirmations INTEGER
) STRICT, WITHOUT ROWID;
"""

_SELECT_ALL = "SELECT symbol, price, timestamp, doubted, since, newest, confirmations FROM prices"


class SqlitePriceStore:
    """A ``PriceStore`` in a small SQLite file of its own, so that the outbox is not slowed down by it.

    It holds prices from live sources only; the quote table also has those of replays and simulations, which
    are old or invented. The file is read at the first ``load`` and written by ``flush``, so that the thread
    which handles quotes does not wait for it. Only the process that holds the outbox uses it. If the file
    cannot be used, one warning is logged, and no price of an earlier run is known.

    Args:
        outbox: path of the outbox; the file lies beside it.
        max_symbols: the maximum number of symbols; those with the oldest last price are removed first.
    """

    def __init__(self, outbox: Path, max_symbols: int = MAX_SYMBOLS) -> None:
        self._outbox = outbox
        self._path = beside(outbox, PRICES)
        self._max_symbols = max_symbols
        self._earlier: dict[str, LastPrice] | None = None
        self._unsaved: dict[str, LastPrice] = {}
        self._flushing = Lock()
        self._warned = False

    def load(self, symbol: str) -> LastPrice | None:
        """Return the last price from an earlier run, the first time it is asked for."""
        if self._earlier is None:
            self._earlier = self._read()
        return self._earlier.pop(symbol, None)

    def store(self, symbol: str, last: LastPrice) -> None:
        """Remember the last price; ``flush`` writes it."""
        self._unsaved[symbol] = last

    def flush(self) -> None:
        """Write what was stored since the last write, unless the outbox was removed; any thread may call."""
        with self._flushing:
            # One by one, so that ``store`` needs no lock for each quote.
            unsaved = [self._unsaved.popitem() for _ in range(len(self._unsaved))]
            if unsaved and self._outbox.exists():
                self._write(unsaved)

    def close(self) -> None:
        """Write what is not written yet."""
        self.flush()

    def _write(self, prices: Iterable[tuple[str, LastPrice]]) -> None:
        with self._warn_once(), self._open("rwc") as connection:
            connection.executemany(
                "REPLACE INTO prices VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(symbol, *_columns(last)) for symbol, last in prices],
            )
            self._remove_oldest(connection)

    def _read(self) -> dict[str, LastPrice]:
        prices: dict[str, LastPrice] = {}
        if self._path.exists():
            with self._warn_once(), self._open("ro") as connection:
                prices = {symbol: _last_price(*row) for symbol, *row in connection.execute(_SELECT_ALL)}
        _log.debug("Last prices of %d symbols are known from earlier runs.", len(prices))
        return prices

    def _remove_oldest(self, connection: sqlite3.Connection) -> None:
        (count,) = connection.execute("SELECT count(*) FROM prices").fetchone()
        if count > self._max_symbols:
            connection.execute(
                "DELETE FROM prices WHERE symbol IN (SELECT symbol FROM prices ORDER BY timestamp LIMIT ?)",
                (count - self._max_symbols,),
            )

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction."""
        with closing(open_database(self._path, mode)) as connection, connection:
            # Losing these prices in a power cut does little harm: no need to wait for the disk.
            connection.execute("PRAGMA synchronous = OFF")
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if not tables and mode == "rwc":
                connection.executescript(_SCHEMA)
            elif identity(connection)[0] != _APPLICATION_ID:
                raise ValueError("stockctl did not create it")
            yield connection

    @contextmanager
    def _warn_once(self) -> Iterator[None]:
        """Log the first failure to use the file, and continue without it."""
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            if not self._warned:
                _log.warning(
                    "The last prices cannot be kept in %s: %s. If this persists, remove the file; without it "
                    "the first price of a symbol after a start is accepted unchecked.",
                    self._path,
                    error,
                )
            self._warned = True


def _columns(last: LastPrice) -> tuple[object, ...]:
    price, timestamp, level = last
    suspected = (None,) * 4 if level is None else (format_decimal(level.price), *level[1:])
    return format_decimal(price), timestamp, *suspected


def _last_price(
    price: object, timestamp: object, suspected: object, since: object, newest: object, confirmations: object
) -> LastPrice:
    level = None
    if suspected is not None:
        if not isinstance(confirmations, int):
            raise ValueError(f"{truncate(confirmations)} is not a number of confirmations")
        level = SuspectedLevel(_price(suspected), _time(since), _time(newest), confirmations)
    return LastPrice(_price(price), _time(timestamp), level)


def _time(value: object) -> str:
    return parse_timestamp(str(value))


def _price(value: object) -> Decimal:
    text = str(value)
    try:
        return parse_positive(Decimal(text), "price")
    except InvalidOperation:
        raise ValueError(f"{truncate(text)} is not a price") from None
