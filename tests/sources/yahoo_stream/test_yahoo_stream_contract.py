"""The streaming source passes the tests that every source must pass."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import REPOSITORY
from support.yahoo import streaming_contract
from support.yahoo.server import YahooStandIn
from support.yahoo.streaming_run import FakeQuote, poll
from support.yahoo.websocket_server import Heartbeats

pytestmark = pytest.mark.slow


def test_it_keeps_the_contract_of_a_source(tmp_path: Path) -> None:
    """The whole suite, in a child process that connects to the fake Yahoo server."""
    scripted = [
        FakeQuote("AAPL", 187.44, 0),
        *(FakeQuote("MSFT", 200 + second, second) for second in range(10)),
    ]
    steps = [step for count, one in enumerate(scripted, 1) for step in (Heartbeats(count), "?", one.live)]
    with YahooStandIn() as yahoo:
        yahoo.script("AAPL,MSFT", poll(*scripted[:2]))
        yahoo.streamer.script("AAPL,MSFT", steps)
        child = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-n",
                "0",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:warnings",  # its filters are process-wide, and a thread imports pandas meanwhile
                "--noconftest",  # which would remove the proxy from the environment
                streaming_contract.__file__,
            ],
            cwd=REPOSITORY,
            env={**yahoo.environment(tmp_path), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert child.returncode == 0, child.stdout
    assert re.search(r"^\d+ passed in", child.stdout, re.MULTILINE), child.stdout
