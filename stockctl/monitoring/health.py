"""Health of a run: heartbeats of its threads, and states with the time since when they hold."""

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

HUNG_AFTER_SECONDS = 300.0
"""Seconds without a sign before a thread counts as hung: more than a slow call with all its tries takes."""


class HealthCheck(NamedTuple):
    """Whether a producer is alive; the reason tells what is not."""

    healthy: bool
    reason: str | None = None


class LivenessMonitor:
    """Collects the signs, and judges by them: one thread reads, one delivers, any may ask for the verdict.

    The reading thread is alive as long as it takes ticks, looks at its wish to stop, or sleeps for a time
    that it named beforehand. While it hands a tick over it depends on the delivery: a full outbox makes it
    wait for as long as that works.

    The delivery is alive as long as calls to the stream begin or end. A stream that cannot be reached is no
    illness: each try in vain is a sign. With nothing to deliver and no call under way none is expected.

    Args:
        patience: seconds without a sign before a thread counts as hung.
        clock: seconds that never go back.
    """

    def __init__(
        self, patience: float = HUNG_AFTER_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._source = self._delivery = self._idle = clock()
        self._sleeps_until = -math.inf
        self._hands_over = self._ended = False
        self._calls = 0

    def looked(self) -> None:
        """Note that the source looked at the wish to stop, or did something else that only the living do."""
        self._source = self._clock()

    def sleeps(self, seconds: float | None) -> None:
        """Note that the source sleeps for so long, until it is woken; None: for as long as it likes."""
        self._source = self._clock()
        self._sleeps_until = math.inf if seconds is None else self._source + seconds

    def wakes(self) -> None:
        """Note that the source sleeps no more."""
        self._source = self._clock()
        self._sleeps_until = -math.inf

    def hands_over(self) -> None:
        """Note that the source has yielded a tick, which is being taken."""
        self._source = self._clock()
        self._hands_over = True

    def takes_up(self) -> None:
        """Note that the source was asked for its next tick."""
        self._source = self._clock()
        self._hands_over = False

    def ended(self) -> None:
        """Note that nothing more is read."""
        self._ended = True

    def calls(self) -> None:
        """Note that a call to the stream begins."""
        self._delivery = self._clock()
        self._calls += 1

    def returns(self) -> None:
        """Note that a call to the stream has ended, well or not."""
        self._delivery = self._clock()
        self._calls -= 1

    def verdict(self, waiting: int) -> HealthCheck:
        """Judge, knowing how many quotes wait for their delivery."""
        now = self._clock()
        if not waiting and not self._calls:
            self._idle = now
        silent, undelivered = now - self._source, now - max(self._delivery, self._idle)
        if undelivered > self._patience:
            return HealthCheck(False, f"the delivery has shown no sign of life for {undelivered:.0f} s")
        if self._ended or silent <= self._patience or now <= self._sleeps_until + self._patience:
            return HealthCheck(True)
        if self._hands_over and now - self._delivery <= self._patience:
            return HealthCheck(True)
        return HealthCheck(False, f"the source has shown no sign of life for {silent:.0f} s")


DELIVERY, BREAKER, MARKET, CONNECTION, HEALTH = "delivery", "breaker", "market", "connection", "health"
"""What has a condition; the middle three only where a source tells of them."""
SUBJECTS = (DELIVERY, BREAKER, MARKET, CONNECTION, HEALTH)

_BAD = {
    (DELIVERY, "waiting"), (BREAKER, "open"), (BREAKER, "half-open"), (CONNECTION, "down"), (HEALTH, "hung"),
}  # fmt: skip


def is_bad(subject: str, name: str) -> bool:
    """Return whether somebody may have to look at a condition of this name."""
    return (subject, name) in _BAD


class State(NamedTuple):
    """How it stands with one of them now."""

    name: str
    reason: str | None = None
    until: datetime | None = None


class TrackedState(NamedTuple):
    """How it stands with one of them, and since when."""

    subject: str
    name: str
    since: datetime
    reason: str | None = None
    until: datetime | None = None

    @property
    def is_bad(self) -> bool:
        """Whether somebody may have to look."""
        return is_bad(self.subject, self.name)


class StateChange(NamedTuple):
    """A condition that is another one now."""

    before: TrackedState
    now: TrackedState


class StateTracker:
    """Remembers since when each condition holds. It is for one thread.

    Args:
        clock: the time of day, aware.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._known: dict[str, TrackedState] = {}

    def update(self, states: Mapping[str, State]) -> list[StateChange]:
        """Take the states of this moment, and return what is another one than before.

        What is seen for the first time has not changed, nor has what only has another reason.
        """
        now = self._clock()
        changes = []
        for subject, state in states.items():
            before = self._known.get(subject)
            if before is None or before.name != state.name:
                condition = TrackedState(subject, state.name, now, state.reason, state.until)
                if before is not None:
                    changes.append(StateChange(before, condition))
            else:
                condition = before._replace(reason=state.reason, until=state.until)
            self._known[subject] = condition
        return changes

    @property
    def current(self) -> Mapping[str, TrackedState]:
        """Each condition by its subject."""
        return dict(self._known)
