"""Packing records by shard: the right shard, order, size limits, reshards."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.kinesis.aggregator import MAX_BYTES, Aggregate, Aggregator, OpenShards
from stockctl.errors import AwsError
from support.aws.kinesis_model import ModelStream, deaggregated, md5_number
from support.aws.moto_account import STREAM, shared_connection
from support.quote_strategies import SYMBOLS, examples

BILLED_UNIT = 25_000


class Item(NamedTuple):
    """A record to pack."""

    key: str
    data: bytes


Items = list[Item]


@pytest.fixture(scope="module")
def kinesis() -> Any:
    """A client of Kinesis."""
    return shared_connection().client("kinesis")


def ticks(symbols: int, rounds: int) -> Items:
    """Return records of many symbols, each round holding one of each."""
    return [
        Item(f"S{symbol}", f'{{"symbol":"S{symbol}","number":{number}}}'.encode())
        for number in range(rounds)
        for symbol in range(symbols)
    ]


def by_key(items: Sequence[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """Return what there is of each key, in order."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for key, data in items:
        found[key].append(data)
    return found


def unpacked(aggregates: Sequence[Aggregate[Item]]) -> Items:
    """Return what Amazon's library finds in them; one that is not packed belongs to its only member."""
    found = []
    for aggregate in aggregates:
        members = deaggregated(aggregate.data)
        if [data for _, data in members] == [aggregate.data]:
            members = [(aggregate.members[0].key, aggregate.data)]
        found += [Item(*member) for member in members]
        assert members == list(aggregate.members)
    return found


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_the_shard_is_the_one_that_kinesis_chooses(connection: Connection, shards: int):
    """Where an aggregate lands is where each of its records would have landed alone."""
    client = connection.client("kinesis")
    client.create_stream(StreamName="other", ShardCount=shards)
    items = ticks(60, 1)
    entries = [{"Data": item.data, "PartitionKey": item.key} for item in items]
    alone = client.put_records(StreamName="other", Records=entries)["Records"]
    chosen = {item.key: result["ShardId"] for item, result in zip(items, alone, strict=True)}
    aggregates = Aggregator(OpenShards(client, "other")).aggregate(items)
    assert len(aggregates) == shards
    for aggregate in aggregates:
        landed = client.put_record(
            StreamName="other",
            Data=aggregate.data,
            PartitionKey=aggregate.key,
            ExplicitHashKey=aggregate.hash_key,
        )["ShardId"]
        assert {landed} == {aggregate.key} == {chosen[item.key] for item in aggregate.members}


@examples(80)
@given(
    st.lists(st.tuples(SYMBOLS | st.sampled_from("ABC"), st.binary(max_size=120)), max_size=80),
    st.integers(1, 12),
    st.integers(60, 1500),
)
def test_each_record_is_in_one_aggregate_and_those_of_a_key_in_order(
    kinesis: Any, records: list[tuple[str, bytes]], count: int, most: int
):
    """Whatever the records, the shards and the size: nothing is lost, doubled, reordered or astray."""
    items = [Item(*record) for record in records]
    stream = ModelStream(count)
    with stream.behind(kinesis):
        aggregates = Aggregator(OpenShards(kinesis, STREAM), most).aggregate(items)
    assert by_key(unpacked(aggregates)) == by_key(items)
    for aggregate in aggregates:
        assert aggregate.size <= most or len(aggregate.members) == 1
        shard = stream.shard_of(int(aggregate.hash_key))
        assert shard.shard_id == aggregate.key
        assert all(shard.first <= md5_number(item.key) <= shard.last for item in aggregate.members)


def test_the_edges_of_a_shard_belong_to_it(kinesis: Any):
    """The lowest and the highest hash key of a range lead to the same shard, the next one to another."""
    stream = ModelStream(1)
    number = md5_number("AAPL")
    with stream.behind(kinesis):
        for first, last in ((number, number), (0, number), (number, 2**128 - 1)):
            stream.shards[:] = []
            for start, end in ((0, first - 1), (first, last), (last + 1, 2**128 - 1)):
                if start <= end:
                    stream._add(start, end)
            assert OpenShards(kinesis, STREAM).shard_of("AAPL").starting_hash_key == first


def test_an_aggregate_stays_within_four_billed_units(kinesis: Any):
    """Full ones use nearly all of what is paid for, their keys included."""
    stream = ModelStream(2)
    with stream.behind(kinesis):
        aggregates = Aggregator(OpenShards(kinesis, STREAM)).aggregate(ticks(500, 40))
    sizes = [aggregate.size for aggregate in aggregates]
    assert max(sizes) <= MAX_BYTES == 4 * BILLED_UNIT
    full = [size for aggregate, size in zip(aggregates, sizes, strict=True) if size > MAX_BYTES * 0.99]
    assert len(full) == len(aggregates) - 2
    assert all(len(aggregate.data) < 1 << 20 for aggregate in aggregates)


def test_a_record_too_large_to_be_packed_goes_alone_in_its_place(kinesis: Any):
    """As it is, on its symbol's way: behind what came before it and before what came after."""
    large = Item("AAPL", b"x" * MAX_BYTES)
    items = [Item("AAPL", b"1"), Item("AAPL", b"2"), large, Item("AAPL", b"3")]
    with ModelStream(3).behind(kinesis):
        aggregates = Aggregator(OpenShards(kinesis, STREAM)).aggregate(items)
    assert [len(aggregate.members) for aggregate in aggregates] == [2, 1, 1]
    assert aggregates[1].data is large.data
    assert aggregates[1].members == [large]
    assert len({(aggregate.key, aggregate.hash_key) for aggregate in aggregates}) == 1


def test_shards_are_listed_once(kinesis: Any):
    """However many records there are; an empty call asks nothing at all."""
    stream = ModelStream(4)
    with stream.behind(kinesis):
        aggregator = Aggregator(OpenShards(kinesis, STREAM))
        assert aggregator.aggregate([]) == []
        assert stream.listed == 0
        for _ in range(3):
            aggregator.aggregate(ticks(50, 2))
    assert stream.listed == 1


@pytest.mark.parametrize("filters", [True, False])
def test_more_shards_than_a_page_and_closed_ones(kinesis: Any, filters: bool):
    """Pages are followed as Kinesis wants it, and closed shards are left out, whoever filters them."""
    stream = ModelStream(9, page=4)
    stream.filters = filters
    stream.split(stream.shards[3])
    stream.merge(stream.shards[6], stream.shards[7])
    with stream.behind(kinesis):
        shards = OpenShards(kinesis, STREAM)
        for number in range(200):
            assert (
                shards.shard_of(f"S{number}").shard_id == stream.shard_of(md5_number(f"S{number}")).shard_id
            )
        assert [shard.shard_id for shard in stream.shards if shards.is_open(shard.shard_id)] == [
            shard.shard_id for shard in stream.shards if shard.open
        ]


def test_closed_shards_of_moto_are_left_out(connection: Connection):
    """After a reshard, with the shard list of moto."""
    client = connection.client("kinesis")
    client.update_shard_count(StreamName=STREAM, TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    listed = client.list_shards(StreamName=STREAM)["Shards"]
    shards = OpenShards(client, STREAM)
    found = {shards.shard_of(f"S{number}").shard_id for number in range(100)}
    assert len(listed) == 6
    assert found == {
        shard["ShardId"] for shard in listed if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    }


def test_many_keys_do_not_fill_the_memory(kinesis: Any, monkeypatch: pytest.MonkeyPatch):
    """What has no symbol travels under a key of its own: such keys are not remembered for ever."""
    monkeypatch.setattr("stockctl.backends.aws.kinesis.aggregator._CACHED_KEYS", 10)
    stream = ModelStream(5)
    with stream.behind(kinesis):
        shards = OpenShards(kinesis, STREAM)
        for number in range(100):
            key = f"key-{number % 37}"
            assert shards.shard_of(key).shard_id == stream.shard_of(md5_number(key)).shard_id
            assert len(shards._by_key) <= 10


def test_a_stream_without_open_shards_is_explained(kinesis: Any):
    """The error names the stream, with a hint."""
    stream = ModelStream(1)
    stream.shards[0].open = False
    with (
        stream.behind(kinesis),
        pytest.raises(AwsError, match="stock-market-stream has no open shard") as failed,
    ):
        OpenShards(kinesis, STREAM).shard_of("AAPL")
    assert "stockctl status" in (failed.value.hint or "")


def test_a_stream_that_is_not_there_is_explained(connection: Connection):
    """A sentence, no traceback of botocore's."""
    with pytest.raises(AwsError, match="no-such-stream does not exist"):
        Aggregator(OpenShards(connection.client("kinesis"), "no-such-stream")).aggregate(ticks(1, 1))


class Sender:
    """Sends aggregates the way a producer has to, through reshards: one of a shard at a time."""

    def __init__(self, stream: ModelStream, aggregator: Aggregator) -> None:
        self._stream = stream
        self._aggregator = aggregator
        self.sent = 0

    def send(self, items: Items) -> Iterator[None]:
        """Send everything, and let the caller reshard after each call."""
        queues = self._queues(items)
        while queues:
            moved = False
            for key, queue in list(queues.items()):
                head = queue[0]
                landed = self._stream.put(head.data, head.key, head.hash_key)
                self.sent += len(head.members)
                if self._aggregator.is_misplaced(head, landed):
                    moved = True
                    continue
                queue.pop(0)
                if not queue:
                    del queues[key]
            if moved:
                aggregates = [aggregate for queue in queues.values() for aggregate in queue]
                rest = [item for aggregate in aggregates for item in aggregate.members]
                queues = self._queues(rest)
            yield

    def _queues(self, items: Items) -> dict[str, list[Aggregate[Item]]]:
        queues: dict[str, list[Aggregate[Item]]] = defaultdict(list)
        for aggregate in self._aggregator.aggregate(items):
            queues[aggregate.key].append(aggregate)
        return dict(queues)


def first_deliveries(consumed: Sequence[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """Return what is handed over of each key, without what was handed over before."""
    return {key: list(dict.fromkeys(data)) for key, data in by_key(consumed).items()}


@examples(60)
@given(st.data(), st.integers(1, 6), st.booleans())
def test_a_reshard_loses_and_reorders_nothing(kinesis: Any, data: st.DataObject, count: int, filters: bool):
    """Splits and merges while records flow: a consumer of Amazon's kind is handed all, each key in order.

    Parents are read before their children, as Amazon's library and Lambda do.
    """
    stream = ModelStream(count, page=3)
    stream.filters = filters
    items = ticks(12, 30)
    with stream.behind(kinesis):
        sender = Sender(stream, Aggregator(OpenShards(kinesis, STREAM), 300))
        for _ in sender.send(items):
            if data.draw(st.integers(0, 3), "reshard") == 0 and len(stream.shards) < 24:
                shards = stream.open_shards
                place = data.draw(st.integers(0, len(shards) - 1), "place")
                if data.draw(st.booleans(), "split") or place == len(shards) - 1:
                    stream.split(shards[place])
                else:
                    stream.merge(shards[place], shards[place + 1])
    # Shards are numbered as they are made, so a parent comes before its children.
    consumed = [each for shard in stream.shards for each in stream.consumed(shard)]
    assert first_deliveries(consumed) == by_key(items)


def test_what_a_reshard_repeats_is_what_was_on_its_way(kinesis: Any):
    """One aggregate of each closed shard comes again, and shards are listed once for all of them."""
    stream = ModelStream(4)
    items = ticks(40, 50)
    with stream.behind(kinesis):
        sender = Sender(stream, Aggregator(OpenShards(kinesis, STREAM), 1000))
        sending = sender.send(items)
        next(sending)
        for shard in stream.open_shards:
            stream.split(shard)
        for _ in sending:
            pass
    assert stream.listed == 2
    assert 0 < sender.sent - len(items) <= 4 * 1000 / 30


def test_an_endpoint_that_ignores_hash_keys_is_put_up_with(kinesis: Any):
    """What lands in another open shard than it should is not sent for ever."""
    stream = ModelStream(2)
    with stream.behind(kinesis):
        aggregator = Aggregator(OpenShards(kinesis, STREAM))
        (aggregate,) = aggregator.aggregate([Item("AAPL", b"1")])
        other = next(shard.shard_id for shard in stream.shards if shard.shard_id != aggregate.key)
        assert not aggregator.is_misplaced(aggregate, aggregate.key)
        assert stream.listed == 1
        assert not aggregator.is_misplaced(aggregate, other)
        assert stream.listed == 2


def test_a_shard_that_is_not_listed_yet_is_waited_for(kinesis: Any):
    """When Kinesis names a shard that it does not list, what went there is sent again."""
    with ModelStream(2).behind(kinesis):
        aggregator = Aggregator(OpenShards(kinesis, STREAM))
        (aggregate,) = aggregator.aggregate([Item("AAPL", b"1")])
        assert aggregator.is_misplaced(aggregate, "shardId-000000000009")
