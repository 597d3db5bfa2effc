"""The shell in which the commands of a page run."""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from console_output import without_blank_end

from support.paths import DEMO

SECONDS = 120.0
"""Longest run of a command."""
WIDTH = 100


class Shell:
    """A shell whose home is a new folder and whose ``stockctl`` is the package under test.

    Args:
        folder: home and working directory.
        extra: what to add to its environment.
        shown_as: what to write for a text in the output that differs with each run.
    """

    def __init__(
        self, folder: Path, extra: Mapping[str, str] | None = None, shown_as: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._shown_as = {str(folder / ".tmp"): "/tmp", str(folder): "/home/you", **(shown_as or {})}
        self._place_files()
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**self._environment(), **(extra or {})},
            start_new_session=True,
        )

    def _place_files(self) -> None:
        programs = self._folder / ".bin"
        programs.mkdir(parents=True)
        program = programs / "stockctl"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m stockctl "$@"\n')
        program.chmod(0o755)
        (self._folder / ".tmp").mkdir()
        demo = self._folder / "stockctl" / "demo"
        demo.mkdir(parents=True)
        (demo / DEMO.name).write_bytes(DEMO.read_bytes())

    def _environment(self) -> dict[str, str]:
        nowhere = "http://127.0.0.1:9"  # nobody listens there: nothing leaves this machine
        return {
            "PATH": os.pathsep.join([str(self._folder / ".bin"), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder / ".tmp"),
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "COLUMNS": str(WIDTH),
            "PYTHONUNBUFFERED": "1",  # stdout and stderr in the order in which they were written
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run(self, command: str) -> tuple[list[str], int]:
        """Run a command to its end; return the lines of both its streams as they came, and its exit code."""
        assert self._process.stdin is not None
        marker = f"end-of-command-{time.monotonic_ns()}"
        script = f"{{ {command}\n}} </dev/null\nprintf '\\n%s %s\\n' {marker} $?\n"
        self._process.stdin.write(script.encode())
        self._process.stdin.flush()
        text, code = self._read_until(f"\n{marker} ")
        for real, shown in self._shown_as.items():
            text = text.replace(real, shown)
        return without_blank_end(text.replace("\r\n", "\n").split("\n")), code

    def _read_until(self, marker: str) -> tuple[str, int]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + SECONDS
        end = re.compile(re.escape(marker) + r"(\d+)\n$")
        data = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while (found := end.search(text := data.decode(errors="replace"))) is None:
                if not selector.select(deadline - time.monotonic()):
                    raise TimeoutError(f"no end after {SECONDS:.0f} s; output so far:\n{text}")
                if not (chunk := os.read(self._process.stdout.fileno(), 65_536)):
                    raise EOFError(f"the shell has ended; its output:\n{text}")
                data += chunk
        return text[: found.start()], int(found[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the shell and all that it has started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
