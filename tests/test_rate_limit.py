"""A token bucket keeps to its rate, and lets a burst through after a pause."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.rate_limit import TokenBucket
from support.quote_strategies import examples

CALLS = st.lists(st.tuples(st.floats(0, 20), st.integers(1, 50)), min_size=2, max_size=60)


@examples(200)
@given(st.floats(0.1, 1000), st.floats(0, 10), CALLS)
def test_no_window_holds_more_than_the_rate_and_a_burst(rate: float, burst: float, calls: list) -> None:
    """From any call to any later one, all but the last take what the rate gives in that time and a burst."""
    bucket, now, taken = TokenBucket(rate, burst), 1000.0, []
    for pause, tokens in calls:
        now += pause
        now += bucket.wait_time(now)
        bucket.take(tokens, at=now)
        taken.append((now, tokens))
    for first in range(len(taken)):
        for last in range(first + 1, len(taken)):
            allowed = rate * (taken[last][0] - taken[first][0] + burst)
            assert sum(tokens for _, tokens in taken[first:last]) <= allowed * (1 + 1e-6) + 1e-6


def test_what_was_taken_beyond_the_bucket_makes_later_calls_wait() -> None:
    """Two a second and a burst of three seconds: six at once, and each one more costs half a second."""
    bucket = TokenBucket(2, 3)
    bucket.take(6, at=100)
    assert bucket.wait_time(100) == 0
    bucket.take(5, at=100)
    assert bucket.wait_time(100) == pytest.approx(2.5)
    assert bucket.wait_time(102.5) == 0


def test_the_rate_may_change() -> None:
    """What is taken from now on costs what the new rate says."""
    bucket = TokenBucket(10, 0)
    bucket.take(10, at=100)
    bucket.rate = 1
    bucket.take(10, at=101)
    assert bucket.wait_time(101) == pytest.approx(10)
