"""Things to do now and then, beside the work that is watched."""

import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import NamedTuple

_LONGEST_JOB = 5.0


class Job(NamedTuple):
    """What to do, and the seconds from one time to the next."""

    period: float
    work: Callable[[], None]


class Rounds:
    """Does jobs in a thread of its own, each a period after the start for the first time.

    Who is late does not catch up. What a job raises ends the rounds, and comes out of ``close``.

    Args:
        jobs: what to do.
        clock: seconds that never go back.
    """

    def __init__(self, jobs: Sequence[Job], clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._clock = clock
        self._due = [clock() + job.period for job in jobs]
        self._closed = Event()
        self._failure: Exception | None = None
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
        if self._failure is not None:
            raise self._failure

    def turn(self) -> float:
        """Do what is due, and return the seconds until something is."""
        for number, job in enumerate(self._jobs):
            if self._clock() >= self._due[number]:
                job.work()
                self._due[number] = max(self._due[number] + job.period, self._clock())
        return max(0.0, min(self._due) - self._clock())

    def _run(self) -> None:
        try:
            while not self._closed.wait(self.turn()):
                pass
        except Exception as error:  # noqa: BLE001 - raised again in the thread that closes
            self._failure = error
