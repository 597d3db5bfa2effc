"""Properties of a replay for arbitrary rows."""

import gzip
import random
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.errors import StockctlError
from stockctl.market.quote import decode_record, encode_quote
from support.quote_strategies import examples
from support.replay_files import HEADER, csv_text, quotes_of, replayed, write, write_csv

_FEW = examples(15)
_MOMENTS = st.integers(0, 10**7)
_GARBAGE = st.text(alphabet=',"\n\r;\t \0x1.-eE+é\udcff{}[]:', max_size=30)
_KEYS = st.sets(st.tuples(_MOMENTS, st.sampled_from("ABC")), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay")


def _row(moment: int, symbol: str) -> tuple[str, str, int]:
    minute, millisecond = divmod(moment, 60_000)
    when = f"2019-02-{11 + minute // 60:02}T{minute % 24:02}:{minute % 60:02}:{millisecond / 1000:06.3f}Z"
    return when, symbol, moment + 1


def _time_of(key: tuple[int, str]) -> str:
    return _row(*key)[0]


@_FEW
@given(_KEYS, st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_of_rows_and_any_cut_into_files_give_the_same_series(
    folder: Path, keys: set[tuple[int, str]], chance: random.Random, parts: int
) -> None:
    """When times are unique per symbol: the same quotes of each symbol, all in order of time."""
    rows = [_row(*key) for key in sorted(keys)]
    whole = quotes_of(write_csv(folder / "whole.csv", rows))
    chance.shuffle(rows)
    files = [write_csv(folder / f"{part}.csv", rows[part::parts]) for part in range(parts)]
    chance.shuffle(files)
    cut = quotes_of(*files)
    assert sorted(cut) == sorted(whole)
    assert [quote.timestamp for quote in cut] == sorted(quote.timestamp for quote in whole)
    for symbol in "ABC":
        assert [q for q in cut if q.symbol == symbol] == [q for q in whole if q.symbol == symbol]


@_FEW
@given(st.lists(st.tuples(_MOMENTS, st.sampled_from("ABC")), unique_by=_time_of, max_size=30))
def test_the_same_sequence_when_no_two_times_are_equal(folder: Path, keys: list[tuple[int, str]]) -> None:
    """Then the order of the rows does not matter at all."""
    rows = [_row(*key) for key in keys]
    given_order = quotes_of(write_csv(folder / "given.csv", rows))
    assert given_order == quotes_of(write_csv(folder / "sorted.csv", sorted(rows)))


@_FEW
@given(st.lists(_GARBAGE, max_size=12), st.sampled_from(["csv", "ndjson"]))
def test_garbage_is_refused_and_harms_nobody(folder: Path, lines: list[str], form: str) -> None:
    """Valid rows arrive whatever is between them, and each rejection has its own origin."""
    good = {"csv": b"2019-02-11,AAPL,1", "ndjson": b'{"timestamp":"2019-02-11","symbol":"AAPL","price":1}'}[
        form
    ]
    header = b",".join(name.encode() for name in HEADER) if form == "csv" else good
    garbage = [line.encode("utf-8", "surrogateescape") for line in lines]
    data = b"\n".join([header, *[part for line in garbage for part in (line, good)]])
    quotes, rejections = replayed(write(folder / "garbage", data))
    assert len([quote for quote in quotes if quote.symbol == "AAPL"]) >= len(lines)
    assert len({rejection.key for rejection in rejections}) == len(rejections)
    assert all(
        rejection.reason and rejection.origin.startswith("replay:garbage#") for rejection in rejections
    )


@_FEW
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_replayed_or_refused(folder: Path, data: bytes, compressed: bool) -> None:
    """There is no other exception, and the error names the file."""
    file = write(folder / "any", gzip.compress(data) if compressed else data)
    refusal = _refusal(file)
    assert refusal is None or str(file) in refusal.message


def _refusal(file: Path) -> StockctlError | None:
    try:
        replayed(file)
    except StockctlError as refusal:
        return refusal
    return None


_NUMBERS = st.decimals("0.000001", "99999999999", places=8, allow_nan=False)


@_FEW
@given(st.lists(st.tuples(_NUMBERS, st.one_of(st.none(), _NUMBERS), st.integers(0, 2**63 - 1)), max_size=20))
def test_numbers_arrive_exactly(folder: Path, rows: list[tuple[Decimal, Decimal | None, int]]) -> None:
    """Rounded half-even to six places, and as the pipeline reads them back."""
    table = [
        (f"2019-02-11T14:{number:02}:00Z", "A", price, "" if high is None else f"{high:E}", volume)
        for number, (price, high, volume) in enumerate(rows)
    ]
    text = csv_text(table, (*HEADER, "high", "volume"))
    quotes, rejections = replayed(write(folder / "numbers.csv", text.encode()))
    six = Decimal("0.000001")
    assert [(quote.price, quote.high, quote.volume) for quote in quotes] == [
        (price.quantize(six), None if high is None else high.quantize(six), volume)
        for price, high, volume in rows
    ]
    assert rejections == []
    for quote in quotes:
        assert decode_record(encode_quote(quote)).quote == quote
