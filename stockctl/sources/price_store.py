"""The last price of each symbol, kept in SQLite across restarts."""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import Lock

from stockctl.market.numbers import format_decimal, parse_positive
from stockctl.market.plausibility import MOST_SYMBOLS, LastPrice, SuspectedLevel
from stockctl.market.timestamp import parse_timestamp
from stockctl.market.validation import truncate

PERIOD = 5.0
"""Seconds between two savings. A kill loses what came since; a price a little older judges as well."""

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

_ALL = "SELECT symbol, price, timestamp, doubted, since, newest, confirmations FROM prices"

_log = logging.getLogger(__name__)


def price_store_path(outbox: Path) -> Path:
    """Return the file of the producer that uses ``outbox``."""
    return outbox.with_name(f"{outbox.name}.prices")


class SqlitePriceStore:
    """A ``PriceStore`` in a small SQLite file of its own, so that the outbox is not slowed down by it.

    What was taken from live sources is remembered, and nothing else: in the table there are also the quotes
    of replays and simulations, which are old, or invented. It is neither read nor written in the thread that
    takes quotes, but for the first question. One process at a time uses it, the one that holds the outbox.
    A file that cannot be used is said once; then no price of an earlier run is known.

    Args:
        outbox: beside which it lies.
        most_symbols: how many are kept; beyond, those go whose last price is the oldest.
    """

    def __init__(self, outbox: Path, most_symbols: int = MOST_SYMBOLS) -> None:
        self._outbox = outbox
        self._path = price_store_path(outbox)
        self._most_symbols = most_symbols
        self._earlier: dict[str, LastPrice] | None = None
        self._noted: dict[str, LastPrice] = {}
        self._saving = Lock()
        self._told = False

    def recall(self, symbol: str) -> LastPrice | None:
        """Return what an earlier run knew."""
        if self._earlier is None:
            self._earlier = self._read()
        return self._earlier.pop(symbol, None)

    def note(self, symbol: str, known: LastPrice) -> None:
        """Remember what is known now, from the next saving on."""
        self._noted[symbol] = known

    def save(self) -> None:
        """Write what was noted since the last time, unless the outbox is gone; any thread may do this."""
        with self._saving:
            # Taken out one by one, so that whoever notes meanwhile needs no lock at each quote.
            noted = [self._noted.popitem() for _ in range(len(self._noted))]
            if noted and self._outbox.exists():
                self._write(noted)

    def close(self) -> None:
        """Write the rest."""
        self.save()

    def _write(self, noted: Iterable[tuple[str, LastPrice]]) -> None:
        with self._explained(), self._open("rwc") as connection:
            connection.executemany(
                "REPLACE INTO prices VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(symbol, *_columns(known)) for symbol, known in noted],
            )
            self._forget(connection)

    def _read(self) -> dict[str, LastPrice]:
        found: dict[str, LastPrice] = {}
        if self._path.exists():
            with self._explained(), self._open("ro") as connection:
                found = {symbol: _last_price(*row) for symbol, *row in connection.execute(_ALL)}
        _log.debug("The last prices of %d symbols are remembered from earlier runs.", len(found))
        return found

    def _forget(self, connection: sqlite3.Connection) -> None:
        (count,) = connection.execute("SELECT count(*) FROM prices").fetchone()
        if count > self._most_symbols:
            connection.execute(
                "DELETE FROM prices WHERE symbol IN (SELECT symbol FROM prices ORDER BY timestamp LIMIT ?)",
                (count - self._most_symbols,),
            )

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction."""
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True)) as connection, connection:
            # A power cut may cost what is only a help to judge by; it need not be forced onto the disk.
            connection.execute("PRAGMA synchronous = OFF")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (parts,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if not parts and mode == "rwc":
                connection.executescript(_SCHEMA)
            elif application != _APPLICATION_ID:
                raise ValueError("it is none of this stockctl")
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say once that the file cannot be used, and go on without it."""
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            if not self._told:
                _log.warning(
                    "The last prices cannot be kept in %s: %s. Remove it if that lasts; without it the first "
                    "price of a symbol after a start is believed.",
                    self._path,
                    error,
                )
            self._told = True


def _columns(known: LastPrice) -> tuple[object, ...]:
    price, timestamp, level = known
    doubted = (None,) * 4 if level is None else (format_decimal(level.price), *level[1:])
    return format_decimal(price), timestamp, *doubted


def _last_price(
    price: object, timestamp: object, doubted: object, since: object, newest: object, confirmations: object
) -> LastPrice:
    level = None
    if doubted is not None:
        if not isinstance(confirmations, int):
            raise ValueError(f"{truncate(confirmations)} is no number of confirmations")
        level = SuspectedLevel(_price(doubted), _time(since), _time(newest), confirmations)
    return LastPrice(_price(price), _time(timestamp), level)


def _time(value: object) -> str:
    return parse_timestamp(str(value))


def _price(value: object) -> Decimal:
    text = str(value)
    try:
        return parse_positive(Decimal(text), "price")
    except InvalidOperation:
        raise ValueError(f"{truncate(text)} is no price") from None
