"""Messages on standard error, and text that is safe to print on a terminal."""

import logging
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

from stockctl.market.timestamp import to_datetime

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def escape_control(text: str) -> str:
    """Return ``text`` with those characters escaped that could move the cursor, or hide or reorder text."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _UNSAFE
        else character
        for character in text
    )


def display_width(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 quote`` or ``2,500 quotes``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def print_message(message: object) -> None:
    """Print a message on stderr; an error while writing it is ignored."""
    # A single write, so that lines of two threads are never mixed.
    _write(escape_control(str(message)) + "\n")


def _write(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def drop_lost_stderr() -> None:
    """If stderr cannot be written, redirect it to /dev/null, so that the last flush does not fail."""
    try:
        sys.stderr.flush()
    except OSError:
        redirect_to_devnull(sys.stderr.fileno())


def redirect_to_devnull(descriptor: int) -> None:
    """Redirect a descriptor to /dev/null."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, descriptor)
    os.close(devnull)


def print_error(text: str) -> None:
    """Print a line of an error message on stderr; on a terminal it is wrapped and coloured."""
    text = escape_control(text)
    if sys.stderr.isatty():
        indent = len(text) - len(text.lstrip()) + 2
        text = wrap(text, shutil.get_terminal_size().columns, " " * indent)
    if text.startswith("error") and has_style(sys.stderr):
        text = f"\033[31m{text}\033[0m"
    _write(text + "\n")


def has_style(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that shows colours, and the user has not turned them off."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def wrap(text: str, width: int, indent: str = "") -> str:
    """Return ``text`` in lines of at most ``width``; ``indent`` is put before each line except the first."""
    return textwrap.fill(
        text,
        max(width, len(indent) + 20),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


class StderrHandler(logging.Handler):
    """Writes log messages as lines to the current ``sys.stderr``."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        print_message(prefix + record.getMessage())


def set_up_logging(*, verbose: bool) -> None:
    """Print the log of this package on stderr: from level INFO, or all of it; not that of other packages."""
    logger = logging.getLogger("stockctl")
    logger.handlers = [StderrHandler()]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


@contextmanager
def use_log_handler(handler: logging.Handler) -> Iterator[None]:
    """Send what this package logs to ``handler`` alone while the block runs."""
    logger = logging.getLogger("stockctl")
    previous, logger.handlers = logger.handlers, [handler]
    try:
        yield
    finally:
        logger.handlers = previous


def utc_text(timestamp: str) -> str:
    """Return a timestamp for display: a space instead of ``T``; seconds and milliseconds only if not 0."""
    text = timestamp.replace("T", " ").removesuffix("Z").removesuffix(".000")
    return text.removesuffix(":00") if text.endswith(":00") else text


def local_text(timestamp: str) -> str:
    """Return a canonical timestamp in the time zone of this machine, with the zone's name.

    Near the first and the last possible date there may be no local time; then it is in UTC.
    """
    moment = to_datetime(timestamp)
    with suppress(OverflowError):
        moment = moment.astimezone()
    return f"{moment.replace(tzinfo=None).isoformat(' ', 'minutes')} {moment.tzname()}"


@lru_cache(maxsize=1)
def local_is_utc() -> bool:
    """Return whether the time zone of this machine is UTC all year, so that local times are not needed."""
    moments = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 7))
    return all(not moment.astimezone().utcoffset() for moment in moments)
