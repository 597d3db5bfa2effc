"""Encodes records in the aggregated record format of the Kinesis Producer Library; see ``kpl_decoder``."""

from functools import lru_cache

from stockctl.backends.aws.kinesis.kpl_decoder import DIGEST_BYTES, MAGIC, digest


class Encoder:
    """Builds one aggregated record.

    Args:
        limit: maximum size of the encoded record, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._free_bytes = limit - len(MAGIC) - DIGEST_BYTES
        self._key_table: list[bytes] = []
        self._records: list[bytes] = []
        self._headers: dict[str, bytes] = {}

    def add(self, key: str, data: bytes) -> bool:
        """Add a record; return False if it does not fit, and change nothing."""
        header = self._headers.get(key)
        entry = b""
        if header is None:
            name = key.encode()
            entry = b"\x0a%b%b" % (_varint(len(name)), name)
            header = b"\x08%b\x1a" % _varint(len(self._headers))
        size = _varint(len(data))
        record = b"\x1a%b%b%b%b" % (_varint(len(header) + len(size) + len(data)), header, size, data)
        free_bytes = self._free_bytes - len(record) - len(entry)
        if free_bytes < 0:
            return False
        self._free_bytes = free_bytes
        self._records.append(record)
        if entry:
            self._headers[key] = header
            self._key_table.append(entry)
        return True

    def encode(self) -> bytes:
        """Return the aggregated record."""
        message = b"".join(self._key_table + self._records)
        return b"%b%b%b" % (MAGIC, message, digest(message))


@lru_cache(maxsize=8192)
def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
