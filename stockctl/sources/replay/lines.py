"""The lines of a text file, read in blocks, so that neither a long file nor a long line fills memory."""

from collections.abc import Iterator
from itertools import chain
from threading import Event
from typing import Protocol

from stockctl.sources.replay.stopped import Stopped

MAX_ROW = 1 << 16
"""A row may have so many characters."""

_BLOCK = 1 << 18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_KEPT = 4 * MAX_ROW  # bytes of a line without end: more than MAX_ROW characters, whatever they are


class ByteSource(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


def read_lines(stream: ByteSource, stop: Event) -> Iterator[str]:
    r"""Yield the lines of ``stream`` without their ends (``\n`` or ``\r\n``), and without a byte order mark.

    Bytes that are not UTF-8 come as lone surrogates, so that they can be told and written again. Of a
    line that is much too long the middle is left out; it still is longer than ``MAX_ROW``.

    Raises:
        Stopped: ``stop`` was set.
        OSError, EOFError, zlib.error: ``stream`` cannot be read.
    """
    return chain.from_iterable(_blocks(stream, stop))


def _blocks(stream: ByteSource, stop: Event) -> Iterator[list[str]]:
    rest = stream.read(len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
    while block := stream.read(_BLOCK):
        if stop.is_set():
            raise Stopped
        ended, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield _split(ended)
        elif len(rest) > _KEPT:
            rest = rest[:_KEPT]
    if rest:
        yield _split(rest)


def _split(text: bytes) -> list[str]:
    return text.decode("utf-8", "surrogateescape").removesuffix("\r").replace("\r\n", "\n").split("\n")
