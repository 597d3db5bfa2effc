"""Records that cannot become quotes: each is refused with its reason, and by nothing else."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.errors import InvalidQuote
from stockctl.market.quote import MAX_RECORD_BYTES, Quote, decode_record, make_quote
from support.malformed_records import good_record, malformed_records
from support.quote_strategies import examples

FIELDS = tuple(Quote._fields)
_REASON_LENGTH = 180


def refusal_of(data: bytes) -> str | None:
    """Return the reason why ``data`` is refused, or None when it is not."""
    try:
        decode_record(data)
    except InvalidQuote as reason:
        return str(reason)
    return None


def test_there_are_500_different_malformed_records():
    """The list other tests rely on is long, holds no record twice, and each fits on a line of a file."""
    data = [record for record, _ in malformed_records()]
    assert len(set(data)) == len(data) >= 500
    assert not any(b"\n" in record or b"\r" in record or not record.strip() for record in data)


def test_every_malformed_record_is_refused_with_its_reason():
    """Each of hundreds of malformed records is refused, and the reason names what is wrong."""
    reasons = [(record, part, refusal_of(record)) for record, part in malformed_records()]
    assert [wrong for wrong in reasons if wrong[2] is None or wrong[1] not in wrong[2]] == []


def test_reasons_are_short_lines_of_plain_text():
    """Whatever stands in a record, its reason is a line of printable ASCII, fit for terminals and logs."""
    reasons = [refusal_of(record) or "" for record, _ in malformed_records()]
    assert [text for text in reasons if not (text.isascii() and text.isprintable())] == []
    assert max(map(len, reasons)) <= _REASON_LENGTH


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "not JSON: Expecting value at character 0"),
        (b"\n", "not JSON: Expecting value at character 1"),
        (good_record(price="0.0000004"), "price 4E-7 is not above zero (6 decimals count)"),
        (good_record(price="-5"), "price -5 is not above zero (6 decimals count)"),
        (good_record(price="1e400"), "price 1E+400 is not a finite number below 10**15"),
        (good_record(price='"1"'), "price '1' is not a number"),
        (good_record(price="NaN"), "NaN is not a JSON number"),
        (good_record(volume="1.5"), "volume 1.5 is not a whole number from 0 to 2**63 - 1"),
        (
            good_record(symbol='"../x"'),
            "symbol '../x' is not 1 to 20 letters, digits and . ^ = - (such as BRK-B or ^VIX)",
        ),
        (
            good_record(timestamp='"2019-02-11"'),
            "timestamp '2019-02-11' is not a UTC time such as 2008-10-06T20:00:00.000Z",
        ),
        (
            good_record(source='"A"'),
            "source 'A' is not 1 to 32 lowercase letters, digits, - and _, starting with a letter",
        ),
        (good_record(price=None), "price is missing"),
    ],
)
def test_reason_reads(record: bytes, reason: str):
    """The whole reason is a sentence that names the field, the value and what was expected."""
    assert refusal_of(record) == reason


def test_first_broken_field_is_named():
    """Of several broken fields the reason names the first in the order of the contract."""
    record = good_record(source='"A"', price="-1", symbol='"$"')
    assert (refusal_of(record) or "").startswith("symbol ")


def test_oversized_record_is_refused_unread():
    """A record above one mebibyte is refused for its size, even when it is valid."""
    record = good_record()
    padded = record + b" " * (MAX_RECORD_BYTES - len(record))
    assert refusal_of(padded) is None
    assert refusal_of(padded + b" ") == "record of 1048577 bytes is larger than 1048576"


def test_nesting_at_the_edge_of_what_the_interpreter_takes():
    """Around the deepest nesting that can be parsed, a record is refused like any other."""
    low, high = 1, 60_000
    while high - low > 1:
        middle = (low + high) // 2
        too_deep = "too deeply" in (refusal_of(b"[" * middle + b"]" * middle) or "")
        low, high = (low, middle) if too_deep else (middle, high)
    for depth in range(max(1, low - 40), high + 40):
        for nest in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
            assert refusal_of(good_record(symbol=nest))
            assert refusal_of(good_record(high=nest))
            assert refusal_of(nest.encode())


@pytest.mark.parametrize(
    "value",
    [1.5, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity"), True, "1", b"1"],
)
@pytest.mark.parametrize("field", ["price", "previous_close", "open", "high", "low"])
def test_values_that_sources_must_not_pass(field: str, value: object):
    """A source that hands on a float, text or a decimal that is not finite is told so."""
    fields = {"symbol": "A", "timestamp": "2019-02-11T14:31:00.000Z", "price": 1, "source": "x", field: value}
    with pytest.raises(InvalidQuote, match=f"^{field} "):
        make_quote(fields)


@given(st.binary(max_size=200))
@examples(100)
def test_any_bytes_are_read_or_refused(data: bytes):
    """No bytes bring anything but a quote or a refusal."""
    refusal_of(data)


_JSON_TEXT = st.recursive(
    st.sampled_from(["null", "true", "1", "-0", "0.1", "1e5", "1e-400", "NaN", '"A"', '"\\ud800"', '""', "x"])
    | st.integers().map(str)
    | st.floats().map(repr)
    | st.text(max_size=8).map(lambda text: '"' + text + '"'),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from((*FIELDS, "note")), _JSON_TEXT | st.none(), max_size=4))
@examples(200)
def test_any_fields_are_read_or_refused(fields: dict[str, str | None]):
    """A good record with some fields replaced by anything is read or refused with a readable reason."""
    reason = refusal_of(good_record(**fields).decode().encode("utf-8", "replace"))
    assert reason is None or (reason.isascii() and reason.isprintable())


@given(st.integers(0, len(good_record()) - 1), st.binary(max_size=3), st.integers(0, 4))
@examples(150)
def test_any_small_damage_is_read_or_refused(place: int, inserted: bytes, removed: int):
    """A good record with a few bytes replaced is read or refused, and what is read can be read again."""
    record = good_record()
    damaged = record[:place] + inserted + record[place + removed :]
    try:
        reading = decode_record(damaged)
    except InvalidQuote:
        return
    assert decode_record(reading.body).quote == reading.quote
