"""Running stockctl on a pseudo-terminal, as a person does who is asked something."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence

from command import SECONDS, Command


def answered(
    command: Command, answers: Sequence[str], *arguments: str, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end with standard input on a terminal on which somebody types ``answers``, then Ctrl-D."""
    person, terminal = pty.openpty()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "stockctl", *arguments],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=command.environment(extra),
            cwd=command.folder,
            text=True,
        )
        os.write(person, "".join(f"{answer}\n" for answer in answers).encode() + b"\x04")
        out, err = child.communicate(timeout=SECONDS)
    finally:
        os.close(person)
        os.close(terminal)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)
