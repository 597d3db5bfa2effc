"""The alert log in SQLite: numbered, exact, followed by readers while writers add to it."""

import threading
from collections import Counter
from contextlib import closing
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from stockctl.backends.local.alerts import SqliteAlertLog, SqliteAlertReader
from stockctl.backends.local.database import Database
from stockctl.backends.local.quotes import SqliteQuoteReader
from stockctl.market.alert import Alert
from stockctl.market.rules import AnalysisRules
from support.local_home import alert_rows, batches, open_stream, records
from support.reference_figures import book_of

RULES = AnalysisRules(1, 2)


def alert(number: int, **fields: object) -> Alert:
    """Return an alert with an id of its own."""
    plain = Alert(
        f"A|{number}", "A", "2019-02-11T14:31:00.000Z", "trend_up", "buy", Decimal("1.5"), None,
        Decimal("0.00000001"), Decimal("123456789012345.12345678"), "text",
        "2026-01-05T15:00:00.000Z", None, None,
    )  # fmt: skip
    return plain._replace(**fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of an empty database."""
    Database.create(tmp_path / "stockctl.db")
    return tmp_path / "stockctl.db"


def test_alerts_come_back_exact(path: Path):
    """Decimals keep every digit, and what is unknown stays unknown."""
    with closing(Database(path)) as database:
        with database.transaction() as connection:
            SqliteAlertLog(connection).claim([alert(1), alert(2, change_percent=Decimal("-6.74427941"))])
        read = SqliteAlertReader(database).recent()
        assert read == [alert(2, change_percent=Decimal("-6.74427941")), alert(1)]
        assert SqliteAlertReader(database).count() == 2


def test_what_was_rolled_back_is_not_seen(path: Path):
    """A tail sees alerts once they are committed, never before, and none that were given up."""
    with closing(Database(path)) as writer, closing(Database(path)) as reader:
        tail = SqliteAlertReader(reader).follow()

        def give_up() -> None:
            with writer.transaction() as connection:
                SqliteAlertLog(connection).claim([alert(1)])
                assert tail.read() == []
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            give_up()
        assert tail.read() == []
        with writer.transaction() as connection:
            SqliteAlertLog(connection).claim([alert(2)])
        assert [item.alert_id for item in tail.read()] == ["A|2"]


def zigzag(symbol: str, count: int) -> list[dict[str, object]]:
    """Return quotes whose trend turns with every one."""
    return [
        {
            "symbol": symbol,
            "timestamp": f"2019-02-11T{minute // 60:02}:{minute % 60:02}:00.000Z",
            "price": f"{100 + minute % 2}",
            "source": "replay",
        }
        for minute in range(count)
    ]


@pytest.mark.slow
def test_tail_and_readers_beside_several_writers(tmp_path: Path):
    """While three writers work, a tail sees each alert once and in order, and a reader whole batches only."""
    symbols = ["AAPL", "IBM", "MSFT"]
    quotes = {symbol: zigzag(symbol, 200) for symbol in symbols}
    with open_stream(tmp_path):
        pass
    begin = threading.Barrier(len(symbols) + 1)

    def write(symbol: str) -> None:
        with open_stream(tmp_path, RULES) as stream:
            begin.wait(30)
            for batch in batches(quotes[symbol], 20):
                stream.send(records(batch))

    writers = [threading.Thread(target=write, args=(symbol,)) for symbol in symbols]
    for writer in writers:
        writer.start()
    seen: list[str] = []
    with closing(Database(tmp_path / "stockctl.db")) as database:
        reader, tail = SqliteQuoteReader(database), SqliteAlertReader(database).follow()
        begin.wait(30)
        counts = [0]
        while any(writer.is_alive() for writer in writers):
            seen += [item.alert_id for item in tail.read()]
            counts.append(reader.count())
            writers[0].join(0.005)
            writers[1].join(0.005)
        seen += [item.alert_id for item in tail.read()]
        assert tail.read() == []
    assert all(before <= after for before, after in pairwise(counts))
    assert {count % 20 for count in counts} == {0}
    assert max(Counter(seen).values()) == 1
    assert seen == [row["alert_id"] for row in alert_rows(tmp_path)]
    expected = book_of([quote for symbol in symbols for quote in quotes[symbol]], short=1, long=2)
    assert set(seen) == set(expected.alerts)
    assert len(seen) == 3 * 198
