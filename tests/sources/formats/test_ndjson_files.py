"""NDJSON files."""

from decimal import Decimal
from pathlib import Path

import pytest

from stockctl.errors import SourceError
from stockctl.market.quote import Quote
from support.replay_files import quotes_of, replayed, write

_LINE = b'{"timestamp":"2019-02-11T14:31:00Z","symbol":"AAPL","price":170.97}'
_QUOTE = Quote(
    "AAPL", "2019-02-11T14:31:00.000Z", Decimal("170.97"), None, None, None, None, None, "replay", None
)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_LINE, id="plain"),
        pytest.param(b"\xef\xbb\xbf" + _LINE + b"\r\n", id="byte order mark and CRLF"),
        pytest.param(b"\n  \n" + _LINE + b"\n\n", id="blank lines"),
        pytest.param(b'{"Ticker": "aapl", "Close": "170.97", "DATE": "2019-02-11 14:31Z"}', id="other names"),
        pytest.param(b' {"x": {"price": [1]}, "price": 1.7097e2, ' + _LINE[1:-16] + b"}", id="nested"),
        pytest.param(_LINE[:-1] + b',"open":null,"volume":null}', id="null"),
        pytest.param(_LINE[:-1] + b',"note":"' + "é ".encode() + b'\xff"}', id="not UTF-8 elsewhere"),
    ],
)
def test_the_same_object_in_many_forms(tmp_path: Path, data: bytes) -> None:
    """All these forms of a line mean the same."""
    for name in ("a.txt", "a.csv.gz"):
        assert quotes_of(write(tmp_path / name, data)) == [_QUOTE]


def test_every_field_of_an_object_arrives_exactly(tmp_path: Path) -> None:
    """Numbers keep the digits that stand in the file."""
    line = (
        b'{"symbol":"AAPL","timestamp":"2019-02-11T14:31:00Z","price":170.970001,"previous_close":170.41,'
        b'"open":"171.14","high":171.2,"low":1e2,"volume":619925.0,"source":"yahoo"}'
    )
    assert quotes_of(write(tmp_path / "a", line)) == [
        Quote(
            "AAPL", "2019-02-11T14:31:00.000Z", Decimal("170.970001"), Decimal("170.41"), Decimal("171.14"),
            Decimal("171.2"), Decimal(100), 619925, "replay", None,
        )
    ]  # fmt: skip


_BAD = [
    (b"{", "not JSON: "),
    (b"x", "not JSON: Expecting value at character 1"),
    (_LINE + _LINE, "not JSON: Extra data"),
    (b"[]", "not a JSON object"),
    (b"1", "not a JSON object"),
    (b'"{}"', "not a JSON object"),
    (b"null", "not a JSON object"),
    (b"{}", "symbol is missing"),
    (b"[" * 50000, "nested too deeply"),
    (b'{"symbol":"AAPL","price":1}', "timestamp is missing"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11"}', "price is missing"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":null}', "price is missing"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":NaN}', "NaN is not a JSON number"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":-Infinity}', "-Infinity is not a JSON number"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":"nan"}', "price 'nan' is not a number"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":true}', "price 'true' is not a number"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":[1]}', "price '[...]' is not a number"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":{"a":1}}', "price '{...}' is not a number"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":0}', "price 0 is not above zero"),
    (b'{"symbol":"AAPL","timestamp":"2019-02-11","price":1,"volume":1.5}', "is not a whole number"),
    (b'{"symbol":"AAPL","timestamp":1549895460,"price":1}', "timestamp '1549895460' is not an ISO 8601"),
    (b'{"symbol":true,"timestamp":"2019-02-11","price":1}', "symbol true is not text"),
    (b'{"symbol":["A"],"timestamp":"2019-02-11","price":1}', "symbol [...] is not text"),
    (b'{"symbol":"\\ud800","timestamp":"2019-02-11","price":1}', r"symbol '\ud800' is not 1 to 20"),
    (b'{"symbol":"AAPL\\u0000","timestamp":"2019-02-11","price":1}', r"symbol 'AAPL\x00' is not 1 to 20"),
    (b'{"symbol":"A","timestamp":"2019-02-11","price":1,"Price":2}', "column 'price' appears twice"),
    (b'{"symbol":"A","timestamp":"2019-02-11","price":1,"price":2}', "column 'price' appears twice"),
    (b'{"symbol":"\xff","timestamp":"2019-02-11","price":1}', "not UTF-8 text (byte 12 is 0xff)"),
    (_LINE[:-1] + b',"x":"' + b"x" * 70000 + b'"}', "row is longer than 65536 characters"),
]


def test_bad_lines_are_refused_and_their_neighbours_arrive(tmp_path: Path) -> None:
    """With reason, number and bytes; a good line follows each of them."""
    data = b"".join(line + b"\n" + _LINE + b"\n" for line, _ in _BAD)
    quotes, rejections = replayed(write(tmp_path / "a.ndjson", _LINE + b"\n" + data))
    assert quotes == [_QUOTE] * (len(_BAD) + 1)
    for number, ((line, reason), rejection) in enumerate(zip(_BAD, rejections, strict=True), 1):
        assert reason in rejection.reason
        assert (rejection.data, rejection.origin) == (line[:65536], f"replay:a.ndjson#{2 * number}")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1}\n{"b":2}\n', "no timestamp, date or datetime among the columns 'a'."),
        (b"{}\n", "among the columns (there are none)"),
        (b'{\n"symbol":"AAPL"\n}', "not JSON: "),
        (b'{"symbol":"A","timestamp":"2019-02-11"}', "no price or close among the columns"),
    ],
)
def test_a_file_without_a_usable_object_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    """If no line has symbol, time and price, the file is wrong, not its rows."""
    file = write(tmp_path / "a.ndjson", data)
    with pytest.raises(SourceError) as failure:
        replayed(file)
    assert failure.value.message.startswith(f"{file} cannot be replayed, no line of it is a JSON object")
    assert reason in failure.value.message


def test_a_json_array_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """An array is a common mistake, and jq makes lines of it."""
    file = write(tmp_path / "a.json", b"\n [" + _LINE + b"]")
    with pytest.raises(SourceError, match="is one JSON array") as failure:
        replayed(file)
    assert "jq -c" in str(failure.value.hint)


def test_previous_close_is_derived_only_when_no_object_names_it(tmp_path: Path) -> None:
    """An object without the field, in a file where others have it, has no previous close."""
    days = [b'{"date":"2019-02-1%d","symbol":"A","price":%d}' % (day, day) for day in (1, 2, 3)]
    file = write(tmp_path / "a", b"\n".join(days))
    assert [quote.previous_close for quote in quotes_of(file)] == [None, 1, 2]
    named = days[2].replace(b"}", b',"previous_close":7}')
    for lines in ([days[0], days[1], named], [named, days[0], days[1]]):
        quotes = quotes_of(write(tmp_path / "b", b"\n".join(lines)))
        assert [quote.previous_close for quote in quotes] == [None, None, 7]
