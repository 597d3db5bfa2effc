"""The built-in sources pass the tests that every source must pass."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest

from stockctl.market.quote import Quote
from stockctl.sources.base import Source, Tick
from stockctl.sources.ndjson import NdjsonSource
from stockctl.sources.replay.source import ReplaySource
from stockctl.sources.simulate import SimulateSource
from stockctl.sources.testing import SourceContract

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


PATIENT = 30.0
"""Seconds of silence for sources that always have more to give, or end: a pause of the machine is no end."""


class TestReplay(OfLines, SourceContract):
    """A file that is sorted first."""

    silence = PATIENT

    def make(self) -> Source:
        """Return a replay of the file."""
        return ReplaySource([str(self.file)])


class TestNdjson(OfLines, SourceContract):
    """A file that is read as it grows."""

    def make(self) -> Source:
        """Return a feed of the file."""
        return NdjsonSource(str(self.file), follow=True)


class TestSimulate(SourceContract):
    """An invented market."""

    silence = PATIENT

    def make(self) -> Source:
        """Return a market of three symbols, as fast as possible."""
        return SimulateSource(["AAPL", "MSFT", "BTC-USD"])


class Hourly:
    """A live source that follows market hours, and continues where its last session ended."""

    name, expected, repeatable, follows_market_hours = "hourly", None, False, True

    def __init__(self) -> None:
        self.count = 0

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield a quote every few milliseconds, each a second later than the one before."""
        while not stop.wait(0.001) and self.count < 3600:
            self.count += 1
            time = f"2026-01-05T15:{self.count // 60:02}:{self.count % 60:02}.000Z"
            yield [Quote("AAPL", time, Decimal(100), *[None] * 5, self.name, None)]


class Forgetful(Hourly):
    """It starts again with each session."""

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield the same again."""
        self.count = 0
        yield from super().ticks(stop)


class Stubborn(Hourly):
    """It can be run once."""

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what there is, or fail."""
        if self.count:
            raise RuntimeError("it was run before")
        yield from super().ticks(stop)


class TestHourly(SourceContract):
    """A live source that follows market hours."""

    silence = PATIENT

    def make(self) -> Source:
        """Return a new one."""
        return Hourly()


@pytest.mark.parametrize("kind", [Forgetful, Stubborn])
def test_what_cannot_be_run_for_each_session_breaks_the_contract(kind: type[Hourly]) -> None:
    """The test finds a source that follows market hours but repeats quotes or fails."""

    class Broken(SourceContract):
        silence = PATIENT

        def make(self) -> Source:
            return kind()

    with pytest.raises((AssertionError, RuntimeError)):
        Broken().test_market_hours_source_can_run_for_each_session()


def test_whoever_does_not_follow_market_hours_has_nothing_to_keep() -> None:
    """The test passes without a run."""
    TestSimulate().test_market_hours_source_can_run_for_each_session()
