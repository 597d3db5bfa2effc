"""The embedded backend under the contracts of the ports."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from contract_alerts import AlertLogContract, AlertReaderContract
from contract_objects import ArchiveContract, QuarantineContract
from contract_quotes import QuoteReaderContract, QuoteTableContract
from contract_stream import StreamContract

from stockctl.backends.local import setup
from stockctl.backends.local.alerts import SqliteAlertLog, SqliteAlertReader
from stockctl.backends.local.archive import FileArchive, FileQuarantine
from stockctl.backends.local.database import Database
from stockctl.backends.local.home import Home
from stockctl.backends.local.quotes import (
    CachedQuoteTable,
    RecentQuoteCache,
    SqliteQuoteReader,
    SqliteQuoteTable,
)
from stockctl.backends.local.stream import LocalStream
from stockctl.market.alert import Alert
from stockctl.market.quote import EnrichedQuote
from stockctl.pipeline.ports import Rejection
from support.local_home import open_stream, quarantined, raw_files


class Embedded:
    """An empty home, and what is read back from it."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Home:
        """A home of its own for each test."""
        home = Home(tmp_path / "home")
        setup.provision(home)
        return home

    @pytest.fixture
    def database(self, home: Home) -> Iterator[Database]:
        """A connection, on which each statement is committed at once outside a transaction."""
        with closing(Database(home.database)) as opened:
            yield opened

    @pytest.fixture
    def other_database(self, home: Home) -> Iterator[Database]:
        """A second connection."""
        with closing(Database(home.database)) as opened:
            yield opened

    @pytest.fixture
    def stored(self, other_database: Database) -> Callable[[], Sequence[EnrichedQuote]]:
        reader = SqliteQuoteReader(other_database)
        return lambda: [quote for newest in reader.latest() for quote in reader.history(newest.symbol)]

    @pytest.fixture
    def objects(self, home: Home) -> Callable[[], dict[tuple[str, str], bytes]]:
        return lambda: raw_files(home.root)

    @pytest.fixture
    def rejections(self, home: Home) -> Callable[[], Sequence[Rejection]]:
        return lambda: [Rejection(**document) for document in quarantined(home.root)]

    @pytest.fixture
    def logged(self, other_database: Database) -> Callable[[], Sequence[Alert]]:
        return SqliteAlertReader(other_database).recent


class TestEmbeddedQuoteTable(Embedded, QuoteTableContract):
    @pytest.fixture
    def table(self, database: Database) -> SqliteQuoteTable:
        return SqliteQuoteTable(database._connection)

    @pytest.fixture
    def other_table(self, other_database: Database) -> SqliteQuoteTable:
        return SqliteQuoteTable(other_database._connection)


class TestRememberedQuoteTable(Embedded, QuoteTableContract):
    """The table that remembers what is asked for by five."""

    @pytest.fixture
    def table(self, database: Database) -> CachedQuoteTable:
        return RecentQuoteCache(5).table(database._connection)

    @pytest.fixture
    def other_table(self, other_database: Database) -> CachedQuoteTable:
        return RecentQuoteCache(5).table(other_database._connection)


class TestEmbeddedQuoteReader(Embedded, QuoteReaderContract):
    @pytest.fixture
    def reader(self, database: Database) -> SqliteQuoteReader:
        return SqliteQuoteReader(database)

    @pytest.fixture
    def store(self, other_database: Database) -> Callable[[Sequence[EnrichedQuote]], None]:
        return SqliteQuoteTable(other_database._connection).insert


class TestEmbeddedArchive(Embedded, ArchiveContract):
    @pytest.fixture
    def archive(self, home: Home) -> FileArchive:
        return FileArchive(home)

    @pytest.fixture
    def other_archive(self, home: Home) -> FileArchive:
        return FileArchive(home)


class TestEmbeddedQuarantine(Embedded, QuarantineContract):
    @pytest.fixture
    def quarantine(self, home: Home) -> FileQuarantine:
        return FileQuarantine(home)

    @pytest.fixture
    def other_quarantine(self, home: Home) -> FileQuarantine:
        return FileQuarantine(home)


class TestEmbeddedAlertLog(Embedded, AlertLogContract):
    @pytest.fixture
    def log(self, database: Database) -> SqliteAlertLog:
        return SqliteAlertLog(database._connection)


class TestEmbeddedAlertReader(Embedded, AlertReaderContract):
    @pytest.fixture
    def reader(self, database: Database) -> SqliteAlertReader:
        return SqliteAlertReader(database)

    @pytest.fixture
    def log_alerts(self, other_database: Database) -> Callable[[Sequence[Alert]], None]:
        def log(alerts: Sequence[Alert]) -> None:
            with other_database.transaction() as connection:
                SqliteAlertLog(connection).claim(alerts)

        return log


class TestEmbeddedStream(Embedded, StreamContract):
    @pytest.fixture
    def stream(self, home: Home) -> Iterator[LocalStream]:
        with open_stream(home.root) as opened:
            yield opened

    @pytest.fixture
    def settle(self) -> Callable[[], None]:
        return lambda: None
