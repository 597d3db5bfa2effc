"""Runs jobs periodically in a thread."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import NamedTuple

_LONGEST_JOB = 5.0

_log = logging.getLogger(__name__)


class PeriodicJob(NamedTuple):
    """What to do, and the seconds from one time to the next."""

    period: float
    work: Callable[[], None]


class PeriodicRunner:
    """Does jobs in a thread of its own, each a period after the start for the first time.

    Who is late does not catch up. A job that raises something keeps no other from being done, and is tried
    again; the first failure of each is said at once, and the very first comes out of ``close``.

    Args:
        jobs: what to do.
        clock: seconds that never go back.
    """

    def __init__(self, jobs: Sequence[PeriodicJob], clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._clock = clock
        self._due = [clock() + job.period for job in jobs]
        self._closed = Event()
        self._failures: dict[int, Exception] = {}
        self._thread = Thread(target=self._run, name="watching", daemon=True)

    def begin(self) -> None:
        """Begin."""
        if self._jobs:
            self._thread.start()

    def close(self) -> None:
        """End, after the job in hand if that takes no longer than a few seconds.

        Raises:
            Exception: what a job has raised.
        """
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(_LONGEST_JOB)
        for failure in self._failures.values():
            raise failure

    def turn(self) -> float:
        """Do what is due, and return the seconds until something is."""
        for number, job in enumerate(self._jobs):
            if self._clock() >= self._due[number]:
                self._do(number, job)
                self._due[number] = max(self._due[number] + job.period, self._clock())
        return max(0.0, min(self._due) - self._clock())

    def _do(self, number: int, job: PeriodicJob) -> None:
        try:
            job.work()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that closes
            if number not in self._failures:
                self._failures[number] = error
                _log.warning("A part of what watches the stream fails: %s: %s", type(error).__name__, error)

    def _run(self) -> None:
        while not self._closed.wait(self.turn()):
            pass
