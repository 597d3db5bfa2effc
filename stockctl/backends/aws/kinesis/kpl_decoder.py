"""Decodes the aggregated record format of the Kinesis Producer Library (KPL): many records in one.

An aggregated record is four magic bytes, a protobuf message, and the MD5 of the message::

    message AggregatedRecord {
      repeated string partition_key_table     = 1;
      repeated string explicit_hash_key_table = 2;
      repeated Record records                 = 3;
    }
    message Record {
      required uint64 partition_key_index     = 1;
      optional uint64 explicit_hash_key_index = 2;
      required bytes  data                    = 3;
      repeated Tag    tags                    = 4;
    }
    message Tag {
      required string key   = 1;
      optional string value = 2;
    }
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stockctl.market.errors import InvalidQuote

MAGIC = b"\xf3\x89\x9a\xc2"
MAX_MEMBERS = 20_000
"""Maximum number of records in an aggregated record; more than that would not fit as quotes."""

DIGEST_BYTES = 16
# Shifts of the second and later bytes of a 64-bit number.
_SHIFTS = range(7, 70, 7)
# Tags: the field number times eight, plus 0 for a number or 2 for bytes after their length.
_PARTITION_KEY = 0x0A
_EXPLICIT_HASH_KEY = 0x12
_RECORD = 0x1A
_PARTITION_KEY_INDEX = 0x08
_EXPLICIT_HASH_KEY_INDEX = 0x10
_DATA = 0x1A
_TAGS = 0x22
_TAG_KEY = 0x0A
_TAG_VALUE = 0x12


class Member(NamedTuple):
    """A record within an aggregated one."""

    key: str
    """Its partition key."""
    data: bytes


def is_aggregated(data: bytes) -> bool:
    """Return whether ``data`` has the magic bytes of an aggregated record."""
    return data.startswith(MAGIC)


def decode(data: bytes) -> list[Member]:
    """Return the records in an aggregated record, in order.

    Raises:
        InvalidQuote: the digest does not match, or a part of the message is missing, unknown or cut off.
    """
    message = data[len(MAGIC) : -DIGEST_BYTES]
    if not is_aggregated(data) or data[len(MAGIC) + len(message) :] != digest(message):
        raise InvalidQuote(f"aggregated record of {len(data)} bytes whose digest does not match")
    try:
        return _read_message(message)
    except InvalidQuote as reason:
        raise InvalidQuote(f"aggregated record that cannot be read: {reason}") from None


def digest(message: bytes) -> bytes:
    """Return the MD5 of a message, which ends an aggregated record."""
    return hashlib.md5(message, usedforsecurity=False).digest()


def _read_message(message: bytes) -> list[Member]:
    keys: list[str] = []
    hash_keys = 0
    records: list[bytes] = []
    for tag, _, chunk in _fields(message):
        if tag == _RECORD:
            records.append(chunk)
        elif tag == _PARTITION_KEY:
            keys.append(_text(chunk))
        elif tag == _EXPLICIT_HASH_KEY:
            _text(chunk)
            hash_keys += 1
        else:
            raise _unexpected(tag)
    if not 0 < len(records) <= MAX_MEMBERS:
        raise InvalidQuote(f"it holds {len(records)} records")
    return [_read_record(record, keys, hash_keys) for record in records]


def _read_record(record: bytes, keys: Sequence[str], hash_keys: int) -> Member:
    index = hash_index = data = None
    for tag, number, chunk in _fields(record):
        if tag == _PARTITION_KEY_INDEX and index is None:
            index = number
        elif tag == _DATA and data is None:
            data = chunk
        elif tag == _EXPLICIT_HASH_KEY_INDEX and hash_index is None:
            hash_index = number
        elif tag == _TAGS:
            _check_tag(chunk)
        else:
            raise _unexpected(tag)
    if index is None or data is None:
        raise InvalidQuote("a record has no key or no data")
    if index >= len(keys) or (hash_index is not None and hash_index >= hash_keys):
        raise InvalidQuote("a record names a key that is not in the table")
    return Member(keys[index], data)


def _check_tag(message: bytes) -> None:
    tags = set()
    for tag, _, chunk in _fields(message):
        if tag not in (_TAG_KEY, _TAG_VALUE):
            raise _unexpected(tag)
        tags.add(tag)
        _text(chunk)
    if _TAG_KEY not in tags:
        raise InvalidQuote("a tag has no key")


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield tag, number and bytes of each field; a field has either a number or bytes."""
    position = 0
    while position < len(message):
        tag = message[position]
        kind = tag & 7
        if kind not in (0, 2):
            raise _unexpected(tag)
        number, position = _read_varint(message, position + 1)
        if kind == 0:
            yield tag, number, b""
        else:
            end = position + number
            if end > len(message):
                raise InvalidQuote("a field is cut off")
            yield tag, 0, message[position:end]
            position = end


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the number at ``position`` and the position after it."""
    try:
        value = message[position]
        if value < 0x80:
            return value, position + 1
        value &= 0x7F
        for shift in _SHIFTS:
            position += 1
            byte = message[position]
            value |= (byte & 0x7F) << shift
            if byte < 0x80 and value < 1 << 64:
                return value, position + 1
    except IndexError:
        raise InvalidQuote("a number is cut off") from None
    raise InvalidQuote("a number has more than 64 bits")


def _text(chunk: bytes) -> str:
    try:
        return chunk.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidQuote("a key is not UTF-8 text") from None


def _unexpected(tag: int) -> InvalidQuote:
    return InvalidQuote(f"the field with tag {tag:#04x} is unknown or repeated")
