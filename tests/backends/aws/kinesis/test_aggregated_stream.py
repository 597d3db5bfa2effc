"""Sending aggregated records to Kinesis: errors, reshards, and the order of each symbol."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from stockctl.backends.aws.kinesis.aggregator import Aggregator, OpenShards
from stockctl.backends.aws.kinesis.stream import KinesisDeliveryError, KinesisStream
from stockctl.market.quote import MAX_RECORD_BYTES
from stockctl.pipeline.ports import Record, Rejection
from stockctl.retry import Backoff
from support.aws.kinesis_model import ModelStream, deaggregated, md5_number
from support.aws.moto_account import STREAM, shared_connection

TRIES = 5


class Aside:
    """A quarantine that keeps what it gets in memory."""

    def __init__(self) -> None:
        self.kept: list[Rejection] = []

    def put(self, rejections: list[Rejection]) -> None:
        """Keep the rejections."""
        self.kept += rejections


def records(symbols: int, rounds: int) -> list[Record]:
    """Return records of many symbols, each round holding one of each."""
    return [
        Record(f'{{"symbol":"S{symbol}","number":{number}}}'.encode(), "test", f"S{symbol}")
        for number in range(rounds)
        for symbol in range(symbols)
    ]


@contextmanager
def into(
    model: ModelStream, *, stray: bool = False, split_at: int = 0, kept: int = 0, unlisted: int = 0
) -> Iterator[KinesisStream]:
    """Give a stream that packs into the shards of a model.

    Args:
        model: the shards.
        stray: name a shard that is not listed for whatever is put.
        split_at: split the shards before the call of that number.
        kept: how many of the first shards are not split.
        unlisted: how many calls of ListShards fail after that.
    """
    client = shared_connection().client("kinesis")
    calls = 0

    def remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        context["parameters"] = params

    def answer(context: dict[str, Any], **_: object) -> Any:
        nonlocal calls
        calls += 1
        if calls == split_at:
            for shard in model.open_shards[kept:]:
                model.split(shard)
            model.unlisted = unlisted
        landed = [
            model.put(entry["Data"], entry["PartitionKey"], entry["ExplicitHashKey"])
            for entry in context["parameters"]["Records"]
        ]
        results = [
            {"SequenceNumber": "1", "ShardId": "shardId-000000000999" if stray else shard} for shard in landed
        ]
        return SimpleNamespace(status_code=200), {"FailedRecordCount": 0, "Records": results}

    events = client.meta.events
    events.register("before-parameter-build.kinesis.PutRecords", remember, unique_id="put")
    events.register("before-call.kinesis.PutRecords", answer, unique_id="put-answer")
    try:
        with model.behind(client):
            backoff = Backoff(attempts=TRIES, sleep=lambda seconds: None)
            aggregator: Aggregator[Record] = Aggregator(OpenShards(client, STREAM), 1000)
            yield KinesisStream(client, STREAM, Aside(), backoff, aggregator=aggregator)
    finally:
        events.unregister("before-parameter-build.kinesis.PutRecords", unique_id="put")
        events.unregister("before-call.kinesis.PutRecords", unique_id="put-answer")


def handed_over(model: ModelStream) -> dict[str, list[bytes]]:
    """Return what a consumer is handed of each symbol, repetitions aside."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for shard in model.shards:
        for key, data in model.consumed(shard):
            if data not in found[key]:
                found[key].append(data)
    return dict(found)


def by_symbol(sent: list[Record]) -> dict[str, list[bytes]]:
    """Return what was sent of each symbol."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for record in sent:
        found[record.key].append(record.data)
    return dict(found)


def test_a_consumer_is_handed_all_of_it_in_order() -> None:
    """Packed by shard, every record arrives once and each symbol's are in order."""
    model, sent = ModelStream(3), records(20, 30)
    with into(model) as stream:
        receipt = stream.send(sent)
    assert receipt.sent == len(sent)
    assert (receipt.retried, receipt.possibly_duplicated) == (0, 0)
    assert handed_over(model) == by_symbol(sent)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_reshard_on_the_way_loses_nothing(call: int) -> None:
    """What lands outside its shard's range is packed and sent again, and counted as possibly duplicated."""
    model, sent = ModelStream(2), records(20, 60)
    with into(model, split_at=call) as stream:
        receipt = stream.send(sent)
    assert receipt.sent == len(sent)
    assert receipt.possibly_duplicated == receipt.retried > 0
    assert handed_over(model) == by_symbol(sent)


def test_a_reshard_while_the_shards_cannot_be_listed_is_counted_all_the_same() -> None:
    """What landed well in the same call is not sent again; what did not is counted as possibly duplicated."""
    model, sent = ModelStream(2), records(20, 20)
    # The aggregate that is misplaced is the first one of the call.
    sent.sort(key=lambda record: md5_number(record.key) < model.open_shards[1].first)
    with into(model, split_at=1, kept=1, unlisted=1) as stream:
        with pytest.raises(KinesisDeliveryError) as refused:
            stream.send(sent)
        assert refused.value.retryable
        assert refused.value.result is not None
        assert refused.value.result.possibly_duplicated > 0
        receipt = stream.send(refused.value.records)
    assert (receipt.retried, receipt.possibly_duplicated) == (0, 0)
    put = [each["data"] for shard in model.shards for each in shard.records]
    assert (
        sum(len(deaggregated(data)) for data in put) - len(sent) == refused.value.result.possibly_duplicated
    )
    assert handed_over(model) == by_symbol(sent)


def test_shards_that_are_never_found_end_the_tries() -> None:
    """An endpoint that always names a shard it does not list is given up on, with the reason."""
    sent = records(3, 2)
    with into(ModelStream(1), stray=True) as stream, pytest.raises(KinesisDeliveryError) as refused:
        stream.send(sent)
    assert f"in {TRIES} attempts (the stream was resharded)" in refused.value.message
    assert refused.value.records == sent
    assert refused.value.retryable


@pytest.mark.parametrize(("spare", "fits"), [(20, True), (19, False)])
def test_a_record_that_travels_alone_has_room_for_its_shards_key(spare: int, fits: bool) -> None:
    """Too large to be packed it goes under the shard's name; what has no room for that is set aside."""
    model = ModelStream(1)
    body = b'{"symbol":"A"}' + b" " * (MAX_RECORD_BYTES - spare - 14)
    with into(model) as stream:
        receipt = stream.send([Record(body, "test", "A")])
    assert receipt.quarantined == (0 if fits else 1)
    assert [data for shard in model.shards for _, data in model.consumed(shard)] == ([body] if fits else [])
