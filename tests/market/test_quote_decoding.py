"""Records that are quotes: what is read from them, and what the archive keeps."""

import json
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.quote import Quote, decode_record, encode_quote, make_quote
from support.malformed_records import good_record
from support.quote_strategies import SYMBOLS, TIMESTAMPS, examples

_NUMBERS = st.decimals("-999999999999999", "999999999999999", places=6)
_PRICES = st.decimals("0.000001", "999999999999999", places=6)
QUOTES = st.builds(
    Quote,
    symbol=SYMBOLS,
    timestamp=TIMESTAMPS,
    price=_PRICES,
    previous_close=st.none() | _PRICES,
    open=st.none() | _NUMBERS,
    high=st.none() | _NUMBERS,
    low=st.none() | _NUMBERS,
    volume=st.none() | st.integers(0, 2**63 - 1),
    source=st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True),
    observed_at=st.none() | TIMESTAMPS,
)


def test_every_field_is_read():
    """A record with every field becomes a quote with exactly these values."""
    record = good_record(symbol='"BRK-B"', observed_at='"2019-02-11T14:31:02.250Z"')
    assert decode_record(record).quote == Quote(
        "BRK-B",
        "2019-02-11T14:31:00.000Z",
        Decimal("170.97"),
        Decimal("170.41"),
        Decimal("171.14"),
        Decimal("171.2"),
        Decimal("170.7"),
        619925,
        "replay",
        "2019-02-11T14:31:02.250Z",
    )


@pytest.mark.parametrize("name", ["previous_close", "open", "high", "low", "volume", "observed_at"])
@pytest.mark.parametrize("text", ["null", None])
def test_what_is_unknown_stays_unknown(name: str, text: str | None):
    """An optional field that is null or absent is unknown: None, and never zero."""
    quote = decode_record(good_record(**{name: text})).quote
    assert getattr(quote, name) is None
    assert getattr(decode_record(encode_quote(quote)).quote, name) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("170.97", "170.97"),
        ("170.970000", "170.97"),
        ("170", "170"),
        ("1e2", "100"),
        ("1.7E+2", "170"),
        ("17097e-2", "170.97"),
        ("1234567", "1234567"),
        ("999999999999999", "999999999999999"),
        ("999999999999999.999999", "999999999999999.999999"),
        ("999999999999999.9999994", "999999999999999.999999"),
        ("0.000001", "0.000001"),
        ("0.00000050000001", "0.000001"),
        ("1.0000005", "1"),
        ("1.0000015", "1.000002"),
        ("1.0000025", "1.000002"),
        ("1.00000250000000000000000000000000000000000000000001", "1.000003"),
        ("170.9700012207031", "170.970001"),
        ("0." + "3" * 10_000, "0.333333"),
    ],
)
def test_prices_are_rounded_half_even_to_six_decimals(text: str, value: str):
    """A price keeps at most six decimals; ties go to the even digit; its text has no exponent and no tail."""
    quote = decode_record(good_record(price=text)).quote
    assert quote.price == Decimal(value)
    assert f'"price":{value},'.encode() in encode_quote(quote)


@given(st.decimals("0.000001", "1e14", allow_nan=False, allow_infinity=False))
@examples(100)
def test_rounding_equals_that_of_fractions(number: Decimal):
    """Any price is rounded as exact fractions round it."""
    quote = decode_record(good_record(price=str(number))).quote
    assert Fraction(quote.price) == round(Fraction(number), 6)


@pytest.mark.parametrize(
    "text", ["0", "-0", "-0.0", "0.0000001", "-0.0000001", "-12.5", "0e10", "0e99999999", "1e-99999999"]
)
def test_session_figures_may_be_zero_or_below(text: str):
    """Open, high and low may be any number (spreads and futures go below zero); zero has no sign."""
    quote = decode_record(good_record(open=text, high=text, low=text)).quote
    assert str(quote.open.normalize() + 0) == ("-12.5" if text == "-12.5" else "0")
    assert b":-0," not in encode_quote(quote)


@pytest.mark.parametrize("text", ["0", "9223372036854775807"])
def test_volume_reaches_from_zero_to_the_largest_bigint(text: str):
    """A volume is any whole number that a signed 64-bit integer holds, zero included."""
    assert decode_record(good_record(volume=text)).quote.volume == int(text)


@pytest.mark.parametrize(
    "record",
    [
        good_record(),
        good_record(price="1.7097e2"),
        good_record(price="170.9700000001"),
        b" \t" + good_record(note='"a \\u00e9 \xc3\xa9"', nested='{"a":[1,2,{"b":null}]}') + b" ",
        good_record().replace(b'"AAPL"', b'"A\\u0041PL"'),
        good_record().replace(b",", b" , ").replace(b":", b": ", 1),
    ],
)
def test_the_archive_keeps_a_record_as_it_came(record: bytes):
    """The archived body is the record itself, byte for byte, unknown fields and spacing included."""
    assert decode_record(record).body == record


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b" \n\n"])
def test_line_ends_behind_a_record_stay(ending: bytes):
    """A line of NDJSON is archived with its end, which no reader of lines minds."""
    assert decode_record(good_record() + ending).body == good_record() + ending


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r"])
def test_json_over_several_lines_is_archived_on_one(line_break: bytes):
    """Athena reads the archive line by line: laid out JSON holds the same quote, on a line of its own."""
    reading = decode_record(line_break + good_record().replace(b",", b"," + line_break))
    assert reading.quote == decode_record(good_record()).quote
    assert reading.body == encode_quote(reading.quote)
    assert len(reading.body.splitlines()) == 1


@pytest.mark.parametrize(("given_symbol", "symbol"), [("aapl", "AAPL"), ("Brk-b", "BRK-B"), ("^vix", "^VIX")])
def test_a_symbol_in_small_letters_is_rewritten_in_the_archive_too(given_symbol: str, symbol: str):
    """Such a quote is accepted upper-cased, and the archived body carries the symbol of its key."""
    reading = decode_record(good_record(symbol=f'"{given_symbol}"', note="1"))
    assert reading.quote.symbol == symbol
    assert reading.body == good_record(symbol=f'"{symbol}"')


def test_encoded_quote_reads():
    """The record of a quote is one compact JSON object in the order of the contract."""
    quote = decode_record(good_record(observed_at='"2019-02-11T14:31:02.250Z"', low="null")).quote
    assert encode_quote(quote) == (
        b'{"symbol":"AAPL","timestamp":"2019-02-11T14:31:00.000Z","price":170.97,"previous_close":170.41,'
        b'"open":171.14,"high":171.2,"low":null,"volume":619925,"source":"replay",'
        b'"observed_at":"2019-02-11T14:31:02.250Z"}'
    )


def test_a_replayed_quote_carries_no_observed_at():
    """Without ``observed_at`` the record has no such field, so that a replay repeats its bytes."""
    assert b"observed_at" not in encode_quote(decode_record(good_record()).quote)


def test_unknown_fields_are_no_part_of_a_quote():
    """What the contract does not name is ignored, in any spelling of a known name as well."""
    quote = decode_record(good_record(note='"x"', Price="1", expires_at="9")).quote
    assert quote == decode_record(good_record()).quote


@given(QUOTES)
@examples(100)
def test_what_is_encoded_is_read_back(quote: Quote):
    """Any quote survives its record, whose bytes are the same the second time."""
    record = encode_quote(quote)
    reading = decode_record(record)
    assert reading.quote == quote
    assert reading.body == record == encode_quote(reading.quote)


@given(QUOTES)
@examples(100)
def test_numbers_are_written_one_way(quote: Quote):
    """Every number of a record is canonical: no exponent, no superfluous zero, and no sign on zero."""
    numbers: list[str] = []
    json.loads(encode_quote(quote), parse_float=numbers.append, parse_int=numbers.append)
    canonical = re.compile(r"0|-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
    assert numbers
    assert [text for text in numbers if not canonical.fullmatch(text) or text == "-0"] == []


@given(QUOTES)
@examples(60)
def test_a_source_may_pass_fields_as_a_mapping(quote: Quote):
    """The mapping of a quote's own fields makes the same quote again."""
    assert make_quote(quote._asdict()) == quote
