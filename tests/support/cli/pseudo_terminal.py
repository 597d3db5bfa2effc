"""Running stockctl on a pseudo-terminal, as a person does who is asked something, or reads a table."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from io import RawIOBase

from support.cli.command import SECONDS, Command
from support.cli.screen import Screen


def answered(
    command: Command, answers: Sequence[str], *arguments: str, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end with standard input on a terminal on which somebody types ``answers``, then Ctrl-D."""
    person, terminal = pty.openpty()
    try:
        child = command.start(*arguments, extra=extra, stdin=terminal)
        os.write(person, "".join(f"{answer}\n" for answer in answers).encode() + b"\x04")
        out, err = child.communicate(timeout=SECONDS)
    finally:
        os.close(person)
        os.close(terminal)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def seen(command: Command, width: int, *arguments: str) -> list[str]:
    """Run to the end with standard output on a terminal ``width`` wide, and return the lines seen there."""
    person, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    with open(person, "rb", buffering=0) as reader:
        child = command.start(
            *arguments,
            extra={"TERM": "xterm", "COLUMNS": None},
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.DEVNULL,
        )
        os.close(terminal)
        screen = Screen(width)
        screen.feed(b"".join(_chunks(reader)).decode())
        assert child.wait(SECONDS) == 0
    return screen.lines


def _chunks(reader: RawIOBase) -> Iterator[bytes]:
    try:
        while chunk := reader.read(4096):
            yield chunk
    except OSError:  # how a terminal ends on Linux when nobody writes to it any more
        return
