"""Replays killed at random moments and run again, and two at once, compared with an undisturbed one.

What must be equal: every stored quote, every alert (but for when it was created), every raw file.
"""

import argparse
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import random_walk

SYMBOLS = 20


def start(home: Path, source: Path) -> subprocess.Popen[bytes]:
    """Start a replay of ``source`` into ``home``."""
    paths = ":".join(filter(None, sys.path))
    environment = {"STOCKCTL_LOCAL__PATH": str(home), "PATH": "", "PYTHONPATH": paths}
    return subprocess.Popen(
        [sys.executable, "-m", "stockctl", "stream", "--quiet", "--file", str(source)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def state(home: Path) -> tuple[object, ...]:
    """Return all that must not differ."""
    connection = sqlite3.connect(home / "stockctl.db")
    quotes = connection.execute("SELECT * FROM quotes ORDER BY symbol, timestamp").fetchall()
    alerts = connection.execute(
        "SELECT alert_id, symbol, timestamp, kind, signal, price, change_percent, sma_short, sma_long, "
        "message, not_published FROM alerts ORDER BY alert_id"
    ).fetchall()
    integrity = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    raw = {path.relative_to(home): path.read_bytes() for path in (home / "raw-data").rglob("*.json")}
    return integrity, quotes, alerts, raw


def killed(home: Path, source: Path, rng: random.Random, whole: float, kills: int) -> int:
    """Kill ``kills`` replays at random moments, let one end, and return how many died at work."""
    died = 0
    for _ in range(kills):
        child = start(home, source)
        try:
            child.wait(timeout=rng.uniform(0, whole))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            died += child.wait() == -signal.SIGKILL
    if start(home, source).wait() != 0:
        raise SystemExit("the last replay failed")
    return died


def main() -> None:
    """Run the trials and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quotes", type=int, default=20_000)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--kills", type=int, default=6, help="a trial")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="where to write; the system's temporary folder without it")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stockctl-benchmark-", dir=arguments.folder))
    rng = random.Random(arguments.seed)
    try:
        print(machine.describe())
        source = folder / "quotes.csv"
        random_walk.write(source, arguments.quotes, SYMBOLS)
        began = time.perf_counter()
        if start(folder / "undisturbed", source).wait() != 0:
            raise SystemExit("the undisturbed replay failed")
        whole = time.perf_counter() - began
        expected = state(folder / "undisturbed")
        print(f"undisturbed: {arguments.quotes:,} quotes in {whole:.1f} s, seed {arguments.seed}")
        for trial in range(arguments.trials):
            home = folder / f"trial-{trial}"
            died = killed(home, source, rng, whole, arguments.kills)
            print(f"trial {trial + 1}: {died} killed at work, then one to the end: {verdict(home, expected)}")
        both = [start(folder / "two", source) for _ in range(2)]
        codes = [child.wait() for child in both]
        print(f"two at once: exit codes {codes}: {verdict(folder / 'two', expected)}")
    finally:
        shutil.rmtree(folder)


def verdict(home: Path, expected: tuple[object, ...]) -> str:
    """Return 'equal', or end the trials."""
    if state(home) != expected:
        raise SystemExit(f"NOT equal: {home}")
    return "equal"


if __name__ == "__main__":
    main()
