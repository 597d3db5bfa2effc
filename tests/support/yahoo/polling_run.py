"""Runs polling scenarios in a child process against the fake server, and collects the results."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from support.paths import REPOSITORY, TESTS
from support.yahoo import polling_child
from support.yahoo.server import MARKET_TIME, Reply, Request, YahooStandIn, good, quotes

CHILD = [sys.executable, polling_child.__file__]
LAST = MARKET_TIME + 120
"""The market time at whose first quote a scenario ends."""


class Scenario(NamedTuple):
    """Symbols, what Yahoo answers request by request (a failed poll takes two), and how to poll."""

    symbols: str
    replies: list[Reply]
    options: dict[str, object] = {"until": LAST}  # noqa: RUF012 - never changed


def once(symbols: str, *replies: Reply) -> Scenario:
    """Return a scenario of a single poll."""
    return Scenario(symbols, list(replies), {"once": True})


def last(*symbols: str) -> Reply:
    """Return the answer that ends a scenario."""
    return quotes(*(good(symbol, regularMarketTime=LAST) for symbol in symbols))


class Outcome(NamedTuple):
    """The result of a scenario, and the requests to the fake server."""

    ticks: list[list[dict[str, object]]]
    log: list[tuple[str, str, str]]
    error: list[str] | None
    seconds: float
    issues: dict[str, int]
    unknown: list[str]
    breaker: str
    next_turn: float
    polls: list[Request]

    def said(self, level: str = "") -> list[str]:
        """Return the logged messages, of one level or all."""
        return [text for one, _, text in self.log if one == level or (not level and one != "DEBUG")]

    @property
    def times(self) -> list[str]:
        """Return the time within its minute of all quotes in the order sent."""
        return [str(quote["timestamp"])[11:19] for tick in self.ticks for quote in tick]


class Run(NamedTuple):
    """The results of one child process."""

    outcomes: dict[str, Outcome]
    process: dict[str, object]
    requests: list[Request]
    folder: Path


def run(
    standin: YahooStandIn, environment: dict[str, str], scenarios: dict[str, Scenario], folder: Path
) -> Run:
    """Run scenarios in a child process, which must exit with 0 and write nothing to standard error."""
    given = [{"name": name, "symbols": one.symbols, **one.options} for name, one in scenarios.items()]
    child = subprocess.run(
        CHILD,
        input=json.dumps(given),
        env={**environment, "PYTHONPATH": f"{REPOSITORY}:{TESTS}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, "")
    found = json.loads(child.stdout)
    process = found.pop("")
    outcomes = {
        name: Outcome(**outcome, polls=standin.polls(scenarios[name].symbols))
        for name, outcome in found.items()
    }
    return Run(outcomes, process, list(standin.requests), folder)
