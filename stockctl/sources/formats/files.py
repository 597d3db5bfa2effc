"""Opens input files, detects their compression and format, and reads lines."""

import gzip
import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from io import BufferedReader
from itertools import chain
from pathlib import Path
from threading import Event
from typing import NamedTuple, Protocol, TypeAlias

from stockctl.errors import SourceError, UsageError
from stockctl.sources.base import SourceStopped

STANDARD_INPUT = "-"
FORMATS_HINT = "A replay reads CSV, NDJSON (text in UTF-8; both may be gzip-compressed) and Parquet."

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLOCK = 1 << 18
_STOP_CHECK_SECONDS = 0.2  # between two checks of the stop event while standard input is silent


ByteStream: TypeAlias = gzip.GzipFile | BufferedReader


class Format(Enum):
    """The format of a file."""

    CSV = "CSV"
    NDJSON = "NDJSON"
    PARQUET = "Parquet"


class Input(NamedTuple):
    """A file to replay."""

    argument: str
    """The argument of the command line; ``-`` is standard input."""
    path: Path
    """The file to read, a copy in the case of standard input."""

    @property
    def label(self) -> str:
        """The name of the file without its folder, valid as UTF-8."""
        name = STANDARD_INPUT if self.argument == STANDARD_INPUT else Path(self.argument).name
        return os.fsencode(name).decode("utf-8", "backslashreplace")


def check_arguments(arguments: tuple[str, ...]) -> None:
    """Check that every argument is ``-`` or names a regular file; patterns are not expanded.

    Raises:
        UsageError: there is no argument, one is not such a file, or ``-`` is given twice.
    """
    if not arguments:
        raise UsageError("A replay needs at least one file.", "Pass it with --file; - is standard input.")
    if arguments.count(STANDARD_INPUT) > 1:
        raise UsageError("Standard input (-) can be replayed only once.", "Pass --file - once.")
    for argument in arguments:
        if argument != STANDARD_INPUT:
            _check_regular(argument)


def _check_regular(argument: str) -> None:
    try:
        mode = os.stat(argument).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"The file {argument} does not exist.",
            "--file takes names of local files, not URLs or patterns.",
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{argument} cannot be accessed: {_reason(error)}.") from None
    if stat.S_ISDIR(mode):
        raise UsageError(f"{argument} is a folder, not a file.", "Pass the files in it, each with --file.")
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"{argument} is not a regular file, but a pipe, a socket or a device.",
            "Pipe it into standard input, and pass --file -.",
        )


def resolve_inputs(argument: str, spool: Path, stop: Event) -> Input:
    """Return the file of ``argument``; standard input is first copied to ``spool``.

    Raises:
        SourceStopped: ``stop`` was set while standard input was being copied.
        OSError: the copy cannot be written.
    """
    if argument != STANDARD_INPUT:
        return Input(argument, Path(os.path.abspath(argument)))
    with spool.open("wb") as copy:
        for block in standard_input(stop):
            copy.write(block)
    return Input(argument, spool)


def standard_input(stop: Event) -> Iterator[bytes]:
    """Yield blocks from standard input as they arrive.

    Raises:
        UsageError: there is no standard input.
        SourceStopped: ``stop`` was set.
    """
    if sys.stdin is None:
        raise UsageError("There is no standard input to read.")
    stream = sys.stdin.buffer
    try:
        descriptor = stream.fileno()
    except OSError:  # not a real file
        yield stream.read()
        return
    while block := _read_when_ready(descriptor, stop):
        yield block


def _read_when_ready(descriptor: int, stop: Event) -> bytes:
    # A read of a silent pipe would block, and not notice the stop event.
    while not select.select([descriptor], [], [], _STOP_CHECK_SECONDS)[0]:
        if stop.is_set():
            raise SourceStopped
    if stop.is_set():
        raise SourceStopped
    return os.read(descriptor, _BLOCK)


def detect_format(source: Input) -> Format:
    """Detect the format of a file by its first bytes; its name does not matter.

    Raises:
        SourceError: it is empty, cannot be read, or has an unsupported format.
    """
    with reading_file(source), _opened(source) as stream:
        head = stream.read(_BLOCK)
    if not head:
        raise SourceError(f"{source.argument} is empty.", FORMATS_HINT)
    if head.startswith(_PARQUET):
        if is_gzip(source):
            raise SourceError(f"{source.argument} is Parquet within gzip.", "Decompress it first.")
        return Format.PARQUET
    if head.startswith(_UTF16):
        raise SourceError(f"{source.argument} is text in UTF-16.", "Convert it to UTF-8 first.")
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"[":
        raise SourceError(
            f"{source.argument} is one JSON array, not one object a line.",
            "Write each quote on a line of its own (NDJSON), for example with: jq -c '.[]'",
        )
    return Format.NDJSON if first == b"{" else Format.CSV


def is_gzip(source: Input) -> bool:
    """Return whether the file is gzip-compressed."""
    with source.path.open("rb") as stream:
        return stream.read(len(_GZIP)) == _GZIP


@contextmanager
def open_text(source: Input) -> Iterator[ByteStream]:
    """Open a text file to read bytes, decompressed if it is compressed.

    Raises:
        SourceError: here or within the block, the file cannot be read or its compression is damaged.
    """
    with reading_file(source), _opened(source) as stream:
        yield stream


def _opened(source: Input) -> ByteStream:
    if is_gzip(source):
        return gzip.GzipFile(source.path)
    return source.path.open("rb")


@contextmanager
def reading_file(source: Input) -> Iterator[None]:
    """Turn errors of reading a file within the block into a ``SourceError``."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(
            f"{source.argument} is damaged, its gzip data cannot be read: {error}.",
            "Download or compress the file again; nothing of it was replayed.",
        ) from error
    except OSError as error:
        raise SourceError(f"{source.argument} cannot be read: {_reason(error)}.") from error


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


MAX_ROW = 1 << 16
"""The longest row, in characters."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_LINE_BYTES = 4 * MAX_ROW  # kept of an endless line: more than MAX_ROW characters in any case


class ByteSource(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; an empty result means the end."""


def read_lines(stream: ByteSource, stop: Event) -> Iterator[str]:
    r"""Yield the lines of ``stream`` without their ends (``\n`` or ``\r\n``), and without a byte order mark.

    Bytes that are not UTF-8 become lone surrogates, so that they can be detected and written again. The
    middle of a line that is much too long is left out; it is still longer than ``MAX_ROW``.

    Raises:
        SourceStopped: ``stop`` was set.
        OSError, EOFError, zlib.error: ``stream`` cannot be read.
    """
    return chain.from_iterable(_blocks(stream, stop))


def _blocks(stream: ByteSource, stop: Event) -> Iterator[list[str]]:
    rest = stream.read(len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)
    while block := stream.read(_BLOCK):
        if stop.is_set():
            raise SourceStopped
        ended, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield _split(ended)
        elif len(rest) > _MAX_LINE_BYTES:
            rest = rest[:_MAX_LINE_BYTES]
    if rest:
        yield _split(rest)


def _split(text: bytes) -> list[str]:
    return text.decode("utf-8", "surrogateescape").removesuffix("\r").replace("\r\n", "\n").split("\n")
