"""Pauses between tries grow, vary, are bounded, and fit into the time that is left."""

import random

import pytest

from stockctl.retry import Backoff


def test_pauses_double_up_to_the_longest():
    """Each pause is drawn from zero to twice the bound before it."""
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    slept: list[float] = []
    backoff = Backoff(attempts=8, first=0.1, longest=1.0, sleep=slept.append, draw=draw)
    assert [backoff.pause(tries) for tries in range(1, 9)] == [True] * 7 + [False]
    assert drawn == [(0, pytest.approx(bound)) for bound in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0)]
    assert slept == [high for _, high in drawn]


def test_pauses_vary():
    """Callers that failed together do not come back together."""
    slept: list[float] = []
    backoff = Backoff(sleep=slept.append, draw=random.Random(1).uniform)
    for _ in range(50):
        backoff.pause(3)
    assert len(set(slept)) == 50
    assert 0 <= min(slept) < 0.1 < max(slept) <= 0.4


def test_a_pause_that_does_not_fit_into_the_time_left_ends_the_tries():
    """Nothing is waited for when the wait would outlast the caller."""
    slept: list[float] = []
    backoff = Backoff(first=2.0, sleep=slept.append, draw=lambda low, high: high, seconds_left=lambda: 3.0)
    assert backoff.pause(1)
    assert not backoff.pause(2)
    assert slept == [2.0]
