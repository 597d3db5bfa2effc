"""Standard streams that are closed or broken, and pauses that a closed pipe ends."""

import errno
import io
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from stockctl.cli.output.terminal import print_error, redirect_to_devnull

_FAILED = 1
_ERRORS = "replace"
"""A terminal without UTF-8 gets a question mark instead of a failure."""


class OutputFailed(OSError):
    """Standard output cannot be written, although somebody may still read it."""


class _Output(io.TextIOWrapper):
    """Text whose failures are known as those of standard output.

    What is below it is Python's own: a signal that came between the writing of bytes and the note that they
    are written would have them written twice.
    """

    def write(self, text: str, /) -> int:
        with _failures():
            return super().write(text)

    def flush(self) -> None:
        with _failures():
            super().flush()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, OutputFailed):
        raise
    except OSError as error:
        raise OutputFailed(error.errno, error.strerror) from None


def prepare() -> None:
    """Let each stream be there, and take any character.

    One that was closed by whoever started us gets a stand-in: nothing comes in, what is said is lost, and
    data is refused once there is some.
    """
    # In this order each takes the descriptor that is its own.
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
    """Run the program in the block; when standard output takes no more, end it by the contract's exit codes.

    They are 0 when its reader has gone and 1, with the reason on stderr, when it cannot be written; a program
    that fails for a reason of its own keeps its code.
    """
    code: str | int | None = 0
    try:
        try:
            yield
        except SystemExit as end:
            # Typer's help is printed on a console of rich's own, which ends the program like this.
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
    """Point stdout at nothing, so that the interpreter's last flush does not fail as well."""
    redirect_to_devnull(sys.stdout.fileno())


def _reason(error: OSError) -> str:
    if error.errno == errno.EBADF:
        return "it is closed"
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def pause(seconds: float) -> None:
    """Wait, and notice at once when whoever reads our pipe has gone.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    if not hasattr(select, "poll") or sys.stdout.isatty():
        time.sleep(seconds)
        return
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    if any(
        event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in watch.poll(seconds * 1000)
    ):
        raise BrokenPipeError
