"""SQL over the raw archive of a home: what is in the answer, what is left out, and what a person is told."""

import itertools
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.local import warehouse as warehouse_module
from stockctl.backends.local.archive import FileArchive
from stockctl.backends.local.database import Database
from stockctl.backends.local.home import Home
from stockctl.backends.local.warehouse import DuckdbWarehouse
from stockctl.errors import HomeError, QueryError
from stockctl.market.quote import MAX_RECORD_BYTES
from stockctl.pipeline.ports import RawObject
from support.quote_strategies import examples
from support.real_data import daily_of, wire

TOP = (
    "SELECT symbol, price, previous_close, (price - previous_close) AS price_change "
    "FROM stock_data_table ORDER BY price_change DESC LIMIT 5"
)
ALL = "SELECT * FROM stock_data_table ORDER BY symbol, timestamp"
COLUMNS = ["symbol", "timestamp", "price", "previous_close", "open", "high", "low", "volume", "source"]
COLUMNS += ["observed_at"]
GOOD = b'{"symbol":"GOOD","timestamp":"2019-02-11T14:31:00.000Z","price":1.5,"source":"replay"}'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A provisioned home, empty."""
    return make_home(tmp_path / "home")


def make_home(root: Path) -> Home:
    """Provision a home in ``root``."""
    root.mkdir(parents=True)
    home = Home(root)
    home.archive.mkdir()
    Database.create(home.database)
    return home


def put(home: Home, body: bytes, name: str = "2019-02-11T14-31-00.000Z.json", symbol: str = "GOOD") -> Path:
    """Lay a file into the archive, whatever it holds."""
    path = home.archive / symbol / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    return path


def ask(home: Home, sql: str, *parameters: object) -> list[list[object]]:
    """Return the rows of a query."""
    return [list(row) for row in DuckdbWarehouse(home).query(sql, parameters).rows]


def body(**fields: object) -> bytes:
    """Return a good raw object with some fields changed; ``...`` takes one away."""
    merged = {**json.loads(GOOD), **fields}
    return json.dumps({name: value for name, value in merged.items() if value is not ...}).encode()


class Real(NamedTuple):
    """A home that holds a year of real daily quotes, and the quotes."""

    home: Home
    quotes: list[dict[str, Any]]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    """The year 2008."""
    home = make_home(tmp_path_factory.mktemp("real") / "home")
    quotes = daily_of("2008")
    FileArchive(home).put([RawObject(quote["symbol"], quote["timestamp"], wire(quote)) for quote in quotes])
    return Real(home, quotes)


@pytest.mark.slow
def test_the_statement_that_everybody_starts_with_is_right_on_real_data(real: Real) -> None:
    """The five largest rises of a year, against exact fractions."""
    result = DuckdbWarehouse(real.home).query(TOP)
    known = [quote for quote in real.quotes if quote["previous_close"] is not None]
    numbers = {
        (quote["symbol"], Fraction(quote["price"]), Fraction(quote["previous_close"])): quote
        for quote in known
    }
    changes = sorted((price - close for _, price, close in numbers), reverse=True)
    assert result.columns == ["symbol", "price", "previous_close", "price_change"]
    assert [row[3] for row in result.rows] == pytest.approx([float(change) for change in changes[:5]])
    for symbol, price, previous_close, change in result.rows:
        assert (symbol, Fraction(repr(price)), Fraction(repr(previous_close))) in numbers
        assert change == price - previous_close


def test_every_row_is_as_in_its_file(real: Real) -> None:
    """Each field of each raw object, its number the nearest double, in a table of declared types."""
    rows = ask(real.home, ALL)
    files = [json.loads(path.read_bytes()) for path in real.home.archive.glob("*/*.json")]
    files.sort(key=lambda fields: (fields["symbol"], fields["timestamp"]))
    assert rows == [[fields.get(name) for name in COLUMNS] for fields in files]
    assert len(rows) == len(real.quotes) > 1000


def test_the_figures_of_an_aggregate_are_right(real: Real) -> None:
    """Count, sum, extremes and mean by symbol."""
    rows = ask(
        real.home,
        "SELECT symbol, count(*), sum(volume), min(price), max(price), round(avg(price), 6) "
        "FROM stock_data_table GROUP BY symbol ORDER BY symbol",
    )
    for symbol, count, volume, low, high, mean in rows:
        own = [quote for quote in real.quotes if quote["symbol"] == symbol]
        prices = [Decimal(quote["price"]) for quote in own]
        assert (count, volume) == (len(own), sum(quote["volume"] for quote in own))
        assert (low, high) == (float(min(prices)), float(max(prices)))
        assert mean == pytest.approx(float(sum(prices) / len(prices)), abs=1e-6)
    assert [row[0] for row in rows] == sorted({quote["symbol"] for quote in real.quotes})


def test_athena_sql_as_people_write_it_answers_on_the_table(home: Home) -> None:
    """Moments from the text column, windows, percentiles and formats together."""
    for minute, price in enumerate((10, 11, 9.5, 12)):
        put(
            home,
            body(timestamp=f"2019-02-11T14:3{minute}:00.000Z", price=price, volume=minute),
            f"2019-02-11T14-3{minute}-00.000Z.json",
        )
    rows = ask(
        home,
        """
        WITH bars AS (
            SELECT symbol, price, from_iso8601_timestamp(timestamp) AS moment,
                   lag(price) OVER (PARTITION BY symbol ORDER BY timestamp) AS before
            FROM stock_data_table
        )
        SELECT date_format(date_trunc('hour', moment), '%Y-%m-%d %H:%i') AS hour,
               max_by(date_format(moment, '%H:%i'), price) AS best,
               approx_percentile(price, 0.5) AS middle,
               count_if(price > before) AS rises,
               format('%.2f', max(price) / min(price)) AS ratio,
               date_diff('minute', min(moment), max(moment)) AS minutes
        FROM bars
        WHERE regexp_like(symbol, '^GO+D$') AND hour(moment AT TIME ZONE 'America/New_York') = 9
        GROUP BY date_trunc('hour', moment)
        """,
    )
    assert rows == [["2019-02-11 14:00", "14:33", 10.0, 2, "1.26", 3]]


def test_parameters_are_bound_in_order(home: Home) -> None:
    """Also where the translation turns OFFSET ? LIMIT ? round; a text is never part of the SQL."""
    for minute in range(6):
        put(home, body(volume=minute), f"2019-02-11T14-3{minute}-00.000Z.json")
    sql = "SELECT volume, ? AS mark FROM stock_data_table WHERE volume > ? ORDER BY volume OFFSET ? LIMIT ?"
    assert ask(home, sql, "'; DROP TABLE x", 0, 1, 2) == [[2, "'; DROP TABLE x"], [3, "'; DROP TABLE x"]]
    assert ask(home, "SELECT ?, ?, ?, ?", None, True, 1.5, "a") == [[None, True, 1.5, "a"]]


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_number_of_parameters_is_refused(home: Home, count: int) -> None:
    """The message has both numbers."""
    with pytest.raises(QueryError, match=rf"has 1 parameters \(\?\), but {count} values"):
        ask(home, "SELECT price FROM stock_data_table WHERE symbol = ?", *["x"] * count)


def test_an_empty_archive_is_an_empty_table(home: Home) -> None:
    """All columns, no rows; whether raw-data is there or not."""
    assert DuckdbWarehouse(home).query(ALL) == (COLUMNS, [])
    home.archive.rmdir()
    assert DuckdbWarehouse(home).query(ALL) == (COLUMNS, [])
    assert ask(home, "SELECT count(*) FROM stock_data_table") == [[0]]


def test_a_home_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the command that makes one."""
    with pytest.raises(HomeError, match="There is no stockctl data folder in") as caught:
        ask(Home(tmp_path / "nowhere"), "SELECT 1")
    assert "stockctl provision" in str(caught.value.hint)


def test_an_archive_that_was_kept_can_still_be_asked(home: Home) -> None:
    """After teardown --keep-data there is no database, but there are quotes."""
    put(home, GOOD)
    home.database.unlink()
    assert ask(home, "SELECT symbol FROM stock_data_table") == [["GOOD"]]


def test_a_newer_home_is_refused(home: Home) -> None:
    """What a newer program wrote is not guessed at."""
    with sqlite3.connect(home.database) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(HomeError, match="newer stockctl"):
        ask(home, "SELECT 1")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "a[b]*c", "with blank", "quo'te", 'dou"ble', "価格-ü", "{x,y}", "100%41", "semi;colon", "-dash",
        "new\nline", "?", "back\\slash", "file:x", "s3:", "~",
    ],
)  # fmt: skip
def test_a_home_may_have_any_name(tmp_path: Path, name: str) -> None:
    """No character of the path means anything, and no other folder is read."""
    decoy = make_home(tmp_path / "abc")
    put(decoy, body(symbol="DECOY"))
    home = make_home(tmp_path / name)
    put(home, GOOD)
    assert ask(home, "SELECT symbol FROM stock_data_table") == [["GOOD"]]


@pytest.mark.parametrize(("database", "table"), [("my-db", "quotes"), ('d"b', "t'1"), ("main", "select")])
def test_database_and_table_can_have_other_names(home: Home, database: str, table: str) -> None:
    """As configured, however odd."""
    put(home, GOOD)
    warehouse = DuckdbWarehouse(home, database=database, table=table)
    quoted = ".".join('"' + name.replace('"', '""') + '"' for name in (database, table))
    assert warehouse.query(f"SELECT symbol FROM {quoted}").rows == [["GOOD"]]
    with pytest.raises(QueryError, match="stock_data_table"):
        warehouse.query("SELECT symbol FROM stock_data_table")


def test_only_files_that_are_ours_are_read(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Stray, partial, linked and foreign files are neither rows nor faults."""
    put(home, GOOD)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "2019-02-11T14-32-00.000Z.json").write_bytes(body(symbol="OUT"))
    (home.archive / ".123.partial").write_bytes(b'{"symbol":')
    (home.archive / "GOOD" / "notes.json").write_bytes(b"{}")
    (home.archive / "GOOD" / "2019-02-11T14-31-00.000Z.json.tmp").write_bytes(b"{}")
    (home.archive / "GOOD" / "2019-02-11T14-33-00.000Z.json").mkdir()
    (home.archive / "GOOD" / "2019-02-11T14-34-00.000Z.json").symlink_to(next(outside.iterdir()))
    os.mkfifo(home.archive / "GOOD" / "2019-02-11T14-35-00.000Z.json")
    (home.archive / "LINK").symlink_to(outside, target_is_directory=True)
    put(home, body(symbol="lower"), symbol="lower")
    put(home, b"{}", symbol=".hidden")
    assert ask(home, "SELECT symbol FROM stock_data_table") == [["GOOD"]]
    assert not caplog.records


def test_unknown_fields_are_ignored_and_any_layout_of_json_is_read(home: Home) -> None:
    """What a newer producer adds, even what a database could not hold, changes nothing."""
    odd = body(currency="USD", note="\ud800", deep=[[[{}]]], big=10**60, timestamp="2019-02-11T14:32:00.000Z")
    put(home, odd, "2019-02-11T14-32-00.000Z.json")
    put(home, b"\n " + json.dumps(json.loads(GOOD), indent=2).encode() + b"\r\n")
    assert ask(home, "SELECT timestamp, price FROM stock_data_table ORDER BY 1") == [
        ["2019-02-11T14:31:00.000Z", 1.5],
        ["2019-02-11T14:32:00.000Z", 1.5],
    ]


DAMAGED = {
    "empty": (b"", "it is empty: it is being written now"),
    "cut": (GOOD[:40], "it is not JSON"),
    "zeros": (b"\0" * 80, "it is not JSON"),
    "two": (GOOD + GOOD, "it is not JSON: Extra data"),
    "binary": (b"\xff\xfe", "it is not UTF-8 text"),
    "utf-16": (GOOD.decode().encode("utf-16"), "it is not UTF-8 text"),
    "bom": (b"\xef\xbb\xbf" + GOOD, "it is not JSON"),
    "list": (b"[" + GOOD + b"]", "it is not a JSON object"),
    "number": (b"5", "it is not a JSON object"),
    "null": (b"null", "it is not a JSON object"),
    "twice": (GOOD.replace(b"{", b'{"price":2,'), "a field appears twice"),
    "no price": (body(price=...), "its price is missing"),
    "no symbol": (body(symbol=None), "its symbol is missing"),
    "text price": (body(price="1.5"), "its price is not a number"),
    "true price": (body(price=True), "its price is not a number"),
    "nan": (body(price=float("nan")), "its price is not a finite number"),
    "infinite": (GOOD.replace(b"1.5", b"1e999"), "its price is not a finite number"),
    "huge": (GOOD.replace(b"1.5", b"1" + b"0" * 400), "a number in it is too large"),
    "endless": (GOOD.replace(b"1.5", b"1" * 5000), "4300 digits"),
    "volume": (body(volume=2**63), "its volume is not a whole number"),
    "fraction": (body(volume=1.5), "its volume is not a whole number"),
    "open": (body(open=[1]), "its open is not a number"),
    "source": (body(source={}), "its source is not text"),
    "surrogate": (GOOD.replace(b"GOOD", b"\\ud800"), "it is not UTF-8 text"),
    "deep": (b"[" * 200_000, "it is nested too deeply"),
    "large": (GOOD + b" " * MAX_RECORD_BYTES, f"it is larger than {MAX_RECORD_BYTES} bytes"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("content", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_left_out_and_named(
    home: Home, caplog: pytest.LogCaptureFixture, content: bytes, reason: str
) -> None:
    """The answer comes from all other files, and a warning says which is missing and why."""
    bad = put(home, content, "2019-02-11T14-32-00.000Z.json")
    put(home, GOOD)
    assert ask(home, "SELECT symbol, price FROM stock_data_table") == [["GOOD", 1.5]]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert str(bad) in record.getMessage()
    assert reason in record.getMessage()


def test_many_damaged_files_are_counted(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """Five are named, the rest is a number: nothing is dropped in silence."""
    for minute in range(8):
        put(home, b"{", f"2019-02-11T14-3{minute}-00.000Z.json")
    put(home, GOOD, "2019-02-11T14-39-00.000Z.json")
    assert ask(home, "SELECT count(*) FROM stock_data_table") == [[1]]
    assert len(caplog.records) == 6
    assert "3 more damaged raw objects" in caplog.records[-1].getMessage()


_FIELDS = st.fixed_dictionaries(
    {
        "symbol": st.text(max_size=8),
        "timestamp": st.text(max_size=30),
        "price": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70),
        "source": st.text(max_size=8),
    },
    optional={
        "open": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "volume": st.none() | st.integers(-(2**63), 2**63 - 1),
        "observed_at": st.none() | st.text(max_size=8),
        "extra": st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5),
    },
)


@pytest.mark.slow
@examples(40)
@given(objects=st.lists(_FIELDS, min_size=1, max_size=6))
def test_any_values_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]]
) -> None:
    """Whatever text and numbers stand in a file stand in the table, to the last bit."""
    home = Home(tmp_path_factory.mktemp("any"))
    home.archive.mkdir()
    for minute, fields in enumerate(objects):
        put(home, json.dumps(fields).encode(), f"2019-02-11T14-3{minute}-00.000Z.json")
    rows = ask(
        home, "SELECT symbol, timestamp, price, open, volume, source, observed_at FROM stock_data_table"
    )
    names = ("symbol", "timestamp", "price", "open", "volume", "source", "observed_at")
    wanted = [[fields.get(name) for name in names] for fields in objects]
    for row in wanted:
        row[2] = float(row[2])
    assert sorted(map(repr, rows)) == sorted(map(repr, wanted))


@pytest.mark.parametrize(
    ("sql", "told", "hint"),
    [
        (
            "SELECT nope FROM stock_data_table",
            'Referenced column "nope" not found',
            "The columns are symbol, timestamp",
        ),
        (
            "SELECT stock.price FROM stock_data_table",
            'Referenced table "stock" not found',
            "The columns are symbol",
        ),
        ("SELECT abs(symbol) FROM stock_data_table", "No function matches", "The columns are symbol"),
        ("SELECT CAST(symbol AS integer) FROM stock_data_table", "Could not convert string 'GOOD'", None),
        ("SELECT symbol, max(price) FROM stock_data_table", "must appear in the GROUP BY", None),
        (
            "SELECT price FROM stock_data_table WHERE max(price) > 1",
            "WHERE clause cannot contain aggregates",
            None,
        ),
        ("SELECT (SELECT price FROM stock_data_table) FROM stock_data_table", "More than one row", None),
    ],
)
def test_a_query_that_fails_says_why_in_one_line(home: Home, sql: str, told: str, hint: str | None) -> None:
    """The database's own first line, and the columns where a name was wrong."""
    put(home, GOOD)
    put(home, GOOD, "2019-02-11T14-32-00.000Z.json")
    with pytest.raises(QueryError, match="The query failed") as caught:
        ask(home, sql)
    assert told in caught.value.message
    assert "\n" not in caught.value.message
    assert hint is None or str(caught.value.hint).startswith(hint)


def test_a_wrong_name_is_told_before_the_files_are_read(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """With a million files a slip of the pen must not cost half a minute."""
    put(home, b"damaged")
    with pytest.raises(QueryError, match="nope"):
        ask(home, "SELECT nope FROM stock_data_table")
    assert not caplog.records


def test_more_rows_than_can_be_held_are_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit and what to do."""
    monkeypatch.setattr(warehouse_module, "MAX_ROWS", 100)
    assert len(ask(home, "SELECT x FROM UNNEST(sequence(1, 100)) AS t (x)")) == 100
    with pytest.raises(QueryError, match="more than 100 rows") as caught:
        ask(home, "SELECT x FROM UNNEST(sequence(1, 101)) AS t (x)")
    assert "LIMIT" in str(caught.value.hint)


def test_a_query_without_bounds_ends_at_the_memory_limit(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told so, and nothing is spilled to a disk."""
    monkeypatch.setitem(warehouse_module._SANDBOX, "memory_limit", "30MB")
    numbers = "UNNEST(sequence(1, 5000))"
    with pytest.raises(QueryError, match="needs more than 30MB of memory") as caught:
        ask(home, f"SELECT a.x, b.x FROM {numbers} AS a (x), {numbers} AS b (x) ORDER BY a.x * b.x, a.x")
    assert "WHERE" in str(caught.value.hint)


_ENDLESS = """
import sys
from pathlib import Path
from stockctl.backends.local.home import Home
from stockctl.backends.local.warehouse import DuckdbWarehouse

class Announcing(DuckdbWarehouse):
    def _load(self, connection):
        super()._load(connection)
        print("loaded", flush=True)

try:
    Announcing(Home(Path(sys.argv[1]))).query(sys.argv[2])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a * b * c) FROM UNNEST(sequence(1, 9999)) AS t (a), UNNEST(sequence(1, 9999)) AS u (b), "
        "UNNEST(sequence(1, 9999)) AS v (c)",
        "WITH RECURSIVE r (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x > 0) SELECT max(x) FROM r",
    ],
    ids=["join", "recursion"],
)
def test_ctrl_c_ends_a_query_at_once(home: Home, sql: str) -> None:
    """A query that would run for hours ends, and the program sees the KeyboardInterrupt."""
    child = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(home.root), sql], stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "loaded\n"
        child.send_signal(signal.SIGINT)
        try:
            rest, _ = child.communicate(timeout=60)
        finally:
            child.kill()
    assert rest == "interrupted\n"
    assert child.returncode == 0


def test_ctrl_c_while_the_query_is_being_started_ends_it_too(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the start of the work and the wait for it there is no moment that makes it endless."""

    class Interrupted(threading.Thread):
        def start(self) -> None:
            super().start()
            if self.name == "sql" and next(starts) == 2:
                raise KeyboardInterrupt

    starts = itertools.count()
    monkeypatch.setattr("stockctl.backends.local.warehouse.Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(
            home,
            "SELECT sum(a * b * c) FROM UNNEST(sequence(1, 9999)) AS t (a), "
            "UNNEST(sequence(1, 9999)) AS u (b), UNNEST(sequence(1, 9999)) AS v (c)",
        )
    assert next(starts) == 3
    for thread in threading.enumerate():
        if thread.name == "sql":
            thread.join(60)
            assert not thread.is_alive()


def test_a_refused_statement_costs_no_look_at_the_home(tmp_path: Path) -> None:
    """The wall stands before everything."""
    with pytest.raises(QueryError, match="DROP is not allowed"):
        ask(Home(tmp_path / "nowhere"), "DROP TABLE stock_data_table")
