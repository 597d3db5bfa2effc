"""AWS calls, CPU and wall time for quotes through both functions, beside functions that call per record.

A stand-in for S3, DynamoDB and SNS on the loopback, a process of its own, answers each call after a fixed
time. Both pairs of functions are given the same quotes, batch by batch, as Lambda would hand them over;
with ``--aggregated`` those of this package get each batch in one aggregated record. CPU is what the
functions' own process takes, the making of the requests included.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.request import urlopen

import machine
from aws_server import serve

SYMBOLS = 10
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "TABLE_NAME": "stock-market-data",
    "ALERTS_TABLE": "stock-market-alerts",
    "BUCKET": "stock-market-data-bucket",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:stock-market-alerts",
    "SMA_SHORT": "5",
    "SMA_LONG": "20",
    "THRESHOLD_PERCENT": "5",
    "ALERT_MAX_AGE_SECONDS": "0",
    "TTL_DAYS": "0",
    "POWERTOOLS_SERVICE_NAME": "benchmark",
    "POWERTOOLS_METRICS_NAMESPACE": "benchmark",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}
CONTEXT = SimpleNamespace(
    function_name="benchmark",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:benchmark",
    aws_request_id="0",
    get_remaining_time_in_millis=lambda: 600_000,
)
Record = dict[str, Any]
Payload = tuple[str, bytes]
"""A symbol and a quote of it."""
Handler = Callable[[dict[str, Any], Any], Any]


class Figures(NamedTuple):
    """What some quotes cost: calls by operation, seconds of CPU, seconds on the clock."""

    calls: Counter[str]
    cpu: float
    wall: float

    def __add__(self, other: "Figures") -> "Figures":  # type: ignore[override]
        return Figures(self.calls + other.calls, self.cpu + other.cpu, self.wall + other.wall)


def stockctl_handlers() -> tuple[Handler, Handler]:
    """Return the functions of this package; their clients are made now."""
    from stockctl.functions import ingest, trend

    return ingest.handler, trend.handler


def naive_handlers() -> tuple[Handler, Handler]:
    """Return the functions that call per record; their clients are made now."""
    import naive_functions

    return naive_functions.ingest, naive_functions.trend


def measure(
    load: Callable[[], tuple[Handler, Handler]], chosen: argparse.Namespace, *, aggregated: bool = False
) -> tuple[Figures, Figures]:
    """Run quotes through the ingest function and what it stored through the trend function."""
    payloads = [(quote["symbol"], json.dumps(quote).encode()) for quote in walk(chosen.quotes)]
    batch = chosen.batch
    if aggregated:
        payloads = packed(payloads, chosen.batch)
        batch = 1
    with serve(chosen.milliseconds / 1000) as url:
        os.environ["AWS_ENDPOINT_URL"] = url
        ingest, trend = load()
        ingested = run(ingest, kinesis_records(payloads), batch, url)
        changes = [
            {"eventName": "INSERT", "dynamodb": {"NewImage": item, "SequenceNumber": str(number)}}
            for number, item in enumerate(fetch(f"{url}/inserted"))
        ]
        return ingested, run(trend, changes, chosen.batch, url)


def run(handler: Handler, records: Sequence[Record], batch: int, url: str) -> Figures:
    """Hand records to a function, ``batch`` at a time, and return what that cost."""
    cpu, wall = time.process_time(), time.perf_counter()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        for start in range(0, len(records), batch):
            handler({"Records": list(records[start : start + batch])}, CONTEXT)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Figures(Counter(fetch(f"{url}/calls")), cpu, wall)


def fetch(url: str) -> Any:
    """Return the JSON at ``url``."""
    with urlopen(url) as answer:
        return json.load(answer)


def packed(payloads: Sequence[Payload], batch: int) -> list[Payload]:
    """Return payloads in aggregated records of ``batch`` each."""
    from stockctl.backends.aws.kinesis.kpl_encoder import Encoder

    records = []
    for start in range(0, len(payloads), batch):
        encoder = Encoder(1 << 20)
        if not all(encoder.add(*payload) for payload in payloads[start : start + batch]):
            raise SystemExit(f"{batch} quotes do not fit into one record.")
        records.append(("", encoder.encode()))
    return records


def kinesis_records(payloads: Sequence[Payload]) -> list[Record]:
    """Return payloads as Lambda hands them over."""
    return [
        {"eventID": f"shardId-0:{number}", "kinesis": {"data": base64.b64encode(data).decode()}}
        for number, (_, data) in enumerate(payloads)
    ]


def walk(quotes: int) -> Iterator[dict[str, Any]]:
    """Yield quotes of all symbols in turn, one a minute."""
    rng = random.Random(7)
    prices = [100.0] * SYMBOLS
    for number in range(quotes):
        minute, symbol = divmod(number, SYMBOLS)
        prices[symbol] = round(prices[symbol] + rng.uniform(-0.3, 0.3), 2)
        moment = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=minute)
        yield {
            "symbol": f"S{symbol}",
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "price": prices[symbol],
            "previous_close": 100,
            "volume": number,
            "source": "replay",
        }


def show(stage: str, ours: Figures, naive: Figures) -> None:
    """Print both beside each other."""
    print(f"\n{stage:<26} {'stockctl':>10} {'per record':>10}")
    for operation in sorted(ours.calls | naive.calls):
        print(f"  {operation:<24} {ours.calls[operation]:>10} {naive.calls[operation]:>10}")
    print(f"  {'calls':<24} {ours.calls.total():>10} {naive.calls.total():>10}")
    for name, one, other in (("CPU", ours.cpu, naive.cpu), ("wall", ours.wall, naive.wall)):
        print(f"  {name + ', seconds':<24} {one:>10.2f} {other:>10.2f}   {other / one:.1f} times less")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quotes", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--aggregated", action="store_true", help="pack each batch into one record")
    parser.add_argument("--milliseconds", type=float, default=10.0, help="that each call takes")
    chosen = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    print(machine.describe())
    pace = f"{chosen.batch} a batch, {chosen.milliseconds:g} ms a call"
    print(f"{chosen.quotes} quotes of {SYMBOLS} symbols, {pace}")
    ours = measure(stockctl_handlers, chosen, aggregated=chosen.aggregated)
    naive = measure(naive_handlers, chosen)
    show("ingest", ours[0], naive[0])
    show("trend", ours[1], naive[1])
    show("both", ours[0] + ours[1], naive[0] + naive[1])


if __name__ == "__main__":
    main()
