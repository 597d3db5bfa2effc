"""Delivery of a producer whose stream fails in every way, and that is killed again and again.

Before a stand-in for Kinesis: 10 % of the records are refused at random, some calls are never answered
(half of them after their records were kept), the server is gone for a minute, and the producer is killed
with SIGKILL at random moments and started again. Before the embedded backend: another connection locks the
database for a minute, and the same kills. In the end every quote has to be there, each symbol's in order,
and no more of them twice than was under way when something failed. ``--aggregate`` packs them.
"""

import argparse
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

import machine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from stockctl.backends.aws.kinesis.send_operation import CALL_RECORDS
from stockctl.backends.aws.kinesis.stream import AGGREGATED_RECORDS
from stockctl.market.quote import encode_quote
from support.aws.kinesis_server import NullKinesis, Script, kinesis_null, unanswered, unpacked
from support.local_home import stored_rows
from support.producer_child import AGGREGATED
from support.producer_inputs import noted, ticks_of
from support.reference_figures import book_of

CHILD = Path(__file__).resolve().parent.parent / "tests" / "support" / "producer_child.py"
TIMEOUT = 0.5
PACE = 0.05
AGGREGATE_QUOTES = 700
"""What an aggregate of 100,000 bytes holds of these quotes, at most."""


def start(folder: Path, target: str, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    """Start a producer that goes on where the last one was."""
    command = [sys.executable, str(CHILD), str(folder), target]
    return subprocess.Popen(
        [*command, str(arguments.symbols), str(arguments.ticks), str(TIMEOUT), str(PACE)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""},
    )


def killed(folder: Path, target: str, arguments: argparse.Namespace) -> int:
    """Kill producers at random moments until so many died at work, then let one end; return the deaths."""
    rng, died = random.Random(arguments.seed), 0
    for _ in range(arguments.kills):
        with start(folder, target, arguments) as child:
            if child.stdout is None:
                raise SystemExit("no pipe")
            threading.Timer(rng.uniform(0.8, 4.0), child.send_signal, [signal.SIGKILL]).start()
            child.communicate()
        died += child.returncode == -signal.SIGKILL
    with start(folder, target, arguments) as child:
        out, _ = child.communicate()
    if child.returncode != 0 or noted(folder / "position") != arguments.ticks:
        raise SystemExit(f"the last producer ended with {child.returncode}")
    print("  the last one:", out.splitlines()[-1])
    return died


def before_kinesis(folder: Path, arguments: argparse.Namespace) -> None:
    """Run the trial and judge it."""
    path = folder / "journal"
    script = Script(
        journal=str(path), failing=0.1, silent=0.02, broken=0.02, seed=arguments.seed, code="InternalFailure"
    )
    with kinesis_null(script) as server:
        outage = threading.Thread(target=gone, args=(server, arguments))
        outage.start()
        died = killed(folder, AGGREGATED * arguments.aggregate + server.url, arguments)
        outage.join()
    found = defaultdict(list)
    for key, data in unpacked(path):
        found[key].append(data)
    for number in range(arguments.symbols):
        expected = [encode_quote(tick[number]) for tick in ticks_of(arguments.symbols, arguments.ticks)]
        if list(dict.fromkeys(found[f"S{number}"])) != expected:
            raise SystemExit(f"S{number} did not arrive whole and in order")
    repeats = sum(count - 1 for data in found.values() for count in Counter(data).values())
    under_way = AGGREGATED_RECORDS if arguments.aggregate else CALL_RECORDS
    # A record that was kept without an answer holds many quotes when it is an aggregate.
    silent = unanswered(path) * (AGGREGATE_QUOTES if arguments.aggregate else 1)
    bound = died * (under_way + arguments.symbols) + silent
    print(
        f"  {arguments.symbols * arguments.ticks:,} quotes: all arrived, in order; {died} killed at work; "
        f"{repeats:,} arrived twice (up to {silent:,} were kept without an answer; bound {bound:,})"
    )
    if repeats > bound:
        raise SystemExit("more arrived twice than was under way")


def gone(server: NullKinesis, arguments: argparse.Namespace) -> None:
    """Take the server away for a while."""
    time.sleep(arguments.outage_after)
    server.stop()
    time.sleep(arguments.outage)
    server.start()


def before_home(folder: Path, arguments: argparse.Namespace) -> None:
    """Run the trial before the embedded backend and judge it."""
    home = folder / "home"
    outage = threading.Thread(target=locked, args=(home / "stockctl.db", arguments))
    outage.start()
    died = killed(folder, str(home), arguments)
    outage.join()
    ticks = ticks_of(arguments.symbols, arguments.ticks)
    quotes = [json.loads(encode_quote(quote)) for tick in ticks for quote in tick]
    book = book_of([{**quote, "price": str(quote["price"])} for quote in quotes])
    if stored_rows(home) != book.stored():
        raise SystemExit("the home does not hold what an undisturbed run leaves")
    print(f"  {len(quotes):,} quotes: stored once, with the figures of an undisturbed run; {died} killed")


def locked(database: Path, arguments: argparse.Namespace) -> None:
    """Hold the write lock for a while."""
    time.sleep(arguments.outage_after)
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(arguments.outage)
        connection.execute("ROLLBACK")


def main() -> None:
    """Run both trials."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--ticks", type=int, default=1500, help="twenty a second")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--outage", type=float, default=60, help="seconds")
    parser.add_argument("--outage-after", type=float, default=10, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--aggregate", action="store_true", help="send aggregated records")
    parser.add_argument("--folder", help="where to write; the system's temporary folder without it")
    arguments = parser.parse_args()
    print(machine.describe())
    for title, trial in (("Kinesis", before_kinesis), ("embedded", before_home)):
        folder = Path(tempfile.mkdtemp(prefix="stockctl-benchmark-", dir=arguments.folder))
        print(f"{title}, seed {arguments.seed}:", flush=True)
        try:
            trial(folder, arguments)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
