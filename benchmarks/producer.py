"""Quotes a second of the producer, source to acknowledged put, beside botocore's bare ``put_records``.

A null Kinesis on the loopback, in a process of its own, takes everything and looks at nothing, so that the
client is what is measured. 10,000 symbols tick as fast as they are taken. In one run, turn by turn:

    put_record         boto3 alone, one call a quote, in a loop (fewer quotes, as for async-kinesis)
    put_records(500)   boto3 alone, 500 quotes a call, records made before the clock starts
    unchecked          the same, but botocore does not check the parameters' types, as in this program
    producer           what `stockctl stream` runs for a live source: quotes judged and noted for the live
                       view, outbox on disk, pacing, PutRecords, acknowledgement, figures for `status`
    aggregated         the same with stream.aggregate

and the producer's parts alone: the source, judging and noting, encoding, the outbox, the stream without an
outbox. Each is a process of its own. async-kinesis needs another botocore than this program: it runs in the
environment that ``--async-kinesis`` names the Python of (pip install async-kinesis), and is left out without.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import machine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from stockctl.cli.run.monitor import MonitorOptions, RunMonitor
from stockctl.market.plausibility import PlausibilityChecker
from stockctl.market.quote import Quote
from stockctl.monitoring.instrument import OpenStream, RunInstrumentation
from stockctl.monitoring.periodic import PeriodicJob
from stockctl.producer.outbox.queue import open_outbox
from stockctl.producer.producer import BufferedProducer
from stockctl.producer.shutdown import GRACE_SECONDS
from stockctl.sources.base import Source, Tick
from stockctl.sources.plausibility import ValidatedSource
from stockctl.sources.price_store import FLUSH_SECONDS, SqlitePriceStore
from support.aws.kinesis_server import Script, kinesis_null

SYMBOLS = 10_000
CALL = 500
STREAM = "stock-market-stream"
SHARDS = 1000
AGGREGATED_SHARDS = 20


class Market:
    """A source of ticks of 10,000 symbols, each a new quote, that ends after some quotes."""

    name = "market"
    expected: int | None = None
    repeatable = False

    def __init__(self, quotes: int) -> None:
        self._ticks = quotes // SYMBOLS
        self._symbols = [f"S{number:05}" for number in range(SYMBOLS)]
        self._prices = [Decimal(10_000 + number).scaleb(-2) for number in range(997)]

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield all ticks."""
        close, prices = Decimal("101.5"), self._prices
        for number in range(self._ticks):
            if stop.is_set():
                return
            moment = f"2026-01-05T{14 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
            yield [
                Quote(
                    symbol, moment, prices[(place + number) % 997], close, close, None, None, number,
                    "market", moment,
                )
                for place, symbol in enumerate(self._symbols)
            ]  # fmt: skip


class Prepared:
    """A source of ticks that were made before."""

    name = "prepared"
    expected: int | None = None
    repeatable = False

    def __init__(self, ticks: Sequence[Tick]) -> None:
        self._ticks = ticks

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield all ticks."""
        for tick in self._ticks:
            if stop.is_set():
                return
            yield tick


def plain_client(url: str) -> Any:
    """Return a client of Kinesis as boto3 makes it."""
    import boto3

    return boto3.client("kinesis", region_name="eu-west-1", endpoint_url=url)


def client(url: str) -> Any:
    """Return a client of Kinesis as the program makes it: botocore does not check the parameters."""
    from stockctl.backends.aws.connection import Connection

    return Connection("eu-west-1", None, url, attempts=1).client("kinesis")


def records(quotes: int) -> list[Any]:
    """Return the records of the source."""
    from stockctl.producer.batching import record_of

    return [record_of(quote) for tick in Market(quotes).ticks(Event()) for quote in tick]


def run_put_record(url: str, quotes: int, _: Path) -> None:
    """Send one record a call."""
    kinesis, made = plain_client(url), records(SYMBOLS)[: quotes // 200]
    with clock(len(made)):
        for record in made:
            kinesis.put_record(StreamName=STREAM, Data=record.data, PartitionKey=record.key)


def run_put_records(url: str, quotes: int, _: Path) -> None:
    """Send 500 records a call and read the failures."""
    put_records(plain_client(url), quotes)


def run_unchecked(url: str, quotes: int, _: Path) -> None:
    """Send them by the program's client."""
    put_records(client(url), quotes)


def put_records(kinesis: Any, quotes: int) -> None:
    """Send 500 records a call and read the failures."""
    made = records(quotes)
    with clock(len(made)):
        for start in range(0, len(made), CALL):
            call = [
                {"Data": record.data, "PartitionKey": record.key} for record in made[start : start + CALL]
            ]
            if kinesis.put_records(StreamName=STREAM, Records=call)["FailedRecordCount"]:
                raise SystemExit("records failed")


@contextmanager
def watched(
    source: Source, open_stream: OpenStream, folder: Path, grace: float = GRACE_SECONDS
) -> Iterator[BufferedProducer]:
    """Give the producer as `stockctl stream` makes it for a live source, and watches it."""
    path = folder / "outbox.db"
    prices = SqlitePriceStore(path)
    judged = ValidatedSource(source, PlausibilityChecker(store=prices))
    monitor = RunMonitor(
        judged, None, MonitorOptions(outbox=path), [PeriodicJob(FLUSH_SECONDS, prices.flush)]
    )
    with open_outbox(path, limit=1 << 28) as outbox, closing(prices):
        stream = monitor.instrumentation.instrument_stream(open_stream)
        producer = BufferedProducer(
            monitor.instrumentation.source, stream, outbox, observe=monitor.observe, grace=grace
        )
        with monitor.monitoring(producer):
            yield producer


def run_producer(url: str, quotes: int, folder: Path, *, aggregate: bool = False) -> None:
    """Run all of it."""
    with (
        watched(Market(quotes), lambda: nullcontext(stream(url, aggregate=aggregate)), folder) as producer,
        clock(quotes),
    ):
        totals = producer.run(Event())
        if totals.sent != quotes or producer.backlog.quotes:
            raise SystemExit(f"{totals.sent} of {quotes} quotes sent")


def run_aggregated(url: str, quotes: int, folder: Path) -> None:
    """Run all of it, with aggregation."""
    run_producer(url, quotes, folder, aggregate=True)


def run_direct(url: str, quotes: int, _: Path) -> None:
    """Send prepared records through our stream, without source and outbox."""
    made, way = records(quotes), stream(url)
    with clock(len(made)):
        for start in range(0, len(made), CALL):
            way.send(made[start : start + CALL])


def run_source(_: str, quotes: int, __: Path) -> None:
    """Take what the source yields and throw it away."""
    with clock(quotes):
        for _tick in Market(quotes).ticks(Event()):
            pass


def run_judge(_: str, quotes: int, __: Path) -> None:
    """Judge what the source yields, and note it for the live view."""
    ticks = list(Market(quotes).ticks(Event()))
    source = RunInstrumentation(ValidatedSource(Prepared(ticks), PlausibilityChecker())).source
    with clock(quotes):
        for _tick in source.ticks(Event()):
            pass


def run_encode(_: str, quotes: int, __: Path) -> None:
    """Make records of quotes."""
    from stockctl.producer.batching import Batcher

    ticks, batcher = list(Market(quotes).ticks(Event())), Batcher()
    with clock(quotes):
        for tick in ticks:
            for _batch in batcher.cut(tick):
                pass


def run_outbox(_: str, quotes: int, folder: Path) -> None:
    """Put, take and settle, in one thread."""
    from stockctl.producer.batching import Batch

    made = records(quotes)
    with open_outbox(folder / "outbox.db", limit=1 << 28) as outbox, clock(quotes):
        for start in range(0, len(made), CALL):
            outbox.put(Batch(made[start : start + CALL], (), time.time()), lambda: False)
            pending = outbox.take(CALL, 0)
            if pending is None:
                raise SystemExit("the outbox is empty")
            outbox.acknowledge(pending, ())


def stream(url: str, *, aggregate: bool = False) -> Any:
    """Return the stream as the program makes it."""
    from stockctl.backends.aws.kinesis.aggregator import Aggregator, OpenShards
    from stockctl.backends.aws.kinesis.rate_limit import StreamRateLimiter
    from stockctl.backends.aws.kinesis.stream import KinesisStream
    from stockctl.retry import Backoff

    kinesis = client(url)
    return KinesisStream(
        kinesis,
        STREAM,
        Nowhere(),
        Backoff(),
        rate_limit=StreamRateLimiter(kinesis, STREAM),
        aggregator=Aggregator(OpenShards(kinesis, STREAM)) if aggregate else None,
    )


class Nowhere:
    """A quarantine that nothing is to reach."""

    def put(self, rejections: Any) -> None:
        """Refuse."""
        raise SystemExit(f"quarantined: {rejections}")


class clock:  # noqa: N801 - reads as a statement
    """Print quotes, seconds and CPU seconds of a block as JSON."""

    def __init__(self, quotes: int) -> None:
        self._quotes = quotes

    def __enter__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, kind: object, *_: object) -> None:
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        if kind is None:
            print(json.dumps({"quotes": self._quotes, "seconds": seconds, "cpu": cpu}))


RUNS = {
    "put_record": run_put_record,
    "put_records(500)": run_put_records,
    "unchecked": run_unchecked,
    "producer": run_producer,
    "aggregated": run_aggregated,
    "source alone": run_source,
    "judging alone": run_judge,
    "encoding alone": run_encode,
    "outbox alone": run_outbox,
    "stream, no outbox": run_direct,
}


def measure(name: str, url: str, quotes: int, folder: Path) -> dict[str, float]:
    """Run one in a child and return its figures."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        done = subprocess.run(
            [sys.executable, __file__, "--child", name, url, str(quotes), own],
            check=True,
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_EC2_METADATA_DISABLED": "true",
                "PYTHONPATH": ":".join(filter(None, sys.path)),
            },
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure_async_kinesis(python: str, url: str, quotes: int) -> dict[str, float]:
    """Run async-kinesis in its own environment."""
    script = Path(__file__).with_name("producer_async_kinesis.py")
    done = subprocess.run(
        [python, str(script), url, str(max(SYMBOLS, quotes // 10))],
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quotes", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3, help="turns; the median is shown")
    parser.add_argument("--folder", help="where the outbox is; the system's temporary folder without it")
    parser.add_argument("--async-kinesis", metavar="PYTHON", help="a Python that has async-kinesis")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, url, quotes, folder = arguments.child
        RUNS[name](url, int(quotes), Path(folder))
        return
    print(machine.describe())
    print(f"{'':<18} {'quotes/s':>9} {'of put_records(500)':>19} {'CPU s a million':>15}")
    quotes = max(1, arguments.quotes // SYMBOLS) * SYMBOLS
    with kinesis_null(Script(shards=SHARDS)) as single, kinesis_null(Script(shards=AGGREGATED_SHARDS)) as few:
        turns = [turn(arguments, quotes, single.url, few.url) for _ in range(arguments.repeat)]
    for name in turns[0]:
        show(name, [(each[name], each["put_records(500)"]) for each in turns])


def turn(arguments: argparse.Namespace, quotes: int, single: str, few: str) -> dict[str, dict[str, float]]:
    """Measure each way once."""
    folder = Path(arguments.folder or tempfile.gettempdir())
    found = {name: measure(name, few if name == "aggregated" else single, quotes, folder) for name in RUNS}
    if arguments.async_kinesis:
        found["async-kinesis"] = measure_async_kinesis(arguments.async_kinesis, single, quotes)
    return found


def show(name: str, pairs: list[tuple[dict[str, float], dict[str, float]]]) -> None:
    """Print the median of the turns, by the share of the bare calls in the same turn."""
    shares = sorted(((rate(ours) / rate(bare), ours) for ours, bare in pairs), key=lambda pair: pair[0])
    share, ours = shares[len(shares) // 2]
    cpu = ours["cpu"] / ours["quotes"] * 1e6
    print(f"{name:<18} {rate(ours):>9,.0f} {share:>19.2f} {cpu:>15.1f}", flush=True)


def rate(figures: dict[str, float]) -> float:
    """Return quotes a second."""
    return figures["quotes"] / figures["seconds"]


if __name__ == "__main__":
    main()
