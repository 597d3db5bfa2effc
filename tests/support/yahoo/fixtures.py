"""Fixtures over the stand-in; a test module takes them with ``pytest_plugins = ["support.yahoo.fixtures"]``.

A command of ours against Yahoo, for instance::

    def test_one_poll(yahoo, yahoo_environment):
        yahoo.script("AAPL", quotes(good("AAPL")))
        command = [sys.executable, "-m", "stockctl", "stream", "--source", "yahoo", "--once", "-s", "AAPL"]
        subprocess.run(command, env=yahoo_environment, check=True)
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.yahoo.server import YahooStandIn


@pytest.fixture
def yahoo() -> Iterator[YahooStandIn]:
    """A fake Yahoo server on this machine, to be scripted."""
    with YahooStandIn() as standin:
        yield standin


@pytest.fixture
def yahoo_environment(yahoo: YahooStandIn, tmp_path: Path) -> dict[str, str]:
    """The environment of a child process that connects to the fake Yahoo server."""
    return yahoo.environment(tmp_path)
