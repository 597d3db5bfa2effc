"""The rate limit of a stream: token buckets, throttling, and the capacity from Kinesis."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stockctl.backends.aws.kinesis.rate_limit import (
    BURST_SECONDS,
    SMALLEST_SHARE,
    Capacity,
    ShardRateLimiter,
    StreamRateLimiter,
)
from stockctl.errors import AwsError
from support.aws.kinesis_server import Script, kinesis_null
from support.aws.loopback_server import nobody
from support.producer_inputs import kinesis_client
from support.quote_strategies import examples


class Clock:
    """A clock that advances only by ``sleep``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


CALLS = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500_000), st.floats(0, 0.3)), max_size=60)


@examples(200)
@given(CALLS)
@example([(1, 500_000, 0.0)] * 5 + [(500, 1, 0.0)] * 4)
def test_no_window_holds_more_than_its_rate_and_a_burst(calls: list[tuple[int, int, float]]):
    """From any call to any later one, all but the last take what the rate gives in that time and a burst."""
    clock = Clock()
    limiter = ShardRateLimiter(Capacity(1000, 1 << 20), clock)
    sent = []
    for records, size, pause in calls:
        clock.sleep(pause)
        clock.sleep(limiter.reserve(records, size))
        sent.append((clock.now, records, size))
    for first in range(len(sent)):
        for last in range(first + 1, len(sent)):
            window = sent[last][0] - sent[first][0] + BURST_SECONDS + 1e-6
            assert sum(call[1] for call in sent[first:last]) <= 1000 * window
            assert sum(call[2] for call in sent[first:last]) <= (1 << 20) * window


@examples(100)
@given(CALLS)
def test_nobody_waits_without_need(calls: list[tuple[int, int, float]]):
    """All of it is over no later than its records or its bytes take at the full rate."""
    clock = Clock()
    limiter = ShardRateLimiter(Capacity(1000, 1 << 20), clock)
    for records, size, _ in calls:
        clock.sleep(limiter.reserve(records, size))
    by_records = sum(call[0] for call in calls) / 1000
    by_bytes = sum(call[1] for call in calls) / (1 << 20)
    assert clock.now - 1000 <= by_records + by_bytes


def test_a_tick_of_ten_thousand_spreads_over_the_seconds_that_a_shard_needs():
    """Twenty calls of 500 into one shard take about nine seconds and a half, evenly."""
    clock = Clock()
    limiter = ShardRateLimiter(Capacity(1000, 1 << 20), clock)
    moments = []
    for _ in range(20):
        clock.sleep(limiter.reserve(500, 100_000))
        moments.append(clock.now - 1000)
    assert moments[-1] == pytest.approx(9.0)
    assert [later - earlier for earlier, later in pairwise(moments[1:])] == pytest.approx([0.5] * 18)


def test_throttling_slows_down_and_success_speeds_up_again():
    """The rate falls by a factor, not with every answer of one moment, and rises a little each second."""
    clock = Clock()
    limiter = ShardRateLimiter(Capacity(1000, 1 << 20), clock)
    for _ in range(10):
        limiter.throttled()
    assert limiter.share == pytest.approx(0.7)
    for _ in range(4):
        clock.sleep(1)
        limiter.throttled()
    assert limiter.share == pytest.approx(0.7**5)
    slow = limiter.max_call_records
    for _ in range(40):
        clock.sleep(1)
        limiter.accepted()
    assert slow < limiter.max_call_records == 500
    assert limiter.share == 1.0


@examples(100)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=80), st.booleans())
def test_the_rate_stays_within_bounds(answers: list[tuple[bool, float]], grows: bool):
    """However long it is throttled something goes, and what does not grow never takes more than it can."""
    clock = Clock()
    limiter = ShardRateLimiter(Capacity(1000, 1 << 20, grows), clock)
    for throttled, pause in answers:
        clock.sleep(pause)
        clock.sleep(limiter.reserve(500, 1000))
        (limiter.throttled if throttled else limiter.accepted)()
        assert limiter.share >= SMALLEST_SHARE
        assert grows or limiter.share <= 1.0
        assert 1 <= limiter.max_call_records <= 500


def test_a_stream_that_grows_is_tried_with_more_when_it_is_held_back():
    """The rate of an on-demand stream rises above the first capacity, but only when it limits."""
    clock = Clock()
    idle, busy = (ShardRateLimiter(Capacity(4000, 4 << 20, grows=True), clock) for _ in range(2))
    for _ in range(10):
        clock.sleep(1)
        idle.reserve(1, 100)
        idle.accepted()
        for _ in range(20):
            busy.reserve(500, 100)
        busy.accepted()
    assert idle.share == 1.0
    assert busy.share == pytest.approx(1.5)


def test_the_pace_is_learned_from_the_stream():
    """Three open shards take three thousand records a second."""
    clock = Clock()
    with kinesis_null(Script(shards=3)) as server:
        limiter = StreamRateLimiter(kinesis_client(server.url), "stock-market-stream", clock, clock.sleep)
        for _ in range(13):
            limiter.wait(500, 1000)
    assert clock.now - 1000 == pytest.approx(12 * 500 / 3000 - BURST_SECONDS)


def test_more_shards_are_noticed_within_minutes():
    """The capacity is requested again after a while; if that fails, the old one is used."""
    clock = Clock()
    with kinesis_null(Script(shards=1)) as server:
        limiter = StreamRateLimiter(kinesis_client(server.url), "stock-market-stream", clock, clock.sleep)
        small = limiter.max_call_records
        limiter.throttled()
        assert limiter.max_call_records < small
        server.stop()
        clock.sleep(700)
        slow = limiter.max_call_records
        server.start(shards=10)
        clock.sleep(700)
        assert limiter.max_call_records > slow


def test_a_stream_that_cannot_be_asked_at_first_is_a_passing_fault():
    """Without a response no capacity is assumed."""
    with nobody() as url:
        limiter = StreamRateLimiter(kinesis_client(url), "stock-market-stream")
        with pytest.raises(AwsError, match="cannot be reached"):
            limiter.wait(1, 1)
