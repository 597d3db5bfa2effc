"""How records and rejections are encoded in the outbox: one blob with a checksum for each batch."""

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import TypeVar

from stockctl.pipeline.ports import Record, Rejection

_CRC = struct.Struct("<I")
_HEAD = struct.Struct("<II")

Item = TypeVar("Item")


def pack(items: Sequence[Record] | Sequence[Rejection]) -> bytes:
    """Return ``items`` as one blob."""
    data, origins, others = zip(*(item[:3] for item in items), strict=True) if items else ((), (), ())
    texts = json.dumps([origins, others]).encode("ascii")
    lengths = struct.pack(f"<{len(items)}I", *map(len, data))
    body = b"".join((_HEAD.pack(len(items), len(texts)), texts, lengths, *data))
    return _CRC.pack(zlib.crc32(body)) + body


def unpack_records(blob: bytes) -> list[Record]:
    """Return the records in a blob.

    Raises:
        ValueError: its checksum is wrong.
    """
    return _unpack(blob, Record)


def unpack_rejections(blob: bytes) -> list[Rejection]:
    """Return the rejections in a blob.

    Raises:
        ValueError: its checksum is wrong.
    """
    return _unpack(blob, Rejection)


def _unpack(blob: bytes, make: Callable[[bytes, str, str], Item]) -> list[Item]:
    if len(blob) < _CRC.size + _HEAD.size or _CRC.pack(zlib.crc32(blob[_CRC.size :])) != blob[: _CRC.size]:
        raise ValueError("the checksum of a batch is wrong")
    count, size = _HEAD.unpack_from(blob, _CRC.size)
    texts_at = _CRC.size + _HEAD.size
    lengths_at = texts_at + size
    origins, others = json.loads(blob[texts_at:lengths_at])
    lengths = struct.unpack_from(f"<{count}I", blob, lengths_at)
    return list(map(make, _slices(blob, lengths_at + 4 * count, lengths), origins, others))


def _slices(blob: bytes, start: int, lengths: Iterable[int]) -> Iterable[bytes]:
    return (blob[first:last] for first, last in pairwise(accumulate(lengths, initial=start)))
