"""The aggregated record format, checked against Amazon's library in both directions; damaged data."""

import hashlib

import pytest
from aws_kinesis_agg.aggregator import AggRecord
from aws_kinesis_agg.messages_pb2 import AggregatedRecord
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.aws.kinesis.kpl_decoder import MAGIC, MAX_MEMBERS, decode, is_aggregated
from stockctl.backends.aws.kinesis.kpl_encoder import Encoder
from stockctl.market.errors import InvalidQuote
from support.aws.kinesis_model import deaggregated
from support.quote_strategies import examples

MEGABYTE = 1 << 20
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256) | st.sampled_from("ABC")
DATA = st.binary(max_size=300) | st.integers(0, 20_000).map(bytes)
RECORDS = st.lists(st.tuples(KEYS, DATA), min_size=1, max_size=40)

Records = list[tuple[str, bytes]]


def encoded(records: Records, limit: int = MEGABYTE) -> bytes:
    """Return the records as one, all of which must fit."""
    encoder = Encoder(limit)
    assert all(encoder.add(key, data) for key, data in records)
    return encoder.encode()


def sealed(message: bytes) -> bytes:
    """Return a message between magic and digest."""
    return MAGIC + message + hashlib.md5(message).digest()


def message_of(records: Records) -> AggregatedRecord:
    """Return the records as Google's protobuf holds them."""
    message = AggregatedRecord()
    message.partition_key_table.extend(dict.fromkeys(key for key, _ in records))
    for key, data in records:
        message.records.add(partition_key_index=list(message.partition_key_table).index(key), data=data)
    return message


@examples(150)
@given(RECORDS)
def test_what_is_written_is_what_protobuf_writes(records: Records):
    """To the byte, whatever the keys and the data; and Amazon's library and our own find it all, in order."""
    data = encoded(records)
    assert data == sealed(message_of(records).SerializeToString())
    assert deaggregated(data) == records
    assert is_aggregated(data)
    assert decode(data) == records


@examples(100)
@given(st.lists(st.tuples(KEYS, DATA, st.none() | st.integers(0, 2**128 - 1).map(str)), min_size=1))
def test_what_amazon_s_library_writes_is_read(records: list[tuple[str, bytes, str | None]]):
    """With and without explicit hash keys."""
    theirs = AggRecord()
    for key, data, hash_key in records:
        assert theirs.add_user_record(key, data, hash_key)
    assert decode(theirs.get_contents()[2]) == [record[:2] for record in records]


def test_tags_and_any_order_of_fields_are_read():
    """The format allows tags, and tables behind the records that point into them."""
    tagged = message_of([("A", b"1"), ("B", b"2")])
    tagged.records[0].tags.add(key="k", value="v")
    tagged.records[1].tags.add(key="k")
    assert decode(sealed(tagged.SerializeToString())) == [("A", b"1"), ("B", b"2")]
    tables = AggregatedRecord(partition_key_table=["A", "B"]).SerializeToString()
    records = AggregatedRecord(records=tagged.records).SerializeToString()
    assert decode(sealed(records + tables)) == [("A", b"1"), ("B", b"2")]


@examples(150)
@given(st.lists(st.tuples(KEYS, st.binary(max_size=200)), min_size=1, max_size=60), st.integers(20, 4000))
def test_the_limit_is_used_to_the_last_byte_and_never_passed(records: Records, limit: int):
    """A record is turned away just when it would not fit, and then nothing has changed."""
    encoder, taken = Encoder(limit), []
    for key, data in records:
        fits = len(encoded([*taken, (key, data)])) <= limit
        assert encoder.add(key, data) == fits
        if fits:
            taken.append((key, data))
    assert len(encoder.encode()) <= limit
    if taken:
        assert decode(encoder.encode()) == taken


SMALL = encoded([("AAPL", b'{"a":1}'), ("MSFT", b""), ("AAPL", b"x" * 130)])


def test_each_truncation_is_refused():
    """Wherever it is cut off, and nothing else is raised."""
    assert len(decode(SMALL)) == 3
    for length in range(len(SMALL)):
        with pytest.raises(
            InvalidQuote, match=f"^aggregated record of {length} bytes whose digest does not match$"
        ):
            decode(SMALL[:length])


def test_each_flipped_bit_is_refused():
    """In magic, message and digest."""
    for place in range(len(SMALL) * 8):
        damaged = bytearray(SMALL)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(InvalidQuote, match="digest does not match"):
            decode(bytes(damaged))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "it holds 0 records"),
        (b"\x0a\x01A", "it holds 0 records"),
        (b"\x1a\x05\x08\x00\x1a\x01x", "not in the table"),
        (b"\x0a\x01A\x1a\x05\x08\x01\x1a\x01x", "not in the table"),
        (b"\x0a\x01A\x1a\x07\x08\x00\x10\x00\x1a\x01x", "not in the table"),
        (b"\x0a\x01A\x1a\x03\x1a\x01x", "has no key or no data"),
        (b"\x0a\x01A\x1a\x02\x08\x00", "has no key or no data"),
        (b"\x0a\x01A\x1a\x08\x08\x00\x1a\x01x\x1a\x01y", "with tag 0x1a"),
        (b"\x0a\x01A\x1a\x07\x08\x00\x1a\x01x\x08\x00", "with tag 0x08"),
        (b"\x0a\x01A\x1a\x05\x08\x00\x1a\x02x", "cut off"),
        (b"\x0a\x01A\x1a\x05\x08\x00\x1a\x01", "cut off"),
        (b"\x0a\x01A\x1a", "a number is cut off"),
        (b"\x0a\x01A\x1a\x81", "a number is cut off"),
        (b"\x0a" + b"\xff" * 10 + b"\x01", "more than 64 bits"),
        (b"\x0a" + b"\x80" * 10 + b"\x00", "more than 64 bits"),
        (b"\x0a" + b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "a field is cut off"),
        (b"\x8a\x00\x01A\x1a\x05\x08\x00\x1a\x01x", "with tag 0x8a"),
        (b"\x0a\x01\xff\x1a\x05\x08\x00\x1a\x01x", "not UTF-8"),
        (b"\x0a\x01A\x12\x01\xff\x1a\x05\x08\x00\x1a\x01x", "not UTF-8"),
        (b"\x0a\x01A\x1a\x05\x08\x00\x1a\x01x\x2a\x01x", "with tag 0x2a"),
        (b"\x0a\x01A\x1a\x05\x08\x00\x1a\x01x\x08\x01", "with tag 0x08"),
        (b"\x0a\x01A\x1a\x05\x08\x00\x1a\x01x\x0b\x0c", "with tag 0x0b"),
        (b"\x0a\x01A\x1a\x07\x08\x00\x1a\x01x\x22\x00", "tag has no key"),
        (b"\x0a\x01A\x1a\x0b\x08\x00\x1a\x01x\x22\x04\x0a\x00\x08\x00", "with tag 0x08"),
        (b"\x00\x00", "with tag 0x00"),
    ],
)  # fmt: skip
def test_a_wrong_structure_under_a_right_digest_is_refused(message: bytes, reason: str):
    """The whole record is rejected, even if parts could be read; the reason names the error."""
    with pytest.raises(InvalidQuote, match=f"^aggregated record that cannot be read: .*{reason}"):
        decode(sealed(message))


@st.composite
def damaged_messages(draw: st.DrawFn) -> bytes:
    """Draw a message some of whose bytes are others, more or gone."""
    message = bytearray(
        message_of(draw(RECORDS.filter(lambda records: len(records) < 5))).SerializeToString()
    )
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(message)))
        message[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(message)


@examples(400)
@given(damaged_messages() | st.binary(max_size=60))
def test_whatever_is_read_protobuf_reads_as_well(message: bytes):
    """A damaged message is refused or means the same to both, and nothing else is raised."""
    try:
        members = decode(sealed(message))
    except InvalidQuote:
        return
    try:
        theirs = AggregatedRecord.FromString(message)
    except DecodeError:
        pytest.fail("protobuf does not read it")
    assert members == [(theirs.partition_key_table[r.partition_key_index], r.data) for r in theirs.records]


def test_one_with_more_records_than_quotes_could_be_is_refused():
    """A megabyte of nothing is one unreadable record, not a hundred thousand."""
    most = [("A", b"")] * MAX_MEMBERS
    assert len(decode(encoded(most))) == MAX_MEMBERS
    with pytest.raises(InvalidQuote, match=f"it holds {MAX_MEMBERS + 1} records"):
        decode(encoded([*most, ("A", b"")]))


@pytest.mark.parametrize("data", [b"", b"{}", MAGIC[:3], b"\xf3\x89\x9a\xc3", b" " + MAGIC])
def test_what_does_not_begin_with_the_magic_is_not_aggregated(data: bytes):
    """It passes as it is."""
    assert not is_aggregated(data)
