"""Running stockctl as a user does: a child process in a folder and a home of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SECONDS = 60


class Command:
    """Runs stockctl with an embedded home below ``folder`` and nothing of this machine's configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a child."""
        kept = {
            name: os.environ[name]
            for name in ("PATH", "PYTHONPATH", "LANG", "SYSTEMROOT")
            if name in os.environ
        }
        own = {
            "HOME": str(self.folder),
            "TZ": "UTC",
            "STOCKCTL_LOCAL__PATH": str(self.home),
            "COLUMNS": "200",
        }
        return {**kept, **own, **(extra or {})}

    def run(
        self, *arguments: str, stdin: str | bytes = b"", extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        done = subprocess.run(
            [sys.executable, "-m", "stockctl", *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env=self.environment(extra),
            cwd=self.folder,
            timeout=SECONDS,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

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

    def start(self, *arguments: str, extra: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start and return the running child; standard output and error are pipes."""
        return subprocess.Popen(
            [sys.executable, "-m", "stockctl", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(extra),
            cwd=self.folder,
            text=True,
        )


def finish(child: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str, str]:
    """Send a signal and return exit code, the rest of standard output, and of standard error."""
    child.send_signal(number)
    out, err = child.communicate(timeout=SECONDS)
    return child.returncode, out, err
