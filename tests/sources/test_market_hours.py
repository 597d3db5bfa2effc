"""What a source does while markets are closed, with a clock that a wait moves forward."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from stockctl.market.errors import InvalidQuote
from stockctl.market.quote import Quote
from stockctl.market.rules import MarketClosedPolicy
from stockctl.sources.base import Source, Tick
from stockctl.sources.calendars import MarketHours
from stockctl.sources.market_hours import MarketHoursSource, find_symbol_changer
from stockctl.sources.plausibility import ValidatedSource
from stockctl.sources.simulate import SimulateSource

pytestmark = pytest.mark.slow

HOURS = MarketHours()
WAIT, EXIT, CONTINUE = MarketClosedPolicy.WAIT, MarketClosedPolicy.EXIT, MarketClosedPolicy.CONTINUE


class Day(Event):
    """A stop event that is also the clock: a wait moves the time at once, up to the end of the test."""

    def __init__(self, now: str, until: str) -> None:
        super().__init__()
        self.now = datetime.fromisoformat(now).replace(tzinfo=UTC)
        self.until = datetime.fromisoformat(until).replace(tzinfo=UTC)
        self.naps: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        assert timeout > 0
        self.naps.append(timeout)
        self.now += timedelta(seconds=timeout)
        if self.now >= self.until:
            self.set()
        return self.is_set()

    def clock(self) -> datetime:
        """Return the time of day."""
        return self.now


class HalfHourly:
    """A source with a quote every thirty minutes, until it is stopped or has yielded ``most``."""

    name, repeatable, expected = "half-hourly", False, None

    def __init__(self, day: Day, most: int = 1000) -> None:
        self.day, self.most = day, most
        self.runs: list[str] = []
        self.symbols: Sequence[str] = ()

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield a tick of one quote at a time."""
        self.runs.append(f"{self.day.now:%d %H:%M}")
        for _ in range(self.most):
            yield [Quote("AAPL", f"{self.day.now:%d %H:%M}", Decimal(1), *[None] * 5, self.name, None)]
            if stop.wait(1800):
                return

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Record the symbols."""
        self.symbols = symbols


def times(
    source: Source, day: Day, policy: MarketClosedPolicy = WAIT, symbols: Sequence[str] = ("AAPL",)
) -> list[str]:
    """Return day and time of all quotes until the end of the test."""
    wrapped = MarketHoursSource(
        source, symbols, policy, hours=HOURS, clock=day.clock, zone=ZoneInfo("Europe/Berlin")
    )
    return [item.timestamp for tick in wrapped.ticks(day) for item in tick]


def test_it_waits_for_the_open_and_until_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    """From before Thanksgiving over the half day to Monday; it runs until twenty minutes after each close."""
    caplog.set_level(logging.INFO, "stockctl")
    day = Day("2026-11-25T20:00", "2026-11-30T16:00")
    source = HalfHourly(day)
    found = times(source, day)
    wednesday = ["25 20:00", "25 20:30", "25 21:00"]
    friday = [f"27 {hour}:{minute}" for hour in range(14, 19) for minute in ("00", "30")][1:-1]
    assert found == [*wednesday, *friday, "30 14:30", "30 15:00", "30 15:30"]
    assert source.runs == ["25 20:00", "27 14:30", "30 14:30"]
    assert [record.getMessage() for record in caplog.records] == [
        f"The market of AAPL is closed. Waiting until {opens}. To poll anyway, pass --when-closed continue."
        for opens in ("Fri 2026-11-27 15:30 CET (Fri 14:30 UTC)", "Mon 2026-11-30 15:30 CET (Mon 14:30 UTC)")
    ]


def test_it_sleeps_in_short_naps() -> None:
    """The clock may be set, and a machine may be suspended: no sleep lasts for days."""
    day = Day("2026-11-28T00:00", "2026-11-28T05:00")
    assert times(HalfHourly(day), day) == []
    assert max(day.naps) <= 60


def test_with_exit_it_ends_after_the_close(caplog: pytest.LogCaptureFixture) -> None:
    """And logs when the market opens again."""
    caplog.set_level(logging.INFO, "stockctl")
    day = Day("2026-11-27T17:45", "2026-12-24T00:00")
    assert times(HalfHourly(day), day, EXIT) == ["27 17:45", "27 18:15"]
    assert f"{day.now:%d %H:%M}" == "27 18:20"
    assert [record.getMessage() for record in caplog.records] == [
        "The market of AAPL is closed until Mon 2026-11-30 15:30 CET (Mon 14:30 UTC). Stopping, "
        "because of --when-closed exit."
    ]


def test_with_exit_a_closed_market_ends_it_at_once() -> None:
    """The source is not run at all."""
    day = Day("2026-11-26T15:00", "2026-12-24T00:00")
    source = HalfHourly(day)
    assert times(source, day, EXIT) == []
    assert source.runs == []


def test_with_continue_hours_do_not_matter() -> None:
    """On a holiday, too."""
    day = Day("2026-11-26T15:00", "2026-11-26T16:30")
    assert times(HalfHourly(day), day, CONTINUE) == ["26 15:00", "26 15:30", "26 16:00"]


def test_a_source_that_ends_by_itself_is_not_run_again() -> None:
    """It has no more quotes."""
    day = Day("2026-11-25T15:00", "2026-12-24T00:00")
    source = HalfHourly(day, most=2)
    assert len(times(source, day)) == 2
    assert len(source.runs) == 1


def test_a_wish_to_stop_ends_it_in_a_session_and_outside() -> None:
    """Both waits end at once."""
    for now in ("2026-11-25T15:00", "2026-11-26T15:00"):
        day = Day(now, "2026-12-24T00:00")
        day.set()
        assert times(HalfHourly(day), day) == []


def test_a_coin_keeps_it_running() -> None:
    """One market that never closes is enough."""
    day = Day("2026-11-28T00:00", "2026-11-28T01:00")
    assert times(HalfHourly(day), day, WAIT, ["AAPL", "BTC-USD"]) == ["28 00:00", "28 00:30"]


def test_the_break_at_noon_does_not_end_it() -> None:
    """Tokyo trades from 9:00 to 15:30 with a break of an hour, in one run of the source."""
    day = Day("2026-11-24T00:00", "2026-11-24T08:00")
    source = HalfHourly(day)
    assert times(source, day, WAIT, ["7203.T"])[-1] == "24 06:30"
    assert source.runs == ["24 00:00"]


def test_changed_symbols_reach_the_source_and_end_a_wait() -> None:
    """A coin that is added on a holiday is streamed within a second."""
    day = Day("2026-11-26T15:00", "2026-11-26T17:00")
    source = HalfHourly(day)
    wrapped = MarketHoursSource(source, ["AAPL"], WAIT, hours=HOURS, clock=day.clock)
    rest = day.wait

    def change_after_ten_naps(timeout: float | None = None) -> bool:
        if len(day.naps) == 10:
            wrapped.change_symbols(["AAPL", "BTC-USD"])
        return rest(timeout)

    day.wait = change_after_ten_naps
    first, *_ = [item.timestamp for tick in wrapped.ticks(day) for item in tick]
    assert first == "26 15:00"
    assert source.symbols == ["AAPL", "BTC-USD"]
    with pytest.raises(InvalidQuote, match="A B"):
        wrapped.change_symbols(["A B"])


@pytest.mark.parametrize(
    ("now", "last"), [("2026-11-27T15:00", "27 18:00"), ("2026-11-28T00:00", "28 00:00")]
)
@pytest.mark.parametrize("policy", [WAIT, EXIT])
def test_hours_follow_the_symbols_while_the_source_runs(
    policy: MarketClosedPolicy, now: str, last: str
) -> None:
    """Without the coin it runs until the close of the share, and then follows the policy."""
    day = Day(now, "2026-11-29T00:00")
    wrapped = MarketHoursSource(HalfHourly(day), ["AAPL", "BTC-USD"], policy, hours=HOURS, clock=day.clock)
    found = []
    for tick in wrapped.ticks(day):
        wrapped.change_symbols(["AAPL"])
        found += [item.timestamp for item in tick]
    assert found[-1] == last
    assert day.is_set() == (policy is WAIT)


def test_symbols_that_change_to_and_fro_do_not_end_the_stream() -> None:
    """The session of the share is over; when the source has ended, the coin is back."""
    day = Day("2026-11-28T00:00", "2026-11-28T01:00")
    source = HalfHourly(day)
    wrapped = MarketHoursSource(source, ["AAPL", "BTC-USD"], WAIT, hours=HOURS, clock=day.clock)
    asked = source.ticks

    def ticks(stop: Event) -> Iterator[Tick]:
        for tick in asked(stop):
            yield tick
            if len(source.runs) == 1:
                wrapped.change_symbols(["AAPL"])
                assert stop.is_set()
                wrapped.change_symbols(["AAPL", "BTC-USD"])
                assert stop.is_set()

    source.ticks = ticks
    assert [item.timestamp for tick in wrapped.ticks(day) for item in tick] == ["28 00:00"] * 2 + ["28 00:30"]
    assert len(source.runs) == 2


def test_changed_symbols_reach_a_source_whose_quotes_are_judged() -> None:
    """A wrapper in between passes them on; without a source that supports it there is no such method."""
    source = HalfHourly(Day("2026-11-26T15:00", "2026-11-26T17:00"))
    wrapped = MarketHoursSource(ValidatedSource(source), ["AAPL"], WAIT)
    assert find_symbol_changer(wrapped) is wrapped
    wrapped.change_symbols(["BTC-USD"])
    assert source.symbols == ["BTC-USD"]
    assert find_symbol_changer(ValidatedSource(source)) is source
    assert find_symbol_changer(MarketHoursSource(SimulateSource(["AAPL"]), ["AAPL"], WAIT)) is None


def test_the_wrapper_looks_like_its_source() -> None:
    """It has the name, expected number and repeatability of its source."""
    source = HalfHourly(Day("2026-11-26T15:00", "2026-11-26T17:00"))
    wrapped = MarketHoursSource(source, ["AAPL"], WAIT)
    assert (wrapped.name, wrapped.expected, wrapped.repeatable) == ("half-hourly", None, False)
