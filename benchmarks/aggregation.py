"""CPU time of packing quotes into aggregated records and unpacking them, beside Amazon's own library.

Quotes of many symbols in turn are packed by shard, tick by tick, as the producer does it; CPU time is the
best of several runs. Amazon's library packs the same quotes into records of the same size, without regard
to shards; it is left out when ``aws-kinesis-agg`` is not installed.
"""

import argparse
import base64
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import machine

from stockctl.backends.aws.kinesis.aggregator import MAX_BYTES, Aggregator, OpenShards
from stockctl.backends.aws.kinesis.kpl_decoder import decode

UNIT = 25_600
RUNS = 5


class Quote(NamedTuple):
    """A record to pack."""

    key: str
    data: bytes


class Packed(NamedTuple):
    """What a way of packing came to."""

    name: str
    records: Sequence[bytes]
    pack: float
    unpack: float
    """Microseconds a quote."""


class Listing:
    """Stands in for the client of Kinesis: so many shards of one size."""

    def __init__(self, shards: int) -> None:
        self._shards = shards

    def list_shards(self, **_: object) -> dict[str, Any]:
        """Return the shards."""
        return {
            "Shards": [
                {
                    "ShardId": f"shardId-{number:012}",
                    "HashKeyRange": {"StartingHashKey": str((number << 128) // self._shards)},
                    "SequenceNumberRange": {"StartingSequenceNumber": "1"},
                }
                for number in range(self._shards)
            ]
        }


def quotes_of(count: int, symbols: int) -> list[Quote]:
    """Return quotes of all symbols in turn."""
    return [quote_of(f"S{number % symbols:05}", number, number // symbols % 60) for number in range(count)]


def quote_of(symbol: str, number: int, minute: int) -> Quote:
    """Return one quote as the producer encodes it."""
    text = (
        f'{{"symbol":"{symbol}","timestamp":"2026-01-05T15:{minute:02}:00.000Z","price":{number % 97}.25,'
        f'"previous_close":101.5,"open":null,"high":null,"low":null,"volume":{number},'
        f'"source":"simulate","observed_at":"2026-01-05T15:{minute:02}:00.000Z"}}'
    )
    return Quote(symbol, text.encode())


def ours(quotes: Sequence[Quote], tick: int, shards: int) -> Packed:
    """Pack and unpack with this package."""

    def pack() -> list[bytes]:
        aggregator = Aggregator(OpenShards(Listing(shards), "benchmark"))
        ticks = (quotes[start : start + tick] for start in range(0, len(quotes), tick))
        return [aggregate.data for each in ticks for aggregate in aggregator.aggregate(each)]

    def unpack() -> int:
        return sum(len(decode(record)) for record in records)

    records = pack()
    assert unpack() == len(quotes)
    name = f"stockctl, {shards} shard{'s' if shards > 1 else ''}"
    return Packed(name, records, best(pack) / len(quotes), best(unpack) / len(quotes))


def amazon_s(quotes: Sequence[Quote]) -> Packed:
    """Pack and unpack with Amazon's library."""
    from aws_kinesis_agg.aggregator import RecordAggregator
    from aws_kinesis_agg.deaggregator import deaggregate_records

    def pack() -> list[bytes]:
        return [record.get_contents()[2] for record in full()]

    def full() -> Iterator[Any]:
        aggregator = RecordAggregator(MAX_BYTES)
        for quote in quotes:
            record = aggregator.add_user_record(quote.key, quote.data)
            if record is not None:
                yield record
        yield aggregator.clear_and_get()

    def unpack() -> int:
        return len(deaggregate_records([event_of(record) for record in records]))

    records = pack()
    assert unpack() == len(quotes)
    return Packed("aws-kinesis-agg", records, best(pack) / len(quotes), best(unpack) / len(quotes))


def event_of(data: bytes) -> dict[str, Any]:
    """Return a record as Lambda hands it over."""
    fields = {"kinesisSchemaVersion": "1.0", "sequenceNumber": "1", "approximateArrivalTimestamp": 0}
    return {"kinesis": {**fields, "partitionKey": "a", "data": base64.b64encode(data)}}


def best(run: Callable[[], object]) -> float:
    """Return the microseconds of CPU that the fastest of some runs took."""
    taken = []
    for _ in range(RUNS):
        begun = time.process_time()
        run()
        taken.append(time.process_time() - begun)
    return min(taken) * 1e6


def show(packed: Packed, quotes: Sequence[Quote]) -> None:
    """Print one line."""
    units = sum(-(-len(record) // UNIT) for record in packed.records)
    overhead = (sum(map(len, packed.records)) - sum(len(quote.data) for quote in quotes)) / len(quotes)
    filled = len(quotes) / len(packed.records)
    print(
        f"{packed.name:<20} {packed.pack:>10.2f} {packed.unpack:>10.2f} {filled:>10.0f} {overhead:>10.1f}"
        f" {units / len(quotes) * 1e6:>12,.0f}"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quotes", type=int, default=100_000)
    parser.add_argument("--symbols", type=int, default=10_000)
    parser.add_argument("--tick", type=int, default=10_000, help="quotes that are packed at once")
    parser.add_argument("--shards", type=int, nargs="*", default=[1, 4, 16])
    chosen = parser.parse_args()
    quotes = quotes_of(chosen.quotes, chosen.symbols)
    size = sum(len(quote.data) for quote in quotes) / len(quotes)
    print(machine.describe())
    print(
        f"{chosen.quotes:,} quotes of {size:.0f} bytes, {chosen.symbols:,} symbols, {chosen.tick:,} a tick\n"
    )
    print(f"{'':<20} {'pack, us':>10} {'unpack, us':>10} {'quotes':>10} {'bytes':>10} {'billed units':>12}")
    print(f"{'':<20} {'a quote':>10} {'a quote':>10} {'a record':>10} {'more each':>10} {'a million':>12}")
    for shards in chosen.shards:
        show(ours(quotes, chosen.tick, shards), quotes)
    if find_spec("aws_kinesis_agg"):
        show(amazon_s(quotes), quotes)


if __name__ == "__main__":
    main()
