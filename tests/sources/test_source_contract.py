"""The sources that come with stockctl, under the tests that every source has to pass."""

import json
from pathlib import Path

import pytest

from stockctl.sources.base import Source
from stockctl.sources.contract import SourceContract
from stockctl.sources.ndjson import NdjsonSource
from stockctl.sources.replay import ReplaySource
from stockctl.sources.simulate import SimulateSource

LINES = [
    json.dumps({"timestamp": f"2026-01-05T15:{minute:02}:00Z", "symbol": symbol, "price": 100 + minute})
    for minute in range(20)
    for symbol in ("AAPL", "MSFT")
]


class OfLines:
    """Sources of a file, in which one line cannot be read."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.file = tmp_path / "quotes.ndjson"
        self.file.write_text("\n".join([*LINES[:5], "{}", *LINES[5:]]) + "\n")


class TestReplay(OfLines, SourceContract):
    """A file that is sorted first."""

    def make(self) -> Source:
        """Return a replay of the file."""
        return ReplaySource([str(self.file)])


class TestNdjson(OfLines, SourceContract):
    """A file that is read as it grows."""

    def make(self) -> Source:
        """Return a feed of the file."""
        return NdjsonSource(str(self.file), follow=True)


class TestSimulate(SourceContract):
    """A market that was never there."""

    def make(self) -> Source:
        """Return a market of three symbols, as fast as possible."""
        return SimulateSource(["AAPL", "MSFT", "BTC-USD"])
