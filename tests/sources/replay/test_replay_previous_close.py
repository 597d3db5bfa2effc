"""Derived previous closes of a replay, compared with an independent computation."""

import csv
import gzip
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from stockctl.market.quote import Quote
from support.real_data import DAILY, INTRADAY
from support.replay_files import quotes_of, replayed, write, write_csv

_NEW_YORK = ZoneInfo("America/New_York")
Session = tuple[str, str]
"""Symbol and New York date."""


def _expected(rows: Iterable[tuple[str, datetime, str]]) -> dict[Session, Decimal | None]:
    """Return the previous close of each session, from all rows at once; of equal times the first counts."""
    by_session: dict[str, dict[str, list[tuple[datetime, int, str]]]] = defaultdict(lambda: defaultdict(list))
    for number, (symbol, moment, price) in enumerate(rows):
        by_session[symbol][moment.astimezone(_NEW_YORK).date().isoformat()].append((moment, -number, price))
    closes: dict[Session, Decimal | None] = {}
    for symbol, sessions in by_session.items():
        previous = None
        for day in sorted(sessions):
            closes[symbol, day] = previous
            previous = Decimal(max(sessions[day])[2])
    return closes


def _check(quotes: list[Quote], closes: dict[Session, Decimal | None]) -> None:
    for quote in quotes:
        moment = datetime.fromisoformat(quote.timestamp)
        assert quote.previous_close == closes[quote.symbol, str(moment.astimezone(_NEW_YORK).date())]


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_daily_file(tmp_path: Path) -> None:
    """Thirteen years of five symbols; the same from shuffled rows in three files."""
    rows = _rows(DAILY)
    closes = _expected(
        (
            row["Ticker"],
            datetime.fromisoformat(row["Date"] + "T16:00").replace(tzinfo=_NEW_YORK),
            row["Close"],
        )
        for row in rows
    )
    quotes = quotes_of(DAILY)
    assert len(quotes) == 12_154
    assert len({quote.previous_close for quote in quotes}) > 1000
    _check(quotes, closes)

    cells = [list(row.values()) for row in rows]
    random.Random(1).shuffle(cells)
    files = [write_csv(tmp_path / f"{part}.csv.gz", cells[part::3], list(rows[0])) for part in range(3)]
    assert sorted(quotes_of(*files)) == sorted(quotes)


@pytest.mark.slow
def test_the_intraday_file() -> None:
    """Five sessions of 24 symbols by the minute, all fields against the csv module alone."""
    rows = _rows(INTRADAY)
    quotes = quotes_of(INTRADAY)
    _check(
        quotes,
        _expected((row["symbol"], datetime.fromisoformat(row["timestamp"]), row["close"]) for row in rows),
    )
    assert sum(quote.previous_close is None for quote in quotes) < len(quotes) / 4
    rows.sort(key=lambda row: row["timestamp"])
    assert [
        (quote.symbol, quote.timestamp, quote.price, quote.open, quote.high, quote.low, quote.volume)
        for quote in quotes
    ] == [
        (
            row["symbol"], row["timestamp"].replace("Z", ".000Z"),
            *(Decimal(row[name]) for name in ("close", "open", "high", "low")), int(row["volume"]),
        )
        for row in rows
    ]  # fmt: skip


def test_a_symbol_filter_changes_no_previous_close() -> None:
    """Nor does a filter that leaves one symbol."""
    everything = [quote for quote in quotes_of(DAILY) if quote.symbol == "IBM"]
    assert quotes_of(DAILY, symbols=["ibm"]) == everything


def test_it_comes_from_any_file_but_only_into_files_without_the_column(tmp_path: Path) -> None:
    """A file with the column keeps its values, blank ones too; its rows still count as an earlier session."""
    header = ("date", "symbol", "price", "previous_close")
    told = write_csv(
        tmp_path / "told.csv",
        [("2019-02-12", "A", 2, ""), ("2019-02-14", "A", 4, "99"), ("2019-02-16", "A", 6, " ")],
        header,
    )
    absent = write_csv(tmp_path / "absent.csv", [(f"2019-02-1{day}", "A", day) for day in (1, 3, 5, 7)])
    closes = [quote.previous_close for quote in quotes_of(told, absent)]
    assert closes == [None, None, 2, 99, 4, None, 6]


def test_a_session_is_a_date_in_new_york(tmp_path: Path) -> None:
    """Whatever the date in UTC; also on the days when clocks change, and over a weekend."""
    times = [
        ("2019-03-08T20:00Z", 1), ("2019-03-09T04:59:59.999Z", 2), ("2019-03-09T05:00Z", 3),
        ("2019-03-11T03:59Z", 4), ("2019-03-11T04:00Z", 5), ("2019-11-03T04:00Z", 6),
        ("2019-11-04T04:30Z", 7), ("2019-11-04T05:00Z", 8),
    ]  # fmt: skip
    file = write_csv(tmp_path / "a.csv", [(when, "A", price) for when, price in times])
    assert [quote.previous_close for quote in quotes_of(file)] == [None, None, 2, 3, 4, 5, 5, 7]


def test_of_rows_with_the_same_time_the_first_is_the_close(tmp_path: Path) -> None:
    """First in order of the files on the command line, then of the rows."""
    first = write_csv(
        tmp_path / "1.csv", [("2019-02-11", "A", 5), ("2019-02-11", "A", 6), ("2019-02-12", "A", 1)]
    )
    second = write_csv(tmp_path / "2.csv", [("2019-02-11", "A", 7), ("2019-02-11T12:00", "A", 8)])
    last = [quotes_of(*files)[-1].previous_close for files in ([first, second], [second, first])]
    assert last == [5, 7]


def test_a_refused_row_is_no_close(tmp_path: Path) -> None:
    """Nor is a row of another symbol."""
    rows = [("2019-02-11T10:00", "A", 5), ("2019-02-11T11:00", "A", "x"), ("2019-02-11T12:00", "B", 7)]
    quotes, _ = replayed(write_csv(tmp_path / "a.csv", [*rows, ("2019-02-12", "A", 9)]))
    assert quotes[-1].previous_close == 5


def test_a_mixed_ndjson_file_tells_of_itself_at_its_end(tmp_path: Path) -> None:
    """The first objects have no previous close if a later one has the field."""
    lines = [b'{"date":"2019-02-1%d","symbol":"A","price":%d}' % (day, day) for day in (1, 2)]
    quotes = quotes_of(
        write(tmp_path / "a", b"\n".join([*lines, lines[1].replace(b"}", b',"Previous_Close":""}')]))
    )
    assert [quote.previous_close for quote in quotes] == [None, None, None]
