"""The status of a source."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event

from stockctl.market.plausibility import QuoteIssue
from stockctl.market.rules import MarketClosedPolicy
from stockctl.monitoring.instrument import RunInstrumentation
from stockctl.sources.base import SourceStatus, Tick, source_status
from stockctl.sources.market_hours import MarketHoursSource
from stockctl.sources.plausibility import ValidatedSource
from stockctl.sources.simulate import SimulateSource
from stockctl.sources.telling import Telling, Told, told_by
from stockctl.sources.yahoo.source import YahooSource
from stockctl.sources.yahoo_stream.source import YahooStreamSource

SATURDAY = datetime(2026, 11, 28, 12, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, 15, tzinfo=UTC)


def test_a_source_that_tells_nothing_is_asked_nothing() -> None:
    """A source need not report a status."""
    assert source_status(SimulateSource(["AAA"])) == SourceStatus()


def test_the_breaker_and_the_doubts_of_polls_are_told_by_what_stands_around() -> None:
    """Open with its end after a 429, and closed before."""
    yahoo = YahooSource(["AAA"])
    watched = RunInstrumentation(MarketHoursSource(yahoo, ["AAA"], MarketClosedPolicy.CONTINUE)).source
    before = source_status(watched)
    assert (before.breaker, before.breaker_until, before.connected) == ("closed", None, None)
    assert before.issues == {issue.value: 0 for issue in QuoteIssue}
    begun = datetime.now(UTC)
    yahoo.breaker.record_rate_limit(60.0)
    ended = datetime.now(UTC)
    after = source_status(watched)
    assert after.breaker == "open"
    assert after.breaker_until is not None
    assert begun + timedelta(seconds=60) <= after.breaker_until <= ended + timedelta(seconds=66)


def test_a_live_source_tells_of_its_connection_and_of_its_breaker() -> None:
    """Up or down, and how often it came up again."""
    live = YahooStreamSource(["AAA"])
    assert (source_status(live).connected, source_status(live).reconnects, source_status(live).breaker) == (
        False,
        0,
        "closed",
    )
    live.counters.connected, live.counters.connections = True, 3
    live.breaker.record_rate_limit(60.0)
    assert (source_status(live).connected, source_status(live).reconnects, source_status(live).breaker) == (
        True,
        2,
        "open",
    )


def test_quotes_that_a_live_source_leaves_out_are_told_by_the_reason() -> None:
    """They are not in the quarantine."""
    live = YahooStreamSource(["AAA"])
    live.counters.backwards, live.counters.timeless, live.counters.outside_session = 3, 2, 1
    issues = {reason: count for reason, count in source_status(live).issues.items() if count}
    assert issues == {"backwards": 3, "timeless": 2, "outside_session": 1}
    assert source_status(live).left_out == 6
    assert SourceStatus().left_out is None


class Acme:
    """A source of another package that reports its status, and has no quotes."""

    name, expected, repeatable = "acme", None, False

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield nothing."""
        return iter(())

    def status(self) -> SourceStatus:
        """Report a breaker that is open, and a connection."""
        return SourceStatus(breaker="open", connected=True, reconnects=7)


class FormerAcme:
    """A source that was written when a status had other names, and ``status`` had no meaning."""

    def status(self) -> str:
        """Return something of its own."""
        return "busy"

    def told(self) -> Told:
        """Report the same as ``Acme``, and a closed market."""
        return Told(
            breaker="open", connected=True, reconnects=7, rests=True, rests_until=MONDAY, doubts={"late": 2}
        )


class Rest(Event):
    """A stop event that records the status of a source while it waits, and ends the wait then."""

    def __init__(self) -> None:
        super().__init__()
        self.source: object = None
        self.told: list[SourceStatus] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.told.append(source_status(self.source))
        return True


def test_what_a_source_of_another_package_tells_is_added_to() -> None:
    """Its breaker and connection are reported; issues and market hours are added."""
    stop = Rest()
    stop.source = MarketHoursSource(
        ValidatedSource(Acme()), ["AAPL"], MarketClosedPolicy.WAIT, clock=lambda: SATURDAY, zone=UTC
    )
    assert list(RunInstrumentation(stop.source).source.ticks(stop)) == []
    [resting] = stop.told
    assert (resting.breaker, resting.connected, resting.reconnects) == ("open", True, 7)
    assert (resting.market_closed, resting.market_closes_at) == (True, None)
    assert resting.market_opens_at == datetime(2026, 11, 30, 14, 30, tzinfo=UTC)
    assert set(resting.issues) == set(QuoteIssue)
    assert source_status(stop.source).market_closed is False


def test_a_source_with_the_former_names_still_reports_its_status() -> None:
    """Sources of other packages need not change."""
    source = FormerAcme()
    status = source_status(source)
    assert (status.breaker, status.connected, status.reconnects) == ("open", True, 7)
    assert (status.market_closed, status.market_opens_at, status.issues) == (True, MONDAY, {"late": 2})
    former = told_by(source)
    assert (former.rests, former.rests_until, former.closes_at, former.doubts) == (
        True,
        MONDAY,
        None,
        {"late": 2},
    )
    new: Telling = Acme()
    assert told_by(new) == source_status(new)
    assert Told() == SourceStatus()


def test_an_unrelated_method_of_that_name_is_no_status() -> None:
    """A source may have had a method ``status`` before that name meant something."""

    class Busy:
        def status(self) -> str:
            return "busy"

    assert source_status(Busy()) == SourceStatus()


def test_while_a_market_is_open_its_close_is_told() -> None:
    """The exchange's own, without the extra minutes for late quotes."""
    source = MarketHoursSource(Acme(), ["AAPL"], MarketClosedPolicy.WAIT, clock=lambda: MONDAY)
    assert list(source.ticks(Event())) == []
    assert source_status(source).market_closed is False
    assert source_status(source).market_closes_at == datetime(2026, 11, 30, 21, tzinfo=UTC)


def test_what_never_closes_has_no_close() -> None:
    """Coins are traded on Saturdays as well."""
    source = MarketHoursSource(Acme(), ["BTC-USD"], MarketClosedPolicy.WAIT, clock=lambda: SATURDAY)
    assert list(source.ticks(Event())) == []
    assert (source_status(source).market_closed, source_status(source).market_closes_at) == (False, None)
