"""Parquet files."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from stockctl.errors import SourceError
from support.replay_files import quotes_of, replayed, write, write_parquet

pytestmark = pytest.mark.slow

_ROW = "'AAPL' AS symbol, TIMESTAMPTZ '2019-02-11 14:31:00Z' AS timestamp, 170.97::DOUBLE AS price"


@pytest.mark.parametrize(
    ("value", "timestamp"),
    [
        ("TIMESTAMPTZ '2019-02-11 09:31:00-05:00'", "2019-02-11T14:31:00.000Z"),
        ("TIMESTAMP '2019-02-11 09:31:00.987654'", "2019-02-11T14:31:00.987Z"),
        ("TIMESTAMP_NS '2019-02-11 09:31:00.987654321'", "2019-02-11T14:31:00.987Z"),
        ("TIMESTAMP_MS '2019-07-11 09:31:00'", "2019-07-11T13:31:00.000Z"),
        ("DATE '2019-02-11'", "2019-02-11T21:00:00.000Z"),
        ("TIMESTAMP '2019-02-11 00:00:00'", "2019-02-11T05:00:00.000Z"),
        ("'2019-02-11T14:31:00Z'", "2019-02-11T14:31:00.000Z"),
        ("'2019-02-11'::BLOB", "2019-02-11T21:00:00.000Z"),
    ],
)
def test_times(tmp_path: Path, value: str, timestamp: str) -> None:
    """With zone, without (New York), as a date (16:00 there), as text; finer than milliseconds is cut."""
    file = write_parquet(tmp_path / "a", f"SELECT 'AAPL' AS symbol, {value} AS \"Date\", 1 AS price")
    assert [quote.timestamp for quote in quotes_of(file)] == [timestamp]


@pytest.mark.parametrize(
    ("value", "price"),
    [
        ("170.97::DOUBLE", "170.97"),
        ("170.97::FLOAT", "170.97"),
        ("170.9700012207031::DOUBLE", "170.970001"),
        ("0.1::DOUBLE + 0.2::DOUBLE", "0.3"),
        ("1.0000005::DOUBLE", "1"),
        ("170.970000::DECIMAL(18, 6)", "170.97"),
        ("170::INTEGER", "170"),
        ("170::UBIGINT", "170"),
        ("1e14::DOUBLE", "100000000000000"),
        ("1e-5::FLOAT", "0.00001"),
        ("' 170.97 '", "170.97"),
    ],
)
def test_prices(tmp_path: Path, value: str, price: str) -> None:
    """A float is the shortest decimal that reads as it, rounded half-even to six places."""
    file = write_parquet(tmp_path / "a", f"SELECT 'A' AS symbol, DATE '2019-02-11' AS date, {value} AS close")
    assert [quote.price for quote in quotes_of(file)] == [Decimal(price)]


def test_optional_fields_and_names_in_any_case(tmp_path: Path) -> None:
    """Volume may be a float, NULL is unknown, and other columns of any type are ignored."""
    file = write_parquet(
        tmp_path / "a",
        f"""SELECT {_ROW}, 1.5::FLOAT AS "OPEN", NULL::DOUBLE AS high, 0::DOUBLE AS " Low ",
        1200.0::DOUBLE AS "Volume", 169.5::DECIMAL(9, 2) AS Previous_Close, {{'price': 1}} AS nested,
        [1, 2] AS list, 'x' AS "a""b", 1 AS file_row_number""",
    )
    (quote,) = quotes_of(file)
    assert quote[3:8] == (Decimal("169.5"), Decimal("1.5"), None, Decimal(0), 1200)


def test_rows_keep_the_order_of_the_file_when_times_tie(tmp_path: Path) -> None:
    """Also over several row groups."""
    select = "SELECT 'A' AS symbol, DATE '2019-02-11' AS date, i + 1 AS price FROM range(20000) t(i)"
    prices = [quote.price for quote in quotes_of(write_parquet(tmp_path / "a", select))]
    assert prices == list(range(1, 20001))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("price", "'nan'::DOUBLE", "price 'nan' is not a number"),
        ("price", "'-inf'::FLOAT", "price '-inf' is not a number"),
        ("price", "NULL::DOUBLE", "price is missing"),
        ("price", "0::DOUBLE", "is not above zero"),
        ("price", "[1.0]", "price '[1.0]' is not a number"),
        ("price", "true", "price 'true' is not a number"),
        ("symbol", "NULL::VARCHAR", "symbol is missing"),
        ("symbol", "'é'", "symbol '\\xe9' is not 1 to 20"),
        ("timestamp", "NULL::TIMESTAMP", "timestamp is missing"),
        ("timestamp", "'infinity'::TIMESTAMP", "timestamp 'infinity' is not an ISO 8601 time"),
        ("timestamp", "'infinity'::TIMESTAMPTZ", "timestamp 'infinity' is not an ISO 8601 time"),
        ("timestamp", "TIMESTAMP '20000-01-01 00:00:00'", "is not an ISO 8601 time"),
        ("timestamp", "DATE '0044-03-15 (BC)'", "is not an ISO 8601 time"),
        ("timestamp", "1549895460::BIGINT", "timestamp '1549895460' is not an ISO 8601 time"),
        ("timestamp", "TIME '14:31:00'", "is not an ISO 8601 time"),
    ],
)
def test_a_bad_row_is_refused_with_reason_and_number(
    tmp_path: Path, column: str, value: str, reason: str
) -> None:
    """Its data is JSON of the fields it has; the other rows are sent."""
    select = f"SELECT * REPLACE ({value} AS {column}) FROM (SELECT {_ROW})"
    good = write_parquet(tmp_path / "good", f"SELECT {_ROW} FROM range(2)")
    bad = write_parquet(tmp_path / "bad.parquet", select)
    quotes, rejections = replayed(good, bad)
    assert len(quotes) == 2
    ((data, origin, found),) = rejections
    assert reason in found
    assert origin == "replay:bad.parquet#1"
    assert {"symbol", "timestamp", "price"} - {column} <= json.loads(data).keys()


def test_the_record_number_counts_every_row(tmp_path: Path) -> None:
    """Every seventh row of some row groups is bad."""
    select = f"""SELECT * EXCLUDE i REPLACE (CASE i % 7 WHEN 3 THEN NULL ELSE price END AS price)
        FROM (SELECT {_ROW}, i FROM range(1, 8001) t(i))"""
    quotes, rejections = replayed(write_parquet(tmp_path / "a.parquet", select))
    assert len(quotes) + len(rejections) == 8000
    assert [rejection.origin for rejection in rejections] == [
        f"replay:a.parquet#{number}" for number in range(3, 8001, 7)
    ]


@pytest.mark.parametrize(
    "name", ["a*b[1].parquet", "?.csv", "[a-z].parquet", "ä ö.parquet", "x'y\"z;.parquet", "{a}"]
)
def test_an_odd_name_is_the_name_of_one_file(tmp_path: Path, name: str) -> None:
    """The reader expands no pattern: neighbours that a pattern would match are not read."""
    file = write_parquet(tmp_path / name, f"SELECT {_ROW}")
    for neighbour in ("aXb1.parquet", "a.csv", "b.parquet", "a"):
        write(tmp_path / neighbour, file.read_bytes())
    assert len(quotes_of(file)) == 1


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    """The message names the file, the missing columns and the existing ones; nested names do not count."""
    file = write_parquet(
        tmp_path / "a", "SELECT 'A' AS symbol, DATE '2019-02-11' AS date, {'price': 1} AS s, 2 AS z"
    )
    with pytest.raises(SourceError) as failure:
        replayed(file)
    assert failure.value.message == (
        f"{file} cannot be replayed: no price or close among the columns 'symbol', 'date', 's', 'z'."
    )


def test_a_column_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    """DuckDB would silently rename the second one."""
    file = write_parquet(tmp_path / "a", f'SELECT {_ROW}, 1 AS "Closf", 2 AS closf2')
    data = file.read_bytes().replace(b"Closf", b"Price")
    file.write_bytes(data)
    with pytest.raises(SourceError, match="column 'price' appears twice"):
        replayed(file)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:4], id="only the magic"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut"),
        pytest.param(lambda data: data[:-20] + b"\xff" * 12 + data[-8:], id="broken footer"),
        pytest.param(lambda data: b"PAR1" + b"\0" * 8 + b"PAR1", id="no footer"),
        pytest.param(lambda data: data[:4] + b"\xff" * 60 + data[64:], id="broken page"),
        pytest.param(lambda data: b"PAR1,symbol,price\n", id="not Parquet at all"),
    ],
)
def test_a_damaged_file_is_refused_before_anything_is_sent(tmp_path: Path, damage: object) -> None:
    """The message names the file, not the link to it."""
    good = write_parquet(tmp_path / "good.parquet", f"SELECT {_ROW} FROM range(100)")
    file = write(tmp_path / "bad.parquet", damage(good.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SourceError) as failure:
        replayed(good, file)
    assert failure.value.message.startswith(f"{file} cannot be read as Parquet: ")
    assert "input-" not in failure.value.message
    assert "\n" not in failure.value.message


def test_parquet_within_gzip_is_refused(tmp_path: Path) -> None:
    """It is never intended."""
    data = write_parquet(tmp_path / "a", f"SELECT {_ROW}").read_bytes()
    with pytest.raises(SourceError, match="is Parquet within gzip"):
        replayed(write(tmp_path / "a.parquet.gz", data))


def test_previous_close_is_derived_where_the_column_is_absent(tmp_path: Path) -> None:
    """A NULL where the column exists stays unknown."""
    days = (
        "SELECT 'A' AS symbol, DATE '2019-02-11' + i::INTEGER AS date, i + 1 AS close {} FROM range(3) t(i)"
    )
    absent = write_parquet(tmp_path / "a", days.format(""))
    present = write_parquet(tmp_path / "b", days.format(", NULL::DOUBLE AS previous_close"))
    assert [quote.previous_close for quote in quotes_of(absent)] == [None, 1, 2]
    assert [quote.previous_close for quote in quotes_of(present)] == [None, None, None]


def test_an_empty_table_has_no_quotes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is accepted, with a warning that it has no rows."""
    file = write_parquet(tmp_path / "none.parquet", f"SELECT {_ROW} LIMIT 0")
    assert quotes_of(file) == []
    assert "none.parquet has no rows" in caplog.text
