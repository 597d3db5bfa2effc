"""What a producer tells of itself, and how long it goes on."""

from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.pipeline.ports import DeliveryError, SendResult
from stockctl.producer.delivery import FIRST_DELAY, LONGEST_DELAY, RetryPolicy
from stockctl.producer.outbox.inspect import outbox_facts, outbox_summary
from stockctl.producer.outbox.queue import open_outbox
from stockctl.producer.shutdown import GracePeriod
from stockctl.producer.stats import DeliveryStats
from support.producer_inputs import batch_of, quote
from support.quote_strategies import examples


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@examples(100)
@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 100)), min_size=1, max_size=40))
def test_lags_are_those_of_all_records(samples: list[tuple[int, float]]):
    """p50 and p99 are the smallest lags that half, and 99 in 100, of the records did not exceed."""
    stats = DeliveryStats()
    for records, lag in samples:
        stats.add_lag(records, lag)
    every = sorted(lag for records, lag in samples for _ in range(records))
    snapshot = stats.snapshot()
    assert snapshot.lag_p50 == every[-(-len(every) * 50 // 100) - 1]
    assert snapshot.lag_p99 == every[-(-len(every) * 99 // 100) - 1]


def test_old_lags_are_forgotten():
    """The window slides: what is older than five minutes counts no more, and nothing lately is None."""
    clock = Clock()
    stats = DeliveryStats(clock)
    stats.add_lag(10, 9.0)
    clock.now += 200
    stats.add_lag(10, 1.0)
    assert stats.snapshot().lag_p99 == 9.0
    clock.now += 200
    assert stats.snapshot().lag_p99 == 1.0
    clock.now += 200
    assert (stats.snapshot().lag_p50, stats.snapshot().lag_p99) == (None, None)


def test_a_snapshot_has_every_figure():
    """Receipts add up, the outbox adds what only it knows."""
    stats = DeliveryStats()
    for _ in range(2):
        stats.add(SendResult(5, quarantined=1, is_final=False, retried=4, throttled=3, possibly_duplicated=2))
    stats.add_refused(7)
    stats.set_fault("away")
    found = stats.snapshot(waiting=11, dropped=13)
    assert found._replace(lag_p50=None, lag_p99=None) == (10, 11, 8, 7, 6, 4, 13, None, None, "away")


def test_a_run_has_no_end_before_somebody_wishes_it():
    """Without a wish there is no bound; after it the grace, whatever succeeds; over means over."""
    clock, stop = Clock(), Event()
    grace_period = GracePeriod(stop, 10, clock)
    clock.now += 10_000
    assert (grace_period.seconds_left, grace_period.expired) == (None, False)
    stop.set()
    assert grace_period.seconds_left == 10
    clock.now += 6
    grace_period.succeeded()
    assert grace_period.seconds_left == 4
    clock.now += 5
    assert grace_period.expired
    assert not grace_period.wait(1)


def test_after_the_end_of_a_source_success_gives_more_time():
    """A backlog that goes out may take its time; without any success the grace is all there is."""
    clock = Clock()
    grace_period = GracePeriod(Event(), 10, clock)
    grace_period.source_ended()
    assert grace_period.seconds_left == 10
    clock.now += 9
    grace_period.succeeded()
    assert grace_period.seconds_left == 10
    clock.now += 10
    assert grace_period.expired


def test_a_wish_to_stop_ends_a_pause():
    """Who rests for a long time is woken, and tries again at once."""
    stop = Event()
    stop.set()
    assert GracePeriod(stop, 10).wait(0.01)


def test_pauses_double_up_to_a_bound_and_begin_anew():
    """Each pause is drawn between 0 and a bound that doubles; success resets it."""
    stop, bounds = Event(), []
    stop.set()

    def draw(low: float, high: float) -> float:
        bounds.append((low, high))
        return 0.0

    retry_policy = RetryPolicy(DeliveryStats(), GracePeriod(stop, 100), uniform=draw)
    for _ in range(12):
        retry_policy.wait(DeliveryError("no", retryable=True), 0.0)
    assert bounds[:4] == [(0, FIRST_DELAY * 2**power) for power in range(4)]
    assert bounds[-1] == (0, LONGEST_DELAY)
    retry_policy.succeeded()
    retry_policy.wait(DeliveryError("no", retryable=True), 0.0)
    assert bounds[-1] == (0, FIRST_DELAY)


def test_an_outbox_can_be_looked_into_while_it_is_used(tmp_path: Path):
    """How much waits since when, and what was dropped; nothing where there is no outbox."""
    path = tmp_path / "o.db"
    assert (outbox_summary(path), outbox_facts(path)) == (None, [])
    with open_outbox(path, limit=1000, full="drop-oldest") as outbox:
        assert dict(outbox_facts(path)) == {"outbox": str(path), "waiting": 0}
        for number in range(30):
            outbox.put(batch_of(quote("AAPL", number), taken_at=1_700_000_000 + number), lambda: False)
        shown = dict(outbox_facts(path))
        assert shown["waiting"] == f"{outbox.backlog.quotes} quotes, the oldest since 2023-11-14 22:13:46 UTC"
        assert str(shown["dropped"]).startswith(
            f"{outbox.backlog.dropped} quotes of AAPL (2026-01-05T14:00:00.000Z to"
        )
        found = outbox_summary(path)
    assert found is not None
    assert found.oldest is not None
    assert found.oldest.timestamp() == pytest.approx(1_700_000_000 + outbox.backlog.dropped)
