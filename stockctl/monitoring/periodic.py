"""Runs jobs periodically in one thread."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import NamedTuple

_LONGEST_JOB = 5.0

_log = logging.getLogger(__name__)


class PeriodicJob(NamedTuple):
    """A function and the seconds between two calls."""

    period: float
    work: Callable[[], None]


class PeriodicRunner:
    """Runs jobs in a thread of its own; each runs for the first time one period after the start.

    A job that is late does not catch up. A job that fails does not stop the others and runs again. The first
    failure of each job is logged, and ``close`` raises the first failure of all.

    Args:
        jobs: the functions to run.
        clock: returns monotonic seconds.
    """

    def __init__(self, jobs: Sequence[PeriodicJob], clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._clock = clock
        self._due = [clock() + job.period for job in jobs]
        self._closed = Event()
        self._failures: dict[int, Exception] = {}
        self._thread = Thread(target=self._run, name="monitoring", daemon=True)

    def start(self) -> None:
        """Start the thread, if there are jobs."""
        if self._jobs:
            self._thread.start()

    def close(self) -> None:
        """Stop the thread and wait a few seconds for the job that is running.

        Raises:
            Exception: what a job raised.
        """
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(_LONGEST_JOB)
        for failure in self._failures.values():
            raise failure

    def run_due(self) -> float:
        """Run the jobs that are due and return the seconds until the next one is."""
        for number, job in enumerate(self._jobs):
            if self._clock() >= self._due[number]:
                self._run_job(number, job)
                self._due[number] = max(self._due[number] + job.period, self._clock())
        return max(0.0, min(self._due) - self._clock())

    def _run_job(self, number: int, job: PeriodicJob) -> None:
        try:
            job.work()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that closes
            if number not in self._failures:
                self._failures[number] = error
                _log.warning("Monitoring failed in part: %s: %s", type(error).__name__, error)

    def _run(self) -> None:
        while not self._closed.wait(self.run_due()):
            pass
