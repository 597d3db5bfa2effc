"""A batch as one blob and back.

The blob: a CRC-32 of what follows, the number of items, three lengths for each item, then the bytes of
all items, each as data, origin and key (of a record) or reason (of a rejection).
"""

import struct
import zlib
from collections.abc import Iterator, Sequence

from stockctl.pipeline.ports import Record, Rejection

_CRC = struct.Struct("<I")
_COUNT = struct.Struct("<I")
_HEAD_BYTES = _CRC.size + _COUNT.size
_FIELDS = 3


def pack(items: Sequence[Record] | Sequence[Rejection]) -> bytes:
    """Return ``items`` as a blob."""
    fields = [
        field
        for data, origin, third in items
        for field in (data, origin.encode(errors="surrogatepass"), third.encode(errors="surrogatepass"))
    ]
    lengths = struct.pack(f"<{len(fields)}I", *map(len, fields))
    body = b"".join((_COUNT.pack(len(items)), lengths, *fields))
    return _CRC.pack(zlib.crc32(body)) + body


def unpack_records(blob: bytes) -> list[Record]:
    """Return the records in a blob.

    Raises:
        ValueError: it is not what was written.
    """
    return [Record(data, origin, key) for data, origin, key in _unpack(blob)]


def unpack_rejections(blob: bytes) -> list[Rejection]:
    """Return the rejections in a blob.

    Raises:
        ValueError: it is not what was written.
    """
    return [Rejection(data, origin, reason) for data, origin, reason in _unpack(blob)]


def _unpack(blob: bytes) -> Iterator[tuple[bytes, str, str]]:
    if len(blob) < _HEAD_BYTES or _CRC.pack(zlib.crc32(memoryview(blob)[_CRC.size :])) != blob[: _CRC.size]:
        raise ValueError("a batch in it is not what was written")
    (count,) = _COUNT.unpack_from(blob, _CRC.size)
    lengths = struct.unpack_from(f"<{_FIELDS * count}I", blob, _HEAD_BYTES)
    at = _HEAD_BYTES + 4 * len(lengths)
    for place in range(0, len(lengths), _FIELDS):
        first, second, third = lengths[place : place + _FIELDS]
        middle, last, end = at + first, at + first + second, at + first + second + third
        yield (
            blob[at:middle],
            blob[middle:last].decode(errors="surrogatepass"),
            blob[last:end].decode(errors="surrogatepass"),
        )
        at = end
