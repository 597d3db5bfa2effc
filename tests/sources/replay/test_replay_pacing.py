"""The speed of a replay, with a clock that a wait moves forward."""

import logging
import math
from pathlib import Path

import pytest

from stockctl.errors import UsageError
from stockctl.sources.base import Tick
from stockctl.sources.replay.source import ReplaySource
from support.replay_files import TimeMachine, write_csv


def _source(file: Path, machine: TimeMachine, speed: float) -> ReplaySource:
    return ReplaySource([str(file)], speed=speed, clock=machine.clock)


def _symbols(tick: Tick) -> str:
    return "".join(getattr(item, "symbol", "!") for item in tick)


def _file(tmp_path: Path, *rows: tuple[str, str]) -> Path:
    return write_csv(tmp_path / "a.csv", [(f"2019-02-11T{time}Z", name, 1) for time, name in rows])


def test_quotes_come_when_they_are_due(tmp_path: Path) -> None:
    """Each timestamp is one tick; the first comes at once, the others after the time between, by speed."""
    first = [("14:31:00", name) for name in "ABD"]
    file = _file(tmp_path, *first[:2], ("14:32:00", "A"), ("14:32:30.500", "C"), first[2])
    machine = TimeMachine()
    seen = [(machine.now - 1000, _symbols(tick)) for tick in _source(file, machine, 60).ticks(machine)]
    assert seen == [(0, "ABD"), (1, "A"), (pytest.approx(90.5 / 60), "C")]
    assert machine.waits == [1, pytest.approx(30.5 / 60)]


def test_real_time_is_speed_one_and_long_waits_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A night is waited for in several parts, because an event has a limit."""
    file = write_csv(tmp_path / "a.csv", [("2019-02-11", "A", 1), ("2019-02-12", "A", 2)])
    machine = TimeMachine()
    with caplog.at_level(logging.INFO, "stockctl.sources.replay"):
        assert len(list(_source(file, machine, 1).ticks(machine))) == 2
    assert machine.now - 1000 == 24 * 3600
    assert max(machine.waits) <= 3600
    assert caplog.messages[-1] == "The next quotes, of 2019-02-12T21:00:00.000Z, are due in 1d."


def test_what_fell_due_meanwhile_comes_together(tmp_path: Path) -> None:
    """If the receiver took three minutes, it gets the quotes of that time in one tick."""
    file = _file(tmp_path, *[(f"14:3{minute}:00", "ABCDEF"[minute]) for minute in range(6)])
    machine = TimeMachine()
    seen = []
    for tick in _source(file, machine, 1).ticks(machine):
        seen.append(_symbols(tick))
        if len(seen) == 1:
            machine.now += 185
    assert seen == ["A", "BCD", "E", "F"]
    assert machine.waits == [55, 60]


def test_a_stop_ends_a_wait(tmp_path: Path) -> None:
    """The quotes it waited for are not sent."""
    file = _file(tmp_path, ("14:31:00", "A"), ("14:32:00", "B"), ("14:33:00", "C"))
    machine = TimeMachine(on_wait=lambda number: machine.set() if number == 2 else None)
    assert [_symbols(tick) for tick in _source(file, machine, 10).ticks(machine)] == ["A", "B"]


def test_many_quotes_of_a_moment_come_in_several_ticks(tmp_path: Path) -> None:
    """At most 500 at once, with no wait between."""
    file = _file(tmp_path, *[("14:31:00", "A")] * 1200, ("14:31:01", "B"))
    machine = TimeMachine()
    assert [len(tick) for tick in _source(file, machine, 1).ticks(machine)] == [500, 500, 200, 1]
    assert machine.waits == [1]


def test_rejections_do_not_wait(tmp_path: Path) -> None:
    """They come first, and the first quote starts the clock."""
    file = _file(tmp_path, ("14:31:00", "A"), ("x", "B"), ("14:32:00", "C"))
    machine = TimeMachine()
    assert [_symbols(tick) for tick in _source(file, machine, 1).ticks(machine)] == ["!", "A", "C"]
    assert machine.waits == [60]


def test_without_a_speed_nothing_waits(tmp_path: Path) -> None:
    """As fast as possible is the default."""
    file = write_csv(tmp_path / "a.csv", [(f"20{year:02}-02-11", "A", 1) for year in range(99)])
    machine = TimeMachine()
    ticks = list(ReplaySource([str(file)], clock=machine.clock).ticks(machine))
    assert [len(tick) for tick in ticks] == [99]
    assert machine.waits == []


def test_an_absurdly_slow_replay_waits_until_it_is_stopped(tmp_path: Path) -> None:
    """It does not fail because of the size of the number."""
    file = write_csv(tmp_path / "a.csv", [("0001-01-02", "A", 1), ("9999-12-30", "B", 1)])
    machine = TimeMachine(on_wait=lambda number: machine.set() if number == 5 else None)
    assert [_symbols(tick) for tick in _source(file, machine, 5e-324).ticks(machine)] == ["A"]
    assert machine.waits == [3600] * 5


@pytest.mark.parametrize("speed", [-1, -0.5, math.nan, math.inf, -math.inf])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    """With the value, and examples of better ones."""
    with pytest.raises(UsageError, match=f"The speed {speed} is not possible") as failure:
        ReplaySource(["a.csv"], speed=speed)
    assert "real time" in str(failure.value.hint)
