"""Polling Yahoo for very many symbols: requests, wall and CPU a poll, by how many requests are at once.

The real yfinance, in a child process, asks a stand-in for Yahoo on this machine, which takes ``--latency``
seconds for each answer, as the real one does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import machine

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.yahoo.server import Reply, Request, YahooStandIn, good, quotes  # noqa: E402

CHILD = """
import json, sys, time
from threading import Event
from stockctl.sources.yahoo.source import YahooSource

symbols, parallel, polls = json.load(sys.stdin)
stop = Event()
figures = []
begun = None
for tick in YahooSource(symbols, interval=0.001, parallel=parallel).ticks(stop):
    now = time.perf_counter(), time.process_time()
    if begun is not None:
        figures.append((len(tick), now[0] - begun[0], now[1] - begun[1]))
    begun = time.perf_counter(), time.process_time()
    if len(figures) == polls:
        stop.set()
json.dump(figures, sys.stdout)
"""


class Slow(YahooStandIn):
    """A stand-in that takes its time, and has a new quote of everything each time it is asked."""

    def __init__(self, latency: float) -> None:
        super().__init__()
        self.latency = latency
        self._bodies: dict[str, list[str]] = {}

    def answer(self, request: Request) -> Reply:
        """Return the next quotes of the symbols."""
        symbols = request.query.get("symbols")
        if symbols is None:
            return super().answer(request)
        self.requests.append(request)
        if symbols not in self._bodies:
            body = quotes(*(good(symbol, regularMarketTime=0) for symbol in symbols.split(",")))
            self._bodies[symbols] = body.body.decode().split('"regularMarketTime": 0')
        time.sleep(self.latency)
        moment = f'"regularMarketTime": {1_760_000_000 + len(self.requests)}'
        return Reply(body=moment.join(self._bodies[symbols]).encode())


def symbols_of(count: int) -> list[str]:
    """Return symbols of the usual length."""
    return [f"S{number:04X}" for number in range(count)]


@contextmanager
def stand_in(latency: float) -> Iterator[tuple[Slow, dict[str, str]]]:
    """Give a stand-in, and the environment of a child that takes it for Yahoo."""
    with tempfile.TemporaryDirectory() as folder, Slow(latency) as yahoo:
        yield yahoo, {**os.environ, **yahoo.environment(Path(folder)), "PYTHONPATH": str(REPOSITORY)}


def measure(symbols: Sequence[str], parallel: int, polls: int, latency: float) -> str:
    """Return a line of figures."""
    with stand_in(latency) as (yahoo, environment):
        given = json.dumps([symbols, parallel, polls])
        command = [sys.executable, "-c", CHILD]
        child = subprocess.run(
            command, input=given, env=environment, capture_output=True, text=True, check=True
        )
        figures = sorted(json.loads(child.stdout), key=lambda figure: figure[1])
        assert {figure[0] for figure in figures} == {len(symbols)}, "a poll lacks quotes"
        _, wall, cpu = figures[len(figures) // 2]
        requests = len(yahoo.polls()) // (polls + 1)
    return f"{len(symbols):>8,} {requests:>9} {parallel:>9} {wall * 1000:>9.0f} {cpu * 1000:>9.0f}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, nargs="+", default=[500, 3000, 10_000])
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--polls", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds for an answer")
    arguments = parser.parse_args()
    print(machine.describe())
    print(f"Answers take {arguments.latency:g} s; the median of {arguments.polls} polls, in milliseconds.")
    print(" symbols  requests   at once      wall       CPU")
    for count in arguments.symbols:
        for parallel in arguments.parallel:
            print(measure(symbols_of(count), parallel, arguments.polls, arguments.latency), flush=True)


if __name__ == "__main__":
    sys.exit(main())
