"""How long a quote takes to its logged alert, and a query to its answer, with a million quotes stored."""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import machine
import random_walk

SYMBOLS = 100


def percentiles(name: str, seconds: list[float]) -> None:
    """Print p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    print(f"{name:<46} p50 {cuts[49] * 1e3:>8.2f} ms   p99 {cuts[98] * 1e3:>8.2f} ms   ({len(seconds)} runs)")


def timed(action: Callable[[], object], runs: int) -> list[float]:
    """Return the seconds of each run."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Fill a home, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quotes", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_const", dest="quotes", const=50_000, help="50,000 quotes")
    parser.add_argument("--commands", type=int, default=40, help="runs of each whole command")
    parser.add_argument("--folder", help="where to write; the system's temporary folder without it")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stockctl-benchmark-", dir=arguments.folder))
    try:
        measure(folder, arguments.quotes, arguments.commands)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, quotes: int, commands: int) -> None:
    """Print every figure."""
    from stockctl.backends.factory import open_backend
    from stockctl.config.schema import Settings
    from stockctl.pipeline.ports import Record
    from stockctl.producer.producer import DirectProducer
    from stockctl.sources.replay.source import ReplaySource

    source, home = folder / "quotes.csv", folder / "home"
    random_walk.write(source, quotes, SYMBOLS)
    settings = Settings.model_validate({"local": {"path": home}, "alerts": {"max_age": "0"}})
    backend = open_backend(settings)
    backend.prepare()
    with backend.stream() as stream:
        DirectProducer(ReplaySource([str(source)]), stream).run(Event())
        print(machine.describe())
        print(f"{quotes:,} quotes of {SYMBOLS} symbols stored")
        begin = datetime.now(UTC)

        def jump(number: int) -> float:
            when = (begin + timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            data = (
                f'{{"symbol":"S{number % SYMBOLS:05}","timestamp":"{when}","price":110,'
                '"previous_close":100,"source":"benchmark"}'
            )
            began = time.perf_counter()
            receipt = stream.send([Record(data.encode(), "benchmark")])
            seconds = time.perf_counter() - began
            if not any(alert.kind == "anomaly" for alert in receipt.alerts):
                raise SystemExit("no alert was raised")
            return seconds

        percentiles("quote delivered to alert logged", [jump(number) for number in range(1000)])
    with backend.quotes() as reader:
        percentiles("latest of all symbols, in process", timed(reader.latest, 300))
        percentiles(
            "history of one symbol, 20 rows, in process",
            timed(lambda: reader.history("S00042", limit=20), 300),
        )
    for name, words in (("query latest", ("latest",)), ("query history", ("history", "S00042"))):
        command = [sys.executable, "-m", "stockctl", "query", *words, "-o", "json"]
        environment = {
            "STOCKCTL_LOCAL__PATH": str(home),
            "PATH": "",
            "PYTHONPATH": ":".join(filter(None, sys.path)),
        }
        run = lambda command=command, environment=environment: subprocess.run(  # noqa: E731
            command, check=True, capture_output=True, env=environment
        )
        percentiles(f"'stockctl {name}', whole process", timed(run, commands))


if __name__ == "__main__":
    main()
