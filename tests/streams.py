"""A stream that runs, and what status tells of it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from command import SECONDS, Command


@contextmanager
def streaming(
    stockctl: Command, *arguments: str, extra: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a stream whose standard input stays open."""
    child = subprocess.Popen(
        [sys.executable, "-m", "stockctl", "stream", "--quiet", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=stockctl.environment(extra), cwd=stockctl.folder, text=True,
    )  # fmt: skip
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def seen(
    stockctl: Command, child: subprocess.Popen[str], enough: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """Return what status tells, as soon as that is enough."""
    deadline = time.monotonic() + SECONDS
    found: dict[str, Any] = {}
    while not enough(found):
        assert time.monotonic() < deadline, found
        assert child.poll() is None, child.communicate()
        done = stockctl.run("status", "-o", "json")
        found = json.loads(done.stdout)[0] if done.returncode == 0 else {}
    return found
