"""Jobs beside the work."""

from threading import Event

import pytest

from stockctl.monitoring.periodic import PeriodicJob, PeriodicRunner


class Clock:
    """A time that stands still until it is told to go on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_job_is_done_at_its_period():
    """The first time after a period, and no sooner."""
    clock, done = Clock(), []
    runner = PeriodicRunner(
        [PeriodicJob(10, lambda: done.append("ten")), PeriodicJob(25, lambda: done.append("more"))], clock
    )
    left = []
    for now in (0, 9, 10, 20, 24, 25):
        clock.now = now
        left.append(runner.run_due())
        done.append(now)
    assert done == [0, 9, "ten", 10, "ten", 20, 24, "more", 25]
    assert left == [10, 1, 10, 5, 1, 5]


def test_who_is_late_does_not_catch_up():
    """After a suspended hour each job is done once."""
    clock, done = Clock(), []
    runner = PeriodicRunner([PeriodicJob(1, lambda: done.append(clock.now))], clock)
    clock.now = 3600
    assert runner.run_due() == 0
    runner.run_due()
    clock.now = 3600.5
    assert runner.run_due() == 0.5
    assert done == [3600, 3600]


def test_rounds_begin_and_end():
    """Jobs run beside the work until closed, and a job that runs is finished."""
    seen = Event()
    runner = PeriodicRunner([PeriodicJob(0.001, seen.set)])
    runner.start()
    assert seen.wait(30)
    runner.close()
    seen.clear()
    assert not seen.wait(0.02)


def test_no_jobs_need_no_thread():
    """Closing what did nothing is fine."""
    runner = PeriodicRunner([])
    runner.start()
    runner.close()


def test_a_job_that_fails_keeps_no_other_from_being_done(caplog: pytest.LogCaptureFixture):
    """It is tried again, said once, and comes out in the end: neither swallowed nor lost in a thread."""
    tried, done = [], Event()

    def fail() -> None:
        tried.append(1)
        raise ValueError("broken")

    def work() -> None:
        if len(tried) > 1:
            done.set()

    runner = PeriodicRunner([PeriodicJob(0.001, fail), PeriodicJob(0.001, work)])
    runner.start()
    assert done.wait(30)
    with pytest.raises(ValueError, match="broken"):
        runner.close()
    assert caplog.messages == ["Monitoring failed in part: ValueError: broken"]
