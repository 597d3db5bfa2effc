"""Handles standard streams that are closed or broken, and waits until a pipe is closed."""

import errno
import io
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from stockctl.cli.output.messages import print_error, redirect_to_devnull

_FAILED = 1
_ERRORS = "replace"
"""A character that the terminal's encoding does not have becomes a question mark, not an error."""


class OutputFailed(OSError):
    """Standard output cannot be written, and the reason is not a closed pipe."""


class _Output(io.TextIOWrapper):
    """Standard output whose errors can be distinguished from errors of other files.

    It uses Python's own buffer. With a separate buffer, a signal right after the write, before the buffer is
    marked as written, would cause a second write.
    """

    def write(self, text: str, /) -> int:
        with _convert_errors():
            return super().write(text)

    def flush(self) -> None:
        with _convert_errors():
            super().flush()


@contextmanager
def _convert_errors() -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, OutputFailed):
        raise
    except OSError as error:
        raise OutputFailed(error.errno, error.strerror) from None


def prepare() -> None:
    """Make sure that all standard streams exist and accept any character.

    A stream that was closed before the start is replaced: standard input is empty, messages to standard error
    are lost, and writing to standard output fails.
    """
    # In this order each stream gets its own descriptor: open returns the lowest free one.
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - it stays open
    sys.stdout = _output()
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it stays open
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors=_ERRORS)


def _output() -> TextIO:
    old = sys.stdout
    if old is None:
        unwritable = io.FileIO(os.open(os.devnull, os.O_RDONLY), "w")
        return _Output(io.BufferedWriter(unwritable), "utf-8")
    if not isinstance(old, io.TextIOWrapper):
        return old
    return _Output(
        old.buffer,
        old.encoding,
        _ERRORS,
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )


@contextmanager
def flush_output() -> Iterator[None]:
    """Run the program in the block, then flush standard output and exit.

    The exit code is 0 when the reader of a pipe has closed it, and 1, with the reason on stderr, when
    standard output cannot be written. A program that fails for another reason keeps its exit code.
    """
    code: str | int | None = 0
    try:
        try:
            yield
        except SystemExit as end:
            # Typer raises SystemExit when printing a help page fails.
            if isinstance(end.__context__, BrokenPipeError):
                raise end.__context__ from None
            code = end.code
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    except OutputFailed as error:
        discard_stdout()
        print_error(f"error: Standard output cannot be written: {_reason(error)}.")
        code = code or _FAILED
    sys.exit(code)


def discard_stdout() -> None:
    """Redirect stdout to /dev/null, so that the interpreter's last flush does not fail too."""
    redirect_to_devnull(sys.stdout.fileno())


def _reason(error: OSError) -> str:
    if error.errno == errno.EBADF:
        return "it is closed"
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def pause(seconds: float) -> None:
    """Wait, but stop at once when the reader of standard output closes the pipe.

    Raises:
        BrokenPipeError: the pipe is closed.
    """
    if sys.stdout.isatty():
        time.sleep(seconds)
        return
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if any(
        event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(seconds * 1000)
    ):
        raise BrokenPipeError
