"""Quotes a second of the embedded pipeline, end to end, beside the floor of the same writes with no logic.

The pipeline: a CSV file is read, sorted, encoded, archived, enriched, stored, watched and alerted, as
``stockctl stream --file`` does it. The floor: the same raw files and the same rows of quotes and alerts,
written by a loop, in transactions of the same size. Each figure is a process of its own, so that its peak
memory is its own; pipeline and floor alternate.
"""

import argparse
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import machine
import random_walk

BATCH = 500
CASES = ((10_000, 10), (100_000, 10), (1_000_000, 10), (100_000, 100), (100_000, 1_000), (100_000, 5_000))
QUICK = ((5_000, 10), (50_000, 10), (50_000, 5_000))


def run_pipeline(source: Path, home: Path) -> dict[str, float]:
    """Replay ``source`` into a new home; libraries are loaded before the clock starts."""
    import duckdb  # noqa: F401

    from stockctl.backends.factory import open_backend
    from stockctl.config.schema import Settings
    from stockctl.producer.producer import DirectProducer
    from stockctl.sources.replay.source import ReplaySource

    backend = open_backend(Settings.model_validate({"local": {"path": home}}))
    backend.prepare()
    with backend.stream() as stream:
        began = time.perf_counter()
        stored = DirectProducer(ReplaySource([str(source)]), stream).run(Event()).stored
        return {"stored": stored, "seconds": time.perf_counter() - began}


def run_floor(done: Path, home: Path) -> dict[str, float]:
    """Write again what a pipeline wrote to ``done``: the same files, the same rows, no logic."""
    from stockctl.backends.local.database import Database

    original = sqlite3.connect(done / "stockctl.db")
    quotes = original.execute("SELECT * FROM quotes ORDER BY timestamp, symbol")
    alerts = original.execute("SELECT * FROM alerts ORDER BY number")
    home.mkdir()
    Database.create(home / "stockctl.db")
    target = sqlite3.connect(home / "stockctl.db", isolation_level=None)
    target.execute("PRAGMA synchronous = NORMAL")
    stored, spent, folders = 0, 0.0, set()
    while rows := quotes.fetchmany(BATCH):
        raised = list(_up_to(alerts, rows[-1][1]))
        names = [f"raw-data/{symbol}/{timestamp.replace(':', '-')}.json" for symbol, timestamp, *_ in rows]
        bodies = [(done / name).read_bytes() for name in names]
        began = time.perf_counter()
        target.execute("BEGIN IMMEDIATE")
        for (symbol, *_), name, body in zip(rows, names, bodies, strict=True):
            if symbol not in folders:
                (home / "raw-data" / symbol).mkdir(parents=True)
                folders.add(symbol)
            with open(f"{home}/{name}", "xb", buffering=0) as file:
                file.write(body)
        target.executemany(f"INSERT INTO quotes VALUES ({','.join('?' * len(rows[0]))})", rows)
        if raised:
            target.executemany(f"INSERT INTO alerts VALUES ({','.join('?' * len(raised[0]))})", raised)
        target.execute("COMMIT")
        spent += time.perf_counter() - began
        stored += len(rows)
    return {"stored": stored, "seconds": spent}


_pending: list[tuple[Any, ...]] = []


def _up_to(alerts: sqlite3.Cursor, timestamp: str) -> Iterator[tuple[Any, ...]]:
    while True:
        row = _pending.pop() if _pending else alerts.fetchone()
        if row is None:
            return
        if row[3] > timestamp:
            _pending.append(row)
            return
        yield row


def measure(mode: str, *paths: Path) -> dict[str, float]:
    """Run one mode in a child and return its figures."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", mode, *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def child(mode: str, paths: Sequence[str]) -> None:
    """Be one measured process."""
    cpu = time.process_time()
    figures = {"pipeline": run_pipeline, "floor": run_floor}[mode](Path(paths[0]), Path(paths[1]))
    figures["cpu"] = time.process_time() - cpu
    figures["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer quotes")
    parser.add_argument(
        "--case", nargs=2, type=int, metavar=("QUOTES", "SYMBOLS"), help="this one instead of all"
    )
    parser.add_argument("--folder", help="where to write; the system's temporary folder without it")
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs of each case but the largest; median shown"
    )
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], arguments.child[1:])
        return
    folder = Path(tempfile.mkdtemp(prefix="stockctl-benchmark-", dir=arguments.folder))
    print(machine.describe())
    print(
        f"{'quotes':>9} {'symbols':>7} {'quotes/s':>9} {'floor/s':>9} "
        f"{'of floor':>8} {'cpu us':>7} {'rss MB':>7}"
    )
    try:
        chosen = [arguments.case] if arguments.case else QUICK if arguments.quick else CASES
        for quotes, symbols in chosen:
            case(folder, quotes, symbols, 1 if quotes > 100_000 else arguments.repeat)
    finally:
        shutil.rmtree(folder)


def case(folder: Path, quotes: int, symbols: int, repeat: int) -> None:
    """Measure and print one case."""
    source = folder / f"{quotes}-{symbols}.csv"
    random_walk.write(source, quotes, symbols)
    runs = []
    for number in range(repeat):
        home, copy = folder / f"{quotes}-{symbols}-{number}", folder / f"{quotes}-{symbols}-{number}-floor"
        ours, floor = measure("pipeline", source, home), measure("floor", home, copy)
        if not ours["stored"] == floor["stored"] == quotes:
            raise SystemExit(f"{quotes} quotes sent, {ours['stored']} stored, {floor['stored']} copied")
        runs.append((floor["seconds"] / ours["seconds"], ours, floor))
    share, ours, floor = sorted(runs, key=lambda run: run[0])[len(runs) // 2]
    print(
        f"{quotes:>9,} {symbols:>7,} {quotes / ours['seconds']:>9,.0f} {quotes / floor['seconds']:>9,.0f} "
        f"{share:>8.2f} {ours['cpu'] / quotes * 1e6:>7.0f} {ours['rss_mb']:>7.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
