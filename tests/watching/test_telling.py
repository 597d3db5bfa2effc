"""What a source tells beside its quotes."""

from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from stockctl.market.plausibility import Doubt
from stockctl.sources.closed import WhenClosed
from stockctl.sources.policy import WhenClosedPolicy
from stockctl.sources.simulate import SimulateSource
from stockctl.sources.yahoo import YahooSource
from stockctl.sources.yahoo_live.counters import Counters
from stockctl.watching import Watch
from stockctl.watching.telling import Told, told


def test_a_source_that_tells_nothing_is_asked_nothing():
    """Quotes are all that a source has to give."""
    assert told(SimulateSource(["AAA"])) == Told()


def test_the_breaker_and_the_doubts_of_polls_are_seen_through_what_stands_around():
    """Open with its end after a 429, and closed before."""
    yahoo = YahooSource(["AAA"])
    watched = Watch(WhenClosed(yahoo, ["AAA"], WhenClosedPolicy.CONTINUE)).source
    before = told(watched)
    assert (before.breaker, before.breaker_until, before.connected) == ("closed", None, None)
    assert before.doubts == {doubt.value: 0 for doubt in Doubt}
    yahoo.breaker.limited(60.0)
    after = told(watched)
    assert after.breaker == "open"
    assert after.breaker_until is not None
    assert timedelta(seconds=50) < after.breaker_until - datetime.now(UTC) < timedelta(seconds=70)


def test_a_connection_is_up_or_down_and_counted():
    """By the counters of a source."""

    class Live:
        name, expected, repeatable = "live", None, False
        counters = Counters(connected=True, connections=3)

        def ticks(self, stop: Event):
            return iter(())

    known = told(Watch(Live()).source)
    assert (known.connected, known.reconnects, known.breaker) == (True, 2, None)


@pytest.mark.parametrize("until", [None, datetime(2026, 1, 5, 14, 30, tzinfo=UTC)])
def test_a_source_of_another_package_may_tell_that_it_rests(until: datetime | None):
    """By the one attribute that is documented."""

    class Resting:
        closed_until = until

    assert (told(Resting()).rests, told(Resting()).rests_until) == (until is not None, until)
