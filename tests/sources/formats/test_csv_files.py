"""CSV files in all usual forms."""

import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest

from stockctl.errors import SourceError
from stockctl.market.quote import Quote
from support.replay_files import GOOD, csv_text, quotes_of, replayed, write, write_csv

_HEAD = b"timestamp,symbol,price\n"
_ROW = b"2019-02-11T14:31:00Z,AAPL,170.97\n"
_QUOTE = Quote(
    "AAPL", "2019-02-11T14:31:00.000Z", Decimal("170.97"), None, None, None, None, None, "replay", None
)


def test_every_field_of_a_row_arrives(tmp_path: Path) -> None:
    """All columns are read; the source is replay, and observed_at is unknown, so that bytes repeat."""
    header = (
        "volume",
        "low",
        "high",
        "open",
        "previous_close",
        "price",
        "symbol",
        "timestamp",
        "observed_at",
    )
    row = (
        619925,
        "170.7",
        "171.2",
        "171.14",
        "170.41",
        "170.97",
        "aapl",
        GOOD[0],
        "2019-02-11T14:31:01.000Z",
    )
    file = write_csv(tmp_path / "a.csv", [row], header)
    assert quotes_of(file) == [
        Quote(
            "AAPL", "2019-02-11T14:31:00.000Z", Decimal("170.97"), Decimal("170.41"), Decimal("171.14"),
            Decimal("171.2"), Decimal("170.7"), 619925, "replay", None,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_HEAD + _ROW, id="plain"),
        pytest.param(_HEAD + _ROW.rstrip(), id="no newline at the end"),
        pytest.param(b"\xef\xbb\xbf" + _HEAD + _ROW, id="byte order mark"),
        pytest.param((_HEAD + _ROW).replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param((_HEAD + _ROW).replace(b"\n", b"\r\n").rstrip(), id="CRLF but no newline at the end"),
        pytest.param(b"\n \n" + _HEAD + b"\n\r\n  \n" + _ROW + b"\n\n", id="blank lines"),
        pytest.param((_HEAD + _ROW).replace(b",", b";"), id="semicolons"),
        pytest.param((_HEAD + _ROW).replace(b",", b"\t"), id="tabs"),
        pytest.param(b" TimeStamp , SYMBOL,\tPrice\n" + _ROW, id="names in any case, blanks around"),
        pytest.param(_HEAD + _ROW.replace(b",", b" , "), id="blanks around cells"),
        pytest.param(b'"timestamp","symbol","price"\n"2019-02-11T14:31:00Z","AAPL","170.97"\n', id="quoted"),
        pytest.param(b'timestamp,symbol,"price"\n"2019-02-11 14:31:00Z",AAPL,170.97\n', id="quoted in part"),
        pytest.param(b"DateTime,Ticker,Close\n" + _ROW, id="the other names"),
        pytest.param(
            b"n,n,timestamp,symbol,price,,\n1,2," + _ROW.strip() + b",,\n", id="other columns twice"
        ),
        pytest.param(_HEAD.strip() + b",name\n" + _ROW.strip() + b",Nestl\xe9\n", id="Latin-1 elsewhere"),
        pytest.param(_HEAD.strip() + b',"a\nb"\n' + _ROW.strip() + b',"c\nd, ""e"""\n', id="line breaks"),
        pytest.param(_HEAD.strip() + b",note\n" + _ROW.strip() + b',12" pipe\n', id="a stray quote"),
    ],
)
def test_the_same_row_in_many_forms(tmp_path: Path, data: bytes) -> None:
    """All these forms of CSV mean the same."""
    for name in ("a.csv", "a.csv.gz"):
        assert quotes_of(write(tmp_path / name, data)) == [_QUOTE]


@pytest.mark.parametrize(
    ("names", "field", "value"),
    [
        (("close", "price"), "price", Decimal(2)),
        (("datetime", "date", "timestamp"), "timestamp", "2000-01-03T12:00:00.000Z"),
        (("datetime", "date"), "timestamp", "2000-01-02T12:00:00.000Z"),
        (("ticker", "symbol"), "symbol", "B"),
    ],
)
def test_of_two_names_for_a_field_the_better_one_counts(
    tmp_path: Path, names: tuple[str, ...], field: str, value: object
) -> None:
    """Price is preferred to close, timestamp to date to datetime, symbol to ticker."""
    times = [f"2000-01-0{day}T12:00:00Z" for day in (1, 2, 3)]
    cells = {"price": ["1", "2"], "symbol": ["A", "B"], "timestamp": times}
    others = zip(("timestamp", "symbol", "price"), GOOD, strict=True)
    columns = [(name, cell) for name, cell in others if name != field]
    columns += zip(names, cells[field], strict=False)
    file = write_csv(tmp_path / "a.csv", [[cell for _, cell in columns]], [name for name, _ in columns])
    (quote,) = quotes_of(file)
    assert getattr(quote, field) == value


_NUMBERS = {
    "170.97": "170.97",
    "170.": "170",
    ".5": "0.5",
    "+170.97": "170.97",
    "1.7097e2": "170.97",
    "17097E-2": "170.97",
    "0170.97": "170.97",
    "1.0000005": "1",
    "1.0000015": "1.000002",
    "0.1234565": "0.123456",
    "999999999999999": "999999999999999",
    "0.000001": "0.000001",
}
_VOLUMES = {
    "0": 0,
    "619925": 619925,
    "619925.0": 619925,
    "1.2e3": 1200,
    "": None,
    " ": None,
    "9223372036854775807": 2**63 - 1,
}


def test_forms_of_a_number(tmp_path: Path) -> None:
    """Plain and exponent notation are read exactly, and rounded half-even to six places."""
    quotes = quotes_of(write_csv(tmp_path / "a.csv", [(GOOD[0], "AAPL", text) for text in _NUMBERS]))
    assert dict(zip(_NUMBERS, [quote.price for quote in quotes], strict=True)) == {
        text: Decimal(price) for text, price in _NUMBERS.items()
    }


def test_forms_of_a_volume(tmp_path: Path) -> None:
    """A whole number may be written as a float; an empty cell means unknown, not zero."""
    rows = [(*GOOD, text) for text in _VOLUMES]
    quotes = quotes_of(write_csv(tmp_path / "a.csv", rows, ("timestamp", "symbol", "price", "volume")))
    assert dict(zip(_VOLUMES, [quote.volume for quote in quotes], strict=True)) == _VOLUMES


_WIDE = ("timestamp", "symbol", "price", "previous_close", "open", "high", "low", "volume")
_TIME, _SYMBOL, _PRICE = GOOD
_BAD = [
    (("", _SYMBOL, _PRICE), "timestamp is missing"),
    (("  ", _SYMBOL, _PRICE), "timestamp is missing"),
    ((_TIME, "", _PRICE), "symbol is missing"),
    ((_TIME, _SYMBOL, ""), "price is missing"),
    ((_TIME, "AA PL", _PRICE), "symbol 'AA PL' is not 1 to 20 letters"),
    ((_TIME, "../x", _PRICE), "symbol '../x' is not 1 to 20 letters"),
    ((_TIME, "AAPL\0", _PRICE), r"symbol 'AAPL\x00' is not 1 to 20 letters"),
    ((_TIME, _SYMBOL, "\0"), r"price '\x00' is not a number"),
    ((_TIME, _SYMBOL, "n/a"), "price 'n/a' is not a number"),
    ((_TIME, _SYMBOL, "nan"), "price 'nan' is not a number"),
    ((_TIME, _SYMBOL, "inf"), "price 'inf' is not a number"),
    ((_TIME, _SYMBOL, "-Infinity"), "price '-Infinity' is not a number"),
    ((_TIME, _SYMBOL, "1_000"), "price '1_000' is not a number"),
    ((_TIME, _SYMBOL, "1,000.5"), "price '1,000.5' is not a number"),
    ((_TIME, _SYMBOL, "$170.97"), "price '$170.97' is not a number"),
    ((_TIME, _SYMBOL, "170.97 USD"), "price '170.97 USD' is not a number"),
    ((_TIME, _SYMBOL, "0x10"), "price '0x10' is not a number"),
    ((_TIME, _SYMBOL, "١٧٠"), "price '\\u0661\\u0667\\u0660' is not a number"),
    ((_TIME, _SYMBOL, "."), "price '.' is not a number"),
    ((_TIME, _SYMBOL, "1e"), "price '1e' is not a number"),
    ((_TIME, _SYMBOL, "0"), "is not above zero"),
    ((_TIME, _SYMBOL, "0.00"), "is not above zero"),
    ((_TIME, _SYMBOL, "-170.97"), "is not above zero"),
    ((_TIME, _SYMBOL, "0.0000004"), "is not above zero"),
    ((_TIME, _SYMBOL, "1e-999999999"), "is not above zero"),
    ((_TIME, _SYMBOL, "1e15"), "is not a finite number below 10**15"),
    ((_TIME, _SYMBOL, "1e999999999"), "is not a finite number below 10**15"),
    ((_TIME, _SYMBOL, "1e9999999999999999999999"), "is not a number"),
    ((_TIME, _SYMBOL, "9" * 5000), "is not a finite number below 10**15"),
    ((_TIME, _SYMBOL, "9" * 5000 + "x"), "is not a number"),
    ((_TIME, _SYMBOL, _PRICE, "0"), "previous_close 0 is not above zero"),
    ((_TIME, _SYMBOL, _PRICE, "-"), "previous_close '-' is not a number"),
    ((_TIME, _SYMBOL, _PRICE, "", "nan"), "open 'nan' is not a number"),
    ((_TIME, _SYMBOL, _PRICE, "", "", "x"), "high 'x' is not a number"),
    ((_TIME, _SYMBOL, _PRICE, "", "", "", "x"), "low 'x' is not a number"),
    ((_TIME, _SYMBOL, _PRICE, "", "", "", "", "12.5"), "volume '12.5' is not a whole number from 0 to 2**63"),
    ((_TIME, _SYMBOL, _PRICE, "", "", "", "", "-1"), "volume '-1' is not a whole number"),
    ((_TIME, _SYMBOL, _PRICE, "", "", "", "", "9223372036854775808"), "is not a whole number"),
    ((_TIME, _SYMBOL, _PRICE, "", "", "", "", "1e99999"), "volume '1e99999' is not a whole number"),
    ((_TIME, _SYMBOL, _PRICE, "", "", "", "", "1e-99999"), "volume '1e-99999' is not a whole number"),
    ((_TIME, _SYMBOL, _PRICE, "", "", "", "", "many"), "volume 'many' is not a number"),
]


def test_each_bad_row_is_refused_with_its_reason_number_and_bytes(tmp_path: Path) -> None:
    """Invalid rows between valid ones: each is rejected unchanged, and every valid one is sent."""
    rows: list[tuple[str, ...]] = []
    for cells, _ in _BAD:
        rows += [
            cells + ("",) * (len(_WIDE) - len(cells)),
            (f"2019-02-12T{len(rows) // 60:02}:{len(rows) % 60:02}Z", "MSFT", "1", *[""] * 5),
        ]
    file = write_csv(tmp_path / "mixed.csv", rows, _WIDE)
    quotes, rejections = replayed(file)
    assert [quote.symbol for quote in quotes] == ["MSFT"] * len(_BAD)
    for number, ((_, reason), rejection) in enumerate(zip(_BAD, rejections, strict=True)):
        assert reason in rejection.reason
        assert rejection.origin == f"replay:mixed.csv#{2 * number + 1}"
        assert rejection.data.decode() == csv_text(rows, _WIDE).splitlines()[2 * number + 1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"2019-02-11T14:31:00Z,AAPL", "row has 2 cells where the header has 3"),
        (b"2019-02-11T14:31:00Z,AAPL,170,97", "row has 4 cells where the header has 3"),
        (b'2019-02-11T14:31:00Z,"AAPL",170,"97"', "row has 4 cells where the header has 3"),
        (b'2019-02-11T14:31:00Z,"AAPL"x,170', "not CSV: "),
        (b'2019-02-11T14:31:00Z,"AAPL,170', "not CSV: a quoted cell is not closed"),
        (b"2019-02-11T14:31:00Z,\xc3\xa9\xff,170", "not UTF-8 text (byte 24 is 0xff): symbol"),
        (b"\xff\xfe2019-02-11T14:31:00Z,AAPL,170", "not UTF-8 text (byte 1 is 0xff): timestamp"),
        (b"\x00" * 80, "row has 1 cells where the header has 3"),
        (b"2019-02-11T14:31:00Z,AAPL\r,170\r.5", r"price '170\r.5' is not a number"),
        (b"2019-02-11T14:31:00Z,AAPL,1" + b"7" * 70000, "row is longer than 65536 characters"),
    ],
)
def test_a_row_that_is_no_row_does_not_harm_its_neighbours(tmp_path: Path, line: bytes, reason: str) -> None:
    """Ragged, badly quoted, not UTF-8 or endless: it is rejected unchanged, and the rows around it arrive."""
    file = write(tmp_path / "a.csv", _HEAD + _ROW + line + b"\n" + _ROW.replace(b"AAPL", b"MSFT"))
    quotes, rejections = replayed(file)
    assert [quote.symbol for quote in quotes] == ["AAPL", "MSFT"]
    ((data, origin, found),) = rejections
    assert (data, origin) == (line[:65536], "replay:a.csv#2")
    assert found.startswith(reason) or reason in found


def test_a_quote_that_is_never_closed_swallows_nothing(tmp_path: Path) -> None:
    """Only the row with the unclosed quote is rejected, whether another quote follows or not."""
    rows = b"".join(b"2019-02-11T14:%02d:00Z,MSFT,1\n" % minute for minute in range(60))
    lone = b'2019-02-11T13:00:00Z,"AAPL,1\n'
    closer = b'2019-02-11T15:00:00Z,IBM",1\n'
    quotes, rejections = replayed(write(tmp_path / "a.csv", _HEAD + lone + rows))
    assert len(quotes) == 60
    assert [rejection.origin for rejection in rejections] == ["replay:a.csv#1"]
    quotes, rejections = replayed(write(tmp_path / "a.csv", _HEAD + lone + rows + closer + rows))
    assert len(quotes) == 120
    assert [(rejection.data, rejection.origin) for rejection in rejections] == [
        (lone.strip(), "replay:a.csv#1"), (closer.strip(), "replay:a.csv#62"),
    ]  # fmt: skip


def test_a_row_over_several_lines_is_one_record(tmp_path: Path) -> None:
    """Line breaks within a cell do not count as records; blank lines do not either."""
    good = b'2019-02-11T14:31:00Z,AAPL,1,"a\n\nb"\n'
    bad = b'2019-02-11T14:32:00Z,AAPL,x,"a\n\nb"\n'
    file = write(tmp_path / "a.csv", _HEAD.strip() + b",note\n" + good + b"\n" + bad + good + bad)
    quotes, rejections = replayed(file)
    assert len(quotes) == 2
    assert [(rejection.origin, rejection.data) for rejection in rejections] == [
        ("replay:a.csv#2", bad.strip()), ("replay:a.csv#4", bad.strip()),
    ]  # fmt: skip


def test_a_refused_row_is_kept_without_the_end_of_its_line(tmp_path: Path) -> None:
    """Whichever end of line the file has."""
    for end in (b"\n", b"\r\n"):
        data = end.join([_HEAD.strip(), b"x,AAPL,1", _ROW.strip(), b"y,AAPL,2"])
        _, rejections = replayed(write(tmp_path / "a.csv", data + end))
        assert [rejection.data for rejection in rejections] == [b"x,AAPL,1", b"y,AAPL,2"]


def test_a_line_of_many_megabytes_is_refused_in_part(tmp_path: Path) -> None:
    """A line larger than any block is not held in memory, and the next one is read."""
    file = write(tmp_path / "a.csv.gz", _HEAD + b"x" * 16_000_000 + b"\n" + _ROW)
    replayed(write(tmp_path / "b.csv", _HEAD + _ROW))  # so that only this file's reading is measured
    tracemalloc.start()
    try:
        quotes, rejections = replayed(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert quotes == [_QUOTE]
    assert [(rejection.data, rejection.origin) for rejection in rejections] == [
        (b"x" * 65536, "replay:a.csv.gz#1")
    ]
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"symbol,price", "no timestamp, date or datetime among the columns 'symbol', 'price'"),
        (b"date,price", "no symbol or ticker among the columns 'date', 'price'"),
        (b"date;ticker;open", "no price or close among the columns 'date', 'ticker', 'open'"),
        (b"timestamp,symbol,price,Price", "column 'price' appears twice"),
        (b"timestamp,symbol, CLOSE ,price,close", "column 'close' appears twice"),
        (b"Date,date,symbol,price", "column 'date' appears twice"),
        (b"2019-02-11T14:31:00Z,AAPL,170.97", "no timestamp, date or datetime among"),
        (b'"timestamp,symbol,price', "not CSV: a quoted cell is not closed"),
        (b"\x00\x01\x02\xff", r"no timestamp, date or datetime among the columns '\x00\x01\x02\udcff'"),
        (b",".join(b"c%d" % number for number in range(50)), "'c11', ..."),
    ],
)
def test_a_header_of_no_use_is_refused(tmp_path: Path, header: bytes, reason: str) -> None:
    """Nothing is sent, and the message names the file, the missing columns and the existing ones."""
    file = write(tmp_path / "a.csv", header + b"\n" + _ROW)
    good = write(tmp_path / "good.csv", _HEAD + _ROW)
    with pytest.raises(SourceError) as failure:
        replayed(good, file)
    assert failure.value.message.startswith(f"{file} cannot be replayed: ")
    assert reason in failure.value.message
    assert "CSV, NDJSON" in str(failure.value.hint)
