"""The order, the ticks and the symbols of a replay."""

import logging
import random
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from stockctl.errors import UsageError
from stockctl.market.quote import decode_record, encode_quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.replay.source import ReplaySource
from support.replay_files import HEADER, quotes_of, replayed, write, write_csv, write_parquet

_START = datetime(2019, 2, 11, 14, 31, tzinfo=UTC)


def _time(minute: int) -> str:
    return (_START + timedelta(minutes=minute)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_rows_come_in_order_of_time_across_formats(tmp_path: Path) -> None:
    """Shuffled rows in a CSV, an NDJSON and a Parquet file come as one series."""
    rows = [(_time(minute), "AAPL", minute + 1) for minute in range(3000)]
    random.Random(3).shuffle(rows)
    write_csv(tmp_path / "a.csv.gz", rows[:1000])
    lines = [
        f'{{"timestamp":"{when}","symbol":"{name}","price":{price}}}' for when, name, price in rows[1000:2000]
    ]
    write(tmp_path / "b", "\n".join(lines).encode())
    write_csv(tmp_path / "c.csv", rows[2000:])
    write_parquet(tmp_path / "c", f"SELECT * FROM read_csv('{tmp_path / 'c.csv'}')")
    files = [tmp_path / name for name in ("c", "a.csv.gz", "b")]
    assert [(quote.timestamp, quote.price) for quote in quotes_of(*files)] == [
        (_time(minute), minute + 1) for minute in range(3000)
    ]


def test_ties_go_by_file_then_by_row(tmp_path: Path) -> None:
    """Whatever the symbols; a different order on the command line is a different order of the quotes."""
    first = write_csv(tmp_path / "z.csv", [(_time(1), f"Z{row}", row + 1) for row in range(900)])
    second = write_csv(tmp_path / "a.csv", [(_time(row % 2), f"A{row}", row + 1) for row in range(900)])
    early = [f"A{row}" for row in range(0, 900, 2)]
    late = [f"A{row}" for row in range(1, 900, 2)]
    zs = [f"Z{row}" for row in range(900)]
    assert [quote.symbol for quote in quotes_of(first, second)] == early + zs + late
    assert [quote.symbol for quote in quotes_of(second, first)] == early + late + zs


def test_repeated_rows_all_come_in_their_order(tmp_path: Path) -> None:
    """The pipeline then stores the first one."""
    file = write_csv(tmp_path / "a.csv", [(_time(1), "A", price) for price in (3, 1, 2)])
    other = write_csv(tmp_path / "b.csv", [(_time(1), "A", 9)])
    assert [quote.price for quote in quotes_of(file, other, file)] == [3, 1, 2, 9, 3, 1, 2]


def test_ticks_have_at_most_500_items_and_add_up_to_expected(tmp_path: Path) -> None:
    """Rejections come first, in chunks as well."""
    rows = [(_time(row), "A", "x" if row % 2 else row + 1) for row in range(2400)]
    with ReplaySource([str(write_csv(tmp_path / "a.csv", rows))]) as source:
        assert source.expected is None
        source.prepare()
        assert source.expected == 2400
        ticks = list(source.ticks(Event()))
    assert [len(tick) for tick in ticks] == [500, 500, 200, 500, 500, 200]
    assert [{type(item) is Rejection for item in tick} for tick in ticks] == [{True}] * 3 + [{False}] * 3


def test_a_replay_sends_what_the_pipeline_reads(tmp_path: Path) -> None:
    """The encoded quote is read back as the same quote."""
    header = (*HEADER, "open", "high", "low", "volume", "previous_close")
    rows = [(_time(1), "brk-b", "170.9700005", "1e2", "-0", "0.1234567", "1e3", "5.50")]
    for quote in quotes_of(write_csv(tmp_path / "a.csv", rows, header)):
        assert decode_record(encode_quote(quote)).quote == quote


def test_only_the_wanted_symbols_come(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In upper or lower case; a warning names a symbol that no file has."""
    rows = [(_time(row), name, row + 1) for row, name in enumerate(["AAPL", "msft", "IBM", "MSFT"])]
    file = write_csv(tmp_path / "a.csv", rows)
    quotes = quotes_of(file, symbols=["Msft", "AAPL", "TSLA"])
    assert [quote.symbol for quote in quotes] == ["AAPL", "MSFT", "MSFT"]
    assert "No file has a row for TSLA" in caplog.text
    assert quotes_of(file, symbols=[]) == []


def test_bad_rows_of_unwanted_symbols_are_left_out(tmp_path: Path) -> None:
    """But a row with an invalid symbol is rejected; in CSV and in NDJSON."""
    rows = [
        (_time(1), "AAPL", "x"), (_time(1), "MSFT", "x"), (_time(1), "", "1"), (_time(1), "M S", "1"),
        ("x", "MSFT", "1"),
    ]  # fmt: skip
    file = write_csv(tmp_path / "a.csv", rows)
    _, rejections = replayed(file, symbols=["AAPL"])
    assert [rejection.origin for rejection in rejections] == [f"replay:a.csv#{n}" for n in (1, 3, 4)]
    lines = (
        b'{"symbol":"AAPL","price":true,"date":"2019-02-11"}\n{"symbol":"MSFT","price":true,"date":"x"}\n'
        b'{"symbol":"MSFT"}\n{"symbol":["AAPL"],"price":1,"date":"x"}\n{"price":1,"date":"2019-02-11"}'
    )
    _, rejections = replayed(write(tmp_path / "b", lines), symbols=["AAPL"])
    assert [rejection.origin for rejection in rejections] == [f"replay:b#{n}" for n in (1, 4, 5)]


@pytest.mark.parametrize("symbol", ["", "AA PL", "../x", "A" * 21, "é"])
def test_an_invalid_symbol_is_refused_by_name(tmp_path: Path, symbol: str) -> None:
    """Before any file is opened."""
    with pytest.raises(UsageError) as failure:
        ReplaySource([str(tmp_path / "absent.csv")], symbols=["AAPL", symbol])
    assert f"symbol {symbol!a} is not 1 to 20 letters" in failure.value.message


def test_progress_and_what_a_person_should_know(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Progress is reported; counts, derived closes and empty files are logged."""
    file = write_csv(
        tmp_path / "big.csv", [(_time(0), "A", 1)] * 50_001 + [(_time(0), "A", ""), (_time(0), "B", 1)]
    )
    empty = write_csv(tmp_path / "none.csv", [])
    told: list[str] = []
    with caplog.at_level(logging.INFO, "stockctl.sources.replay"):
        replayed(file, empty, symbols=["A"], on_progress=told.append)
    assert told == ["reading big.csv", "reading big.csv: 50,000 rows", "reading none.csv"]
    assert caplog.messages == [
        "none.csv has no rows.",
        "50001 rows to replay; 1 invalid, 1 skipped (other symbols).",
        "big.csv, none.csv have no previous_close column; using the last close of the day before.",
    ]


@pytest.mark.slow
def test_a_file_of_bad_rows_does_not_fill_memory(tmp_path: Path) -> None:
    """They are stored in a file and read in chunks: 16 MB of them need less than half of that in memory."""
    file = write_csv(tmp_path / "bad.csv", [("x" * 4000, "A", 1)] * 4_000)
    tracemalloc.start()
    try:
        with ReplaySource([str(file)]) as source:
            sizes = [len(tick) for tick in source.ticks(Event())]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes == [500] * 8
    assert peak < 8_000_000
