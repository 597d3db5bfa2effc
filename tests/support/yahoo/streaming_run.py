"""Runs streaming scenarios in a child process against the fake server, and collects the results."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from support.paths import REPOSITORY, TESTS
from support.yahoo import streaming_child
from support.yahoo.server import Reply, YahooStandIn, good, quotes
from support.yahoo.websocket_server import frame

CHILD = [sys.executable, streaming_child.__file__]
START = datetime(2025, 10, 9, 15, 0, tzinfo=UTC)
"""A Thursday, 11:00 in New York."""


class FakeQuote(NamedTuple):
    """A quote as Yahoo tells it: over the live connection, in a poll, and as the contract has it."""

    symbol: str
    price: float
    seconds: float

    @property
    def milliseconds(self) -> int:
        """The market time as the live connection gives it."""
        return round((START.timestamp() + self.seconds) * 1000)

    @property
    def live(self) -> str:
        """The message."""
        return self.live_with()

    def live_with(self, **changes: object) -> str:
        """Return the message with changed fields."""
        session = {"open_price": 186.25, "day_high": 188.5, "day_low": 184.75, "day_volume": 1_234_567}
        fields = {**session, "change": self.price - 185, "time": self.milliseconds, **changes}
        return frame(self.symbol, self.price, **fields)

    @property
    def polled(self) -> dict[str, object]:
        """The result in a poll, which knows whole seconds only."""
        return good(self.symbol, self.price, regularMarketTime=self.milliseconds // 1000)

    @property
    def at(self) -> str:
        """The timestamp."""
        moment = START + timedelta(seconds=self.seconds)
        return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

    @property
    def quote(self) -> dict[str, object]:
        """The quote to be handed on."""
        return {
            "symbol": self.symbol,
            "timestamp": self.at,
            "price": self.price,
            "previous_close": 185,
            "open": 186.25,
            "high": 188.5,
            "low": 184.75,
            "volume": 1_234_567,
            "source": "yahoo",
            "observed_at": "2025-10-09T15:05:00.000Z",
        }


def poll(*scripted: FakeQuote) -> Reply:
    """Return the answer to a poll that tells these quotes."""
    return quotes(*(one.polled for one in scripted))


class Scenario(NamedTuple):
    """Symbols, what polls are answered, what each connection does, at which quote to stop, and options."""

    symbols: str
    polls: Sequence[Reply]
    connections: Sequence[Sequence[object]]
    until: str | None
    options: dict[str, object] = {}  # noqa: RUF012 - never changed


class Outcome(NamedTuple):
    """The result of a scenario, and what the fake server recorded."""

    ticks: list[list[object]]
    log: list[tuple[str, str, str]]
    counters: dict[str, int]
    error: list[str] | None
    seconds: float
    calls: int
    connections: int
    polls: int

    @property
    def quotes(self) -> list[dict[str, object]]:
        """All quotes in the order handed on."""
        return [item for tick in self.ticks for item in tick if isinstance(item, dict)]

    @property
    def rejections(self) -> list[list[str]]:
        """All rejections: origin, reason, data."""
        return [item for tick in self.ticks for item in tick if isinstance(item, list)]

    def said(self, level: str = "") -> list[str]:
        """Return the logged messages, of one level or all."""
        return [text for one, _, text in self.log if one == level or (not level and one != "DEBUG")]


class Run(NamedTuple):
    """The results of one child process."""

    outcomes: dict[str, Outcome]
    process: dict[str, object]
    folder: Path
    yahoo: YahooStandIn


def run(
    yahoo: YahooStandIn,
    folder: Path,
    scenarios: dict[str, Scenario],
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Run:
    """Run scenarios in a child process, which must exit with 0 and write nothing to standard error.

    ``environment`` overrides what makes the stand-in Yahoo.
    """
    for one in scenarios.values():
        yahoo.script(one.symbols, *one.polls)
        yahoo.streamer.script(one.symbols, *one.connections)
    given = [
        {"name": name, "symbols": one.symbols, "until": one.until, **one.options}
        for name, one in scenarios.items()
    ]
    child = subprocess.run(
        CHILD,
        input=json.dumps(given),
        env={
            **yahoo.environment(folder),
            "PYTHONPATH": f"{REPOSITORY}:{TESTS}",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, ""), child.stderr
    yahoo.streamer.hear_out()
    found = json.loads(child.stdout)
    process = found.pop("")
    outcomes = {
        name: Outcome(
            **outcome,
            connections=yahoo.streamer.connections(scenarios[name].symbols),
            polls=len(yahoo.polls(scenarios[name].symbols)),
        )
        for name, outcome in found.items()
    }
    return Run(outcomes, process, folder, yahoo)
