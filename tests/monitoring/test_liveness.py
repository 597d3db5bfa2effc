"""Signs of life: what is a hung producer, and what only looks like one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest

from stockctl.market.quote import Quote
from stockctl.monitoring.health import LivenessMonitor
from stockctl.monitoring.instrument import InstrumentedSource, instrument_stream
from stockctl.monitoring.latest_quotes import LatestQuotes
from stockctl.pipeline.ports import DeliveryError, Record, Rejection, SendResult
from stockctl.producer.outbox.queue import open_outbox
from stockctl.producer.producer import BufferedProducer

QUOTE = Quote("AAA", "2026-01-05T15:00:00.000Z", Decimal(1), None, None, None, None, None, "test", None)


class Clock:
    """A time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


@pytest.fixture
def liveness(clock: Clock) -> LivenessMonitor:
    """Signs of life that are waited for 60 seconds."""
    return LivenessMonitor(60, clock)


def test_a_source_that_looks_at_its_wish_to_stop_lives(liveness: LivenessMonitor, clock: Clock):
    """And is taken for hung when it has not for longer than the patience."""
    clock.now += 59
    liveness.heartbeat()
    clock.now += 60
    assert liveness.check(0).healthy
    clock.now += 1
    verdict = liveness.check(0)
    assert not verdict.healthy
    assert verdict.reason == "the source has shown no sign of life for 61 s"


@pytest.mark.parametrize("seconds", [3600.0, None])
def test_a_source_may_sleep_as_long_as_it_said(
    liveness: LivenessMonitor, clock: Clock, seconds: float | None
):
    """A closed market is no illness; not to wake up is one."""
    liveness.sleep_started(seconds)
    clock.now += 3600
    assert liveness.check(0).healthy
    clock.now += 61
    assert liveness.check(0).healthy == (seconds is None)


def test_to_deliver_nothing_is_healthy_when_nothing_waits(liveness: LivenessMonitor, clock: Clock):
    """Nor is the first quote after an hour of silence late at once."""
    for _ in range(360):
        clock.now += 10
        liveness.heartbeat()
        assert liveness.check(0).healthy
    assert liveness.check(1).healthy
    clock.now += 61
    liveness.heartbeat()
    assert liveness.check(1).reason == "the delivery has shown no sign of life for 61 s"


def test_a_call_that_does_not_return_is_hung(liveness: LivenessMonitor, clock: Clock):
    """Even when nothing waits beside it."""
    liveness.call_started()
    clock.now += 61
    liveness.heartbeat()
    assert not liveness.check(0).healthy
    liveness.call_ended()
    assert liveness.check(0).healthy


def test_tries_in_vain_are_signs_of_life(liveness: LivenessMonitor, clock: Clock):
    """A stream that cannot be reached for hours is not the producer's illness."""
    for _ in range(200):
        liveness.heartbeat()
        liveness.call_started()
        clock.now += 15
        liveness.call_ended()
        clock.now += 30
        assert liveness.check(500).healthy


def test_a_full_outbox_holds_the_source_up_as_long_as_the_delivery_works(
    liveness: LivenessMonitor, clock: Clock
):
    """The source cannot look while it waits for room."""
    liveness.tick_yielded()
    for _ in range(100):
        clock.now += 30
        liveness.call_started()
        liveness.call_ended()
        assert liveness.check(500).healthy
    clock.now += 61
    assert not liveness.check(0).healthy


def test_when_the_source_has_ended_only_the_delivery_counts(liveness: LivenessMonitor, clock: Clock):
    """What waits still goes out."""
    liveness.source_ended()
    clock.now += 600
    assert liveness.check(0).healthy


class Sleepy:
    """A source that checks, sleeps, yields, and asks other threads nothing."""

    name = "sleepy"
    expected: int | None = None
    repeatable = False

    def __init__(self, liveness: LivenessMonitor, clock: Clock) -> None:
        self._liveness = liveness
        self._clock = clock
        self.verdicts: list[bool] = []

    def ticks(self, stop: Event) -> Iterator[Sequence[Quote | Rejection]]:
        """Yield two ticks, hanging before the second."""
        yield [QUOTE]
        for look in (stop.is_set, lambda: stop.wait(0.001)):
            self._clock.now += 61
            self.verdicts.append(self._liveness.check(0).healthy)
            assert not look()
            self.verdicts.append(self._liveness.check(0).healthy)
        yield [Rejection(b"", "here", "broken"), QUOTE]


def test_an_observed_source_yields_the_same_and_is_heard(liveness: LivenessMonitor, clock: Clock):
    """Each look and each sleep counts as a sign, and the ticks go through the board unchanged."""
    board, source = LatestQuotes(), Sleepy(liveness, clock)
    observed = InstrumentedSource(source, board, liveness)
    assert (observed.name, observed.expected, observed.repeatable) == ("sleepy", None, False)
    assert list(observed.ticks(Event())) == [[QUOTE], [Rejection(b"", "here", "broken"), QUOTE]]
    assert source.verdicts == [False, True, False, True]
    assert board.totals()[:4] == (1, 2, 1, "broken")
    clock.now += 600
    assert liveness.check(0).healthy


def test_an_observed_source_hears_the_wish_to_stop(liveness: LivenessMonitor):
    """The event behind is the one that counts."""
    stop = Event()

    class Patient:
        name, expected, repeatable = "patient", None, False

        def ticks(self, inner: Event) -> Iterator[Sequence[Quote]]:
            yield [QUOTE]
            assert inner.wait(30)
            assert inner.is_set()

    ticks = InstrumentedSource(Patient(), LatestQuotes(), liveness).ticks(stop)
    next(ticks)
    stop.set()
    assert list(ticks) == []


class Broken:
    """A stream that fails in each way, then works."""

    batch_records = 7

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.faults = [True, False]

    @contextmanager
    def opened(self) -> Iterator["Broken"]:
        """Open it; the first time in vain."""
        self._clock.now += 61
        if self.faults.pop():
            yield self
        else:
            raise DeliveryError("not there", retryable=True)

    def send(self, records: Sequence[Record]) -> SendResult:
        """Take them."""
        self._clock.now += 61
        return SendResult(len(records))

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        """Fail."""
        self._clock.now += 61
        raise DeliveryError("full", retryable=False)


def test_an_observed_stream_does_the_same_and_is_heard(liveness: LivenessMonitor, clock: Clock):
    """Opening, sending, refusing: each end of a call is a sign, be it good or bad."""
    liveness.source_ended()
    open_stream = instrument_stream(Broken(clock).opened, liveness)
    with pytest.raises(DeliveryError, match="not there"), open_stream():
        pass
    assert liveness.check(5).healthy
    with open_stream() as stream:
        assert stream.batch_records == 7
        assert stream.send([Record(b"{}", "test", "AAA")]) == SendResult(1)
        assert liveness.check(5).healthy
        with pytest.raises(DeliveryError, match="full"):
            stream.refuse([Rejection(b"", "here", "broken")])
        assert liveness.check(5).healthy


class Lost:
    """A stream whose calls end when a test says so."""

    batch_records = 500

    def __init__(self) -> None:
        self.called, self.released = Event(), Event()

    @contextmanager
    def opened(self) -> Iterator["Lost"]:
        """Open it."""
        yield self

    def send(self, records: Sequence[Record]) -> SendResult:
        """Take them, when released."""
        self.called.set()
        assert self.released.wait(30)
        return SendResult(len(records))

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        """Drop them."""


def test_a_hung_delivery_of_a_real_producer_is_found(tmp_path: Path, liveness: LivenessMonitor, clock: Clock):
    """Its source goes on, and its outbox fills; it is healthy again once the call returns."""
    stream, verdicts = Lost(), []

    class Going:
        name, expected, repeatable = "going", None, False

        def ticks(self, stop: Event) -> Iterator[Sequence[Quote]]:
            yield [QUOTE]
            assert stream.called.wait(30)
            for seconds in (59, 2):
                clock.now += seconds
                stop.is_set()
                verdicts.append(liveness.check(producer.snapshot().waiting))
            stream.released.set()

    source = InstrumentedSource(Going(), LatestQuotes(), liveness)
    with open_outbox(tmp_path / "outbox.db", limit=1 << 20) as outbox:
        producer = BufferedProducer(source, instrument_stream(stream.opened, liveness), outbox)
        assert producer.run(Event()).sent == 1
        verdicts.append(liveness.check(producer.snapshot().waiting))
    assert [verdict.healthy for verdict in verdicts] == [True, False, True]
    assert verdicts[1].reason == "the delivery has shown no sign of life for 61 s"
