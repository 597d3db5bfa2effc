"""A stream that runs, and what status tells of it."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from support.cli.command import SECONDS, Command, running

_PAUSE = 0.1
"""Seconds between two looks, for each takes the processor from what is looked at."""


def streaming(
    stockctl: Command, *arguments: str, extra: Mapping[str, str] | None = None
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run a stream whose standard input stays open."""
    given = ("stream", "--quiet", *arguments)
    return running(stockctl.start(*given, extra=extra, stdin=subprocess.PIPE))


def seen(
    stockctl: Command,
    child: subprocess.Popen[str],
    enough: Callable[[dict[str, Any]], object],
    extra: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what status tells, as soon as that is enough."""
    deadline = time.monotonic() + SECONDS
    found: dict[str, Any] = {}
    while not enough(found):
        assert time.monotonic() < deadline, found
        assert child.poll() is None, child.communicate()
        time.sleep(_PAUSE)
        done = stockctl.run("status", "-o", "json", extra=extra)
        found = json.loads(done.stdout)[0] if done.returncode == 0 else {}
    return found
