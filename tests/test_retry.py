"""Pauses between tries grow, vary, are bounded, and fit into the time that is left."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.retry import Backoff
from support.quote_strategies import examples


def test_pauses_double_up_to_the_longest():
    """Each pause is drawn from zero to twice the bound before it."""
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    slept: list[float] = []
    backoff = Backoff(first=0.1, cap=1.0, attempts=8, sleep=slept.append, uniform=draw)
    assert [backoff.pause(tries) for tries in range(1, 9)] == [True] * 7 + [False]
    assert drawn == [(0, pytest.approx(bound)) for bound in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0)]
    assert slept == [high for _, high in drawn]


def test_pauses_vary():
    """Callers that failed together do not come back together."""
    slept: list[float] = []
    backoff = Backoff(sleep=slept.append, uniform=Random(1).uniform)
    for _ in range(50):
        backoff.pause(3)
    assert len(set(slept)) == 50
    assert 0 <= min(slept) < 0.1 < max(slept) <= 0.4


def test_a_pause_that_does_not_fit_into_the_time_left_ends_the_tries():
    """Nothing is waited for when the wait would outlast the caller."""
    slept: list[float] = []
    backoff = Backoff(first=2.0, sleep=slept.append, uniform=lambda low, high: high, seconds_left=lambda: 3.0)
    assert backoff.pause(1)
    assert not backoff.pause(2)
    assert slept == [2.0]


def half_jitter(first: float, rng: Random) -> Backoff:
    """Return a backoff as the Yahoo sources use it."""
    return Backoff(first, 300, "half", uniform=rng.uniform)


def test_waits_double_up_to_the_cap_and_are_jittered() -> None:
    """At 30 s: a minute, two, four, then five at most, each drawn from the upper half."""
    many = [
        [backoff.next_delay() for _ in range(6)]
        for backoff in (half_jitter(30, Random(n)) for n in range(99))
    ]
    for waits, longest in zip(zip(*many, strict=True), (60, 120, 240, 300, 300, 300), strict=True):
        assert longest / 2 <= min(waits) < longest * 0.6
        assert longest * 0.9 < max(waits) <= longest
        assert len(set(waits)) == len(waits)


def test_success_begins_anew_and_tells_how_many_failed() -> None:
    """The wait after the next fault is a first wait again."""
    backoff = half_jitter(30, Random(1))
    for _ in range(4):
        backoff.next_delay()
    assert backoff.reset() == 4
    assert backoff.reset() == 0
    assert backoff.next_delay() <= 60


@examples(200)
@given(st.floats(0.001, 1e6), st.integers(1, 200), st.integers())
def test_no_fault_is_a_reason_to_ask_more_often(first: float, faults: int, seed: int) -> None:
    """A wait is never shorter than the interval, and never beyond five minutes unless that is."""
    backoff = half_jitter(first, Random(seed))
    waits = [backoff.next_delay() for _ in range(faults)]
    assert min(waits) >= first
    assert max(waits) <= max(first, 300)
