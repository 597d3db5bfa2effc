"""The embedded pipeline encodes a quote once and decodes none that it can trust."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.quote import Quote, decode_record, encode_quote, is_canonical, make_quote
from stockctl.pipeline import ingest
from stockctl.pipeline.ports import Record
from stockctl.producer import batching
from stockctl.producer.batching import record_of
from stockctl.producer.producer import DirectProducer
from stockctl.sources.replay.source import ReplaySource
from support.local_home import open_stream, quarantined, raw_files, stored_rows
from support.quote_strategies import SYMBOLS, TIMESTAMPS, examples

CSV = "timestamp,symbol,price,volume\n2026-01-05T15:00:00Z,AAPL,101.50,7\n2026-01-05T15:01:00Z,AAPL,102,\n"
NDJSON = "".join(
    f'{{"timestamp": "2026-01-05T15:0{minute}:00Z", "symbol": "MSFT", "price": {100 + minute}.25}}\n'
    for minute in range(3)
)


def counted(function: Callable, calls: list) -> Callable:
    """Return ``function`` with its calls in a list."""

    def call(argument: object) -> object:
        calls.append(argument)
        return function(argument)

    return call


@pytest.mark.parametrize(("name", "text", "quotes"), [("q.csv", CSV, 2), ("q.ndjson", NDJSON, 3)])
def test_a_replay_encodes_each_quote_once_and_decodes_none(
    name: str, text: str, quotes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The record carries the quote to the ingest stage, and the archive has the bytes of the record."""
    (tmp_path / name).write_text(text)
    encoded, decoded = [], []
    monkeypatch.setattr(batching, "encode_quote", counted(encode_quote, encoded))
    monkeypatch.setattr(ingest, "decode_record", counted(decode_record, decoded))
    with open_stream(tmp_path / "home") as stream:
        totals = DirectProducer(ReplaySource([str(tmp_path / name)]), stream).run(Event())
    assert (totals.stored, len(encoded), len(decoded)) == (quotes, quotes, 0)
    assert sorted(raw_files(tmp_path / "home").values()) == sorted(map(encode_quote, encoded))


def test_the_home_is_the_same_with_and_without_the_quote_in_the_record(tmp_path: Path):
    """Rows and files, byte for byte."""
    quotes = [make_quote(fields) for fields in json.loads(RECORDS, parse_float=Decimal)]
    for name, records in (
        ("carried", [record_of(quote) for quote in quotes]),
        ("decoded", [record_of(quote)._replace(quote=None) for quote in quotes]),
    ):
        with open_stream(tmp_path / name) as stream:
            stream.send(records)
    assert stored_rows(tmp_path / "carried") == stored_rows(tmp_path / "decoded") != []
    assert raw_files(tmp_path / "carried") == raw_files(tmp_path / "decoded")


RECORDS = """[
    {"symbol": "AAPL", "timestamp": "2026-01-05T15:00:00.000Z", "price": 101.5, "source": "feed"},
    {"symbol": "BRK-B", "timestamp": "2026-01-05T15:00:00.000Z", "price": 1e3, "previous_close": 0.000001,
     "open": -0.5, "high": 7, "low": 0, "volume": 9007199254740993, "source": "feed",
     "observed_at": "2026-01-05T15:00:01.000Z"}
]"""
VALID = Quote(
    "AAPL", "2026-01-05T15:00:00.000Z", Decimal("101.5"), Decimal(100), None, Decimal(102), None, 7, "acme",
    "2026-01-05T15:00:00.500Z",
)  # fmt: skip
INVALID = {
    "symbol": ["aapl", "", "A B", None, 7, "A" * 21],
    "timestamp": ["2026-01-05T15:00:00Z", "2026-02-30T15:00:00.000Z", None, 7],
    "price": [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), 101.5, 101, None,
              Decimal("0.0000001"), Decimal(10) ** 15],
    "previous_close": [Decimal(0), Decimal("NaN"), 1.5],
    "open": [Decimal("1.0000001"), 7, "7"],
    "high": [Decimal("Infinity")],
    "low": [Decimal("NaN")],
    "volume": [-1, 1 << 63, True, 1.0, Decimal(7)],
    "source": ["Acme", "", None, "a b"],
    "observed_at": ["yesterday", 7],
}  # fmt: skip
INVALID_QUOTES = [(field, value) for field, values in INVALID.items() for value in values]


def test_a_quote_in_its_canonical_form_is_seen_to_be():
    """It is the quote that its record would give."""
    assert is_canonical(VALID)
    assert decode_record(encode_quote(VALID)).quote == VALID


@pytest.mark.parametrize(("field", "value"), INVALID_QUOTES)
def test_a_quote_in_any_other_form_is_not_trusted(field: str, value: object):
    """A source of another package may make any, and its record is checked as one from outside is."""
    assert not is_canonical(VALID._replace(**{field: value}))


def test_what_a_source_makes_wrong_goes_to_quarantine_all_the_same(tmp_path: Path):
    """A quote with a price of zero is not stored because its record carries it."""
    wrong = VALID._replace(price=Decimal(0))
    with open_stream(tmp_path / "home") as stream:
        done = stream.send([record_of(wrong), record_of(VALID)])
    assert (done.stored, done.quarantined) == (1, 1)
    [kept] = quarantined(tmp_path / "home")
    assert kept["data"] == encode_quote(wrong)


DECIMALS = st.decimals(allow_nan=True, allow_infinity=True) | st.integers(0, 10**9).map(
    lambda number: Decimal(number).scaleb(-3)
)


@examples(200)
@given(SYMBOLS, TIMESTAMPS, DECIMALS, st.none() | DECIMALS, st.none() | st.integers())
def test_a_canonical_quote_is_what_decoding_gives(
    symbol: str, timestamp: str, price: Decimal, other: Decimal | None, volume: int | None
):
    """Whatever the numbers: if it is canonical, the way round by JSON changes nothing."""
    quote = Quote(symbol, timestamp, price, other, other, other, other, volume, "feed", None)
    if is_canonical(quote):
        data = encode_quote(quote)
        assert decode_record(data) == (quote, data)


def test_a_record_without_a_quote_is_decoded(tmp_path: Path):
    """As one from a pipe or a shard is."""
    with open_stream(tmp_path / "home") as stream:
        done = stream.send([Record(encode_quote(VALID), "feed"), Record(b"{}", "feed")])
    assert (done.stored, done.quarantined) == (1, 1)
