"""Running stockctl as a user does: a child process in a folder and a home of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from support.cli.fork_client import ForkedCommand, Forks
from support.cli.fork_server import Task

SECONDS = 120
_KEPT = {
    name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "SYSTEMROOT") if name in os.environ
}
FORKS = Forks(_KEPT)


class Command:
    """Runs stockctl with an embedded home below ``folder`` and nothing of this machine's configuration.

    Args:
        folder: home and working directory of the children.
        fresh: start an interpreter for each run; else it is a fork of one that has stockctl loaded.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.folder = folder
        self.forks = FORKS
        self._fresh = fresh
        self.home = folder / "home"

    def environment(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return the environment of a child, without the variables whose value in ``extra`` is ``None``."""
        own = {
            "HOME": str(self.folder),
            "TZ": "UTC",
            "STOCKCTL_LOCAL__PATH": str(self.home),
            "COLUMNS": "200",
        }
        return {name: value for name, value in {**_KEPT, **own, **(extra or {})}.items() if value is not None}

    def run(
        self, *arguments: str, stdin: str | bytes = b"", extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        with self._child(arguments, extra, stdin=subprocess.PIPE) as child:
            try:
                out, err = child.communicate(
                    stdin.encode() if isinstance(stdin, str) else stdin, timeout=SECONDS
                )
            finally:
                child.kill()
        return subprocess.CompletedProcess(child.args, child.returncode, out.decode(), err.decode())

    def ok(self, *arguments: str, **options: Any) -> str:
        """Run, insist on exit code 0 and return standard output."""
        done = self.run(*arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Run with ``-o json`` and return the rows."""
        return json.loads(self.ok(*arguments, "-o", "json"))

    def refused(self, *arguments: str, code: int, **options: Any) -> str:
        """Run, insist on ``code``, on no data and no traceback, and return standard error."""
        done = self.run(*arguments, **options)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert "this is a bug" not in done.stderr
        return done.stderr

    def start(
        self,
        *arguments: str,
        extra: Mapping[str, str | None] | None = None,
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] = subprocess.PIPE,
        stderr: int | IO[Any] = subprocess.PIPE,
        text: bool = True,
    ) -> subprocess.Popen[Any]:
        """Start and return the running child; its output goes into pipes unless another place is given."""
        return self._child(arguments, extra, stdin=stdin, stdout=stdout, stderr=stderr, text=text)

    def _child(
        self, arguments: Sequence[str], extra: Mapping[str, str | None] | None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Return the running child: a fork, unless that would differ from a new interpreter."""
        environment = self.environment(extra)
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        if not self._fresh and self.forks.serves(environment):
            return ForkedCommand(self.forks, Task(arguments, environment, self.folder), **options)
        program = [sys.executable, "-m", "stockctl", *arguments]
        return subprocess.Popen(program, env=environment, cwd=self.folder, **options)


def finish(child: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str, str]:
    """Send a signal and return exit code, the rest of standard output, and of standard error."""
    child.send_signal(number)
    out, err = child.communicate(timeout=SECONDS)
    return child.returncode, out, err


@contextmanager
def running(child: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """Give a child for the time of a block, and end it if nobody has until then."""
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()
