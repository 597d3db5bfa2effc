"""Records that are no quotes, each with a part of the reason that a person reads."""

from collections.abc import Iterable, Iterator
from itertools import chain

_GOOD = {
    "symbol": '"AAPL"',
    "timestamp": '"2019-02-11T14:31:00.000Z"',
    "price": "170.97",
    "previous_close": "170.41",
    "open": "171.14",
    "high": "171.2",
    "low": "170.7",
    "volume": "619925",
    "source": '"replay"',
}
_NUMBERS = ("price", "previous_close", "open", "high", "low")

_SYMBOLS = (
    '""', '" "', '"AAPL "', '" AAPL"', '"AA PL"', '"AAPL\\n"', '"AAPL\\u0000"', '"\\u0000"', '"AAPL\\t"',
    '"../x"', '".."', '"."', '"./AAPL"', '"/etc/passwd"', '"AAPL/MSFT"', '"AAPL\\\\MSFT"', '"C:\\\\AAPL"',
    '"~root"', '"$HOME"', '"${HOME}"', '"`id`"', '"$(id)"', '"AAPL;id"', '"AAPL&"', '"A|B"', '"A<B"',
    '"A>B"', '"*"', '"?"', '"A*"', '"[A]"', '"{A}"', '"%41"', '"A%2FB"', '"A:B"', '"A,B"', '"A#"', '"@A"',
    "\"'; DROP TABLE quotes;--\"", "\"A' OR '1'='1\"", '"A\\"B"', '"A_B"', '"A!"', '"(A)"',
    '"-A"', '".A"', '"=A"', '"=cmd()"', '"+A"', '"ABCDEFGHIJKLMNOPQRSTU"', f'"{"A" * 10_000}"',
    '"ß"', '"STRAßE"', '"İ"', '"ı"', '"ſ"', '"\\u212a"', '"ﬁ"', '"é"', '"Ａ"', '"ＡＡＰＬ"', '"ААРL"',
    '"Α"', '"𝐀"',
    '"AAPL\\u200b"', '"\\u202eLPAA"', '"\\ufeffAAPL"', '"A\\u0301"', '"😀"', '"\\ud800"', '"\\udfffA"',
    '"\\u001b[31mAAPL"', '"<b>"', '"[red]A"', "1", "0", "-1", "1.5", "true", "false", "[]", "{}",
    '["AAPL"]', '{"S":"AAPL"}',
)  # fmt: skip

_TIMES = (
    "", " ", "now", "today", "2019-02-11", "14:31:00", "2019-02-11T14:31:00Z", "2019-02-11T14:31:00.00Z",
    "2019-02-11T14:31:00.0000Z", "2019-02-11T14:31:00.000000Z", "2019-02-11T14:31:00.000",
    "2019-02-11T14:31:00.000z", "2019-02-11t14:31:00.000Z", "2019-02-11 14:31:00.000Z",
    "2019-02-11T14:31:00.000+00:00", "2019-02-11T14:31:00.000+0000", "2019-02-11T14:31:00.000-05:00",
    "2019-02-11T14:31:00.000 Z", " 2019-02-11T14:31:00.000Z", "2019-02-11T14:31:00.000Z ",
    "2019-02-11T14:31:00.000Z\\n", "2019-02-11T14:31:00,000Z", "2019-02-11T14:31Z", "2019-02-11T14Z",
    "20190211T143100.000Z", "2019-02-11T143100.000Z", "2019/02/11T14:31:00.000Z",
    "11-02-2019T14:31:00.000Z", "02/11/2019 14:31", "2019-2-11T14:31:00.000Z", "2019-02-11T4:31:00.000Z",
    "19-02-11T14:31:00.000Z", "+2019-02-11T14:31:00.000Z", "-2019-02-11T14:31:00.000Z",
    "02019-02-11T14:31:00.000Z", "2019-W07-1T14:31:00.000Z", "2019-042T14:31:00.000Z",
    "2019-02-29T14:31:00.000Z", "1900-02-29T14:31:00.000Z", "2019-02-30T00:00:00.000Z",
    "2019-04-31T14:31:00.000Z", "2019-13-01T14:31:00.000Z", "2019-00-11T14:31:00.000Z",
    "2019-02-00T14:31:00.000Z", "2019-02-32T14:31:00.000Z", "2019-99-99T99:99:99.999Z",
    "0000-01-01T00:00:00.000Z", "2019-02-11T24:00:00.000Z", "2019-02-11T25:00:00.000Z",
    "2019-02-11T14:60:00.000Z", "2019-02-11T14:31:60.000Z", "2016-12-31T23:59:60.000Z",
    "2019-02-11T14:31:00.00aZ", "2019-02-11T14:31:00.-01Z", "2019-02-11T14:31:00.000Z[UTC]",
    "Mon, 11 Feb 2019 14:31:00 GMT", "1549895460", "1549895460000", "../../2019-02-11T14:31:00.000Z",
    "2019-02-11T14-31-00.000Z", "2019\\u201002\\u201011T14:31:00.000Z", "２０１９-02-11T14:31:00.000Z",
    "٢٠١٩-02-11T14:31:00.000Z", "2019-02-11T14:31:00.000Z\\u0000", "\\ud800",
)  # fmt: skip

_SOURCES = (
    '""', '" "', '"Replay"', '"YAHOO"', '"re play"', '"-replay"', '"_replay"', '"1replay"', '"re.play"',
    '"replay\\n"', '"réplay"', '"../replay"', f'"{"a" * 33}"', "1", "true", "[]", '{"name":"replay"}',
    '"\\ud800"', "\"a';--\"",
)  # fmt: skip

_NOT_JSON = (
    "nonsense", "AAPL", "AAPL,2019-02-11T14:31:00.000Z,170.97", "symbol,timestamp,price", "<quote/>",
    "symbol: AAPL", "{", "}", "{}}", "{]", "[}", "{,}", "{:}", '{"symbol"}', '{"symbol":}', "{'symbol':'A'}",
    '{symbol:"AAPL"}', '{"symbol":"AAPL",}', '{"symbol":"AAPL" "price":1}', '{"symbol"="AAPL"}',
    '{"symbol":"AAPL"}{"symbol":"MSFT"}', '{"symbol":"AAPL"} x', '{"symbol":"AAPL"},', "{} []",
    '{"symbol":"AAPL" /* note */}', '{"symbol":"AAPL"} // note', '# {"symbol":"AAPL"}',
    '{"symbol":"AAPL"};', '{"price":+1}', '{"price":01}', '{"price":-01}', '{"price":1.}', '{"price":.5}',
    '{"price":1e}', '{"price":1e+}', '{"price":--1}', '{"price":0x1F}', '{"price":1_000}',
    '{"price":1,000}', '{"price":1 000}', '{"price":$1}', '{"price":1d}', '{"price":nan}',
    '{"price":inf}', '{"price":None}', '{"price":True}', '{"price":undefined}', '{"price":TRUE}',
    '{"symbol":"AAPL}', '{"symbol":"A\tB"}', '{"symbol":"A\x00B"}', '{"symbol":"\\x41"}',
    '{"symbol":"\\u12"}', '{"symbol":"\\uZZZZ"}', '{"symbol":"\\"}', '{"symbol":"A\x1f"}', "\x00", "\x1b[31m",
    '\ufeff{"symbol":"AAPL"}', "\u2028", "\u00a0{}", "callback({})", "data: {}", "}{", "'", '"', "\\",
)  # fmt: skip

_NOT_UTF8 = (
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3\x28", b"\xe2\x82", b"\xe2\x28\xa1", b"\xed\xa0\x80",
    b"\xed\xbf\xbf", b"\xf0\x28\x8c\xbc", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8",
    b"\xfe", b"\xff", b"\xdf\xff", b"\xe9", b"\xa0",
)  # fmt: skip


def malformed_records() -> list[tuple[bytes, str]]:
    """Return more than 500 different records of many kinds, none of which holds a line break.

    Each comes with text that its refusal contains. Sent as a line of a file each is one record too.
    """
    return list(chain(_bytes(), _documents(), _fields(), _numbers(), _volumes(), _texts()))


def good_record(**fields: str | None) -> bytes:
    """Return a valid record in which the given fields have other JSON text, or are left out (None)."""
    named = {name: text for name, text in (_GOOD | fields).items() if text is not None}
    return ("{" + ",".join(f'"{name}":{text}' for name, text in named.items()) + "}").encode()


def _bytes() -> Iterator[tuple[bytes, str]]:
    for bad in _NOT_UTF8:
        reason = f"is {bad[0]:#04x}"
        yield bad, f"not UTF-8 text: byte 0 {reason}"
        yield good_record(symbol='"@"').replace(b"@", bad), f"not UTF-8 text: byte 11 {reason}"
        yield good_record() + bad, f"not UTF-8 text: byte {len(good_record())} {reason}"
    yield good_record().decode().encode("utf-16"), "not UTF-8 text: byte 0 is 0xff"
    yield good_record().decode().encode("utf-16-le"), "not JSON"
    yield good_record(symbol='"MÜ"').decode().encode("latin-1"), "not UTF-8 text"
    yield b"\xef\xbb\xbf" + good_record(), "not JSON: Expecting value at character 0"
    yield b"\x1f\x8b\x08\x00" + good_record(), "not UTF-8 text: byte 1 is 0x8b"


def _documents() -> Iterator[tuple[bytes, str]]:
    for text in _NOT_JSON:
        yield text.encode(), "not JSON"
    whole = good_record()
    for length in range(4, len(whole), 3):
        yield whole[:length], "not JSON"
    for text in ("null", "true", "false", "1", "-1.5", '"AAPL"', '""', "[]", "[1]", "[{}]", "[[]]"):
        yield text.encode(), "not a JSON object but"
    yield b"[" + whole + b"]", "not a JSON object but [{'symbol': 'AAPL'"
    yield b'"' + b"A" * 1000 + b'"', "not a JSON object but 'AAAA"
    for opening, closing in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
        deep = opening * 20_000
        yield deep.encode(), "nested too deeply"
        yield (deep + "1" + closing * 20_000).encode(), "nested too deeply"
        yield good_record(symbol=deep + "1" + closing * 20_000), "nested too deeply"
    for name in _GOOD:
        yield whole[:-1] + f',"{name}":{_GOOD[name]}}}'.encode(), "a field appears twice"
        yield whole[:-1] + f',"{name}":null}}'.encode(), "a field appears twice"
    yield whole[:-1] + b',"note":1,"note":2}', "a field appears twice"
    yield whole[:-1] + b',"note":{"a":1,"a":1}}', "a field appears twice"
    yield whole[:-1] + b',"s\\u0079mbol":"MSFT"}', "a field appears twice"


def _fields() -> Iterator[tuple[bytes, str]]:
    yield b"{}", "symbol is missing"
    yield b'{"quote":' + good_record() + b"}", "symbol is missing"
    for name in ("symbol", "timestamp", "price", "source"):
        yield good_record(**{name: None}), f"{name} is missing"
        yield good_record(**{name: "null"}), f"{name} is missing"
        yield (
            good_record().replace(f'"{name}"'.encode(), f'"{name.title()}"'.encode(), 1),
            f"{name} is missing",
        )
        yield good_record().replace(f'"{name}"'.encode(), f'" {name}"'.encode(), 1), f"{name} is missing"


def _numbers() -> Iterator[tuple[bytes, str]]:
    for name in _NUMBERS:
        for text in ("NaN", "Infinity", "-Infinity"):
            yield good_record(**{name: text}), f"{text} is not a JSON number"
        for text in ("true", "false", '"170.97"', '""', '"NaN"', '"1e5"', "[]", "[170.97]", "{}", '{"a":1}'):
            yield good_record(**{name: text}), f"{name} {_python(text)} is not a number"
        for text in (
            "1000000000000000", "-1000000000000000", "1e15", "999999999999999.9999999", "1e400", "-1e400",
            "1e999999", "1E+15", "9" * 400, "-" + "9" * 400, "9" * 400 + ".5",
        ):  # fmt: skip
            yield good_record(**{name: text}), "is not a finite number below 10**15"
        for text in ("9" * 5000, "-" + "9" * 5000, "1e99999999999999999999", "-1e99999999999999999999"):
            yield good_record(**{name: text}), "a number in it is too large"
    for name in ("price", "previous_close"):
        for text in (
            "0",
            "-0",
            "0.0",
            "0e5",
            "-1",
            "-170.97",
            "0.0000005",
            "0.0000001",
            "1e-7",
            "1e-400",
            "-1e-9",
        ):
            yield good_record(**{name: text}), "is not above zero"


def _volumes() -> Iterator[tuple[bytes, str]]:
    for text in (
        "-1", "1.5", "1.0", "0.0", "-0.0", "1e3", "1E3", "9223372036854775808", "-9223372036854775808",
        "9" * 400, "1e400", "true", "false", '"619925"', '""', "[]", "{}", "[1]",
    ):  # fmt: skip
        yield good_record(volume=text), "is not a whole number from 0 to 2**63 - 1"
    for text in ("NaN", "Infinity", "-Infinity"):
        yield good_record(volume=text), f"{text} is not a JSON number"
    yield good_record(volume="1" * 5000), "a number in it is too large"


def _texts() -> Iterable[tuple[bytes, str]]:
    for text in _SYMBOLS:
        yield good_record(symbol=text), "symbol "
    for name in ("timestamp", "observed_at"):
        for text in (*(f'"{time}"' for time in _TIMES), "1549895460", "1549895460.5", "true", "[]", "{}"):
            yield good_record(**{name: text}), f"{name} "
    for text in _SOURCES:
        yield good_record(source=text), "source "


def _python(text: str) -> str:
    """Return how a reason shows a short JSON value."""
    named = {"true": "True", "false": "False", "[170.97]": "[Decimal('170.97')]"}
    return named.get(text, text.replace('"', "'").replace(":", ": "))
