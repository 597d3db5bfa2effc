"""Health of a run: heartbeats of its threads, and states with the time when they began."""

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

HUNG_AFTER_SECONDS = 300.0
"""Seconds without a heartbeat after which a thread counts as hung; a slow call with retries takes less."""


class HealthCheck(NamedTuple):
    """Whether all threads of a producer are alive; otherwise ``reason`` names the one that is not."""

    healthy: bool
    reason: str | None = None


class LivenessMonitor:
    """Collects heartbeats of the source's thread and of the delivery's; any thread may call ``check``.

    The source's thread is alive while it yields ticks, checks whether to stop, or sleeps for a time that it
    announced. While the producer takes its tick, it may wait for room in a full outbox: then it is alive
    while the delivery is alive.

    The delivery is alive while calls to the stream start or end. A stream that cannot be reached does not
    count as hung: each failed attempt is a heartbeat. No heartbeat is expected when nothing waits for
    delivery and no call is in progress.

    Args:
        hung_after: seconds without a heartbeat after which a thread counts as hung.
        clock: returns monotonic seconds.
    """

    def __init__(
        self, hung_after: float = HUNG_AFTER_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hung_after = hung_after
        self._clock = clock
        self._source_seen = self._delivery_seen = self._idle_at = clock()
        self._sleep_until = -math.inf
        self._tick_taken = True
        self._source_ended = False
        self._open_calls = 0

    def heartbeat(self) -> None:
        """Record that the source's thread did something."""
        self._source_seen = self._clock()

    def sleep_started(self, seconds: float | None) -> None:
        """Record that the source sleeps for ``seconds``; None means without a limit."""
        self._source_seen = self._clock()
        self._sleep_until = math.inf if seconds is None else self._source_seen + seconds

    def sleep_ended(self) -> None:
        """Record that the source woke up."""
        self._source_seen = self._clock()
        self._sleep_until = -math.inf

    def tick_yielded(self) -> None:
        """Record that the source yielded a tick; the producer takes it now."""
        self._source_seen = self._clock()
        self._tick_taken = False

    def tick_requested(self) -> None:
        """Record that the producer asked the source for the next tick."""
        self._source_seen = self._clock()
        self._tick_taken = True

    def source_ended(self) -> None:
        """Record that the source yields nothing more."""
        self._source_ended = True

    def call_started(self) -> None:
        """Record that a call to the stream starts."""
        self._delivery_seen = self._clock()
        self._open_calls += 1

    def call_ended(self) -> None:
        """Record that a call to the stream ended, with or without an error."""
        self._delivery_seen = self._clock()
        self._open_calls -= 1

    def check(self, waiting: int) -> HealthCheck:
        """Return whether all threads are alive, given how many quotes wait for delivery."""
        now = self._clock()
        if not waiting and not self._open_calls:
            self._idle_at = now
        source_silence = now - self._source_seen
        delivery_silence = now - max(self._delivery_seen, self._idle_at)
        if delivery_silence > self._hung_after:
            return HealthCheck(False, f"the delivery has shown no sign of life for {delivery_silence:.0f} s")
        if (
            self._source_ended
            or source_silence <= self._hung_after
            or now <= self._sleep_until + self._hung_after
        ):
            return HealthCheck(True)
        if not self._tick_taken and now - self._delivery_seen <= self._hung_after:
            return HealthCheck(True)
        return HealthCheck(False, f"the source has shown no sign of life for {source_silence:.0f} s")


DELIVERY, BREAKER, MARKET, CONNECTION, HEALTH = "delivery", "breaker", "market", "connection", "health"
"""The subjects that have a state; the middle three only if the source reports them."""
SUBJECTS = (DELIVERY, BREAKER, MARKET, CONNECTION, HEALTH)

_BAD = {
    (DELIVERY, "waiting"), (BREAKER, "open"), (BREAKER, "half-open"), (CONNECTION, "down"), (HEALTH, "hung"),
}  # fmt: skip


def is_bad(subject: str, name: str) -> bool:
    """Return whether a state may need attention."""
    return (subject, name) in _BAD


class State(NamedTuple):
    """The state of a subject now."""

    name: str
    reason: str | None = None
    until: datetime | None = None


class TrackedState(NamedTuple):
    """The state of a subject, and since when it holds."""

    subject: str
    name: str
    since: datetime
    reason: str | None = None
    until: datetime | None = None

    @property
    def is_bad(self) -> bool:
        """Whether it may need attention."""
        return is_bad(self.subject, self.name)


class StateChange(NamedTuple):
    """A subject that went from one state to another."""

    before: TrackedState
    now: TrackedState


class StateTracker:
    """Remembers since when each state holds. It is for one thread.

    Args:
        clock: returns the time of day, aware.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._known: dict[str, TrackedState] = {}

    def update(self, states: Mapping[str, State]) -> list[StateChange]:
        """Store the states of this moment and return those that changed.

        The first state of a subject is not a change. Another reason for the same state is not one either.
        """
        now = self._clock()
        changes = []
        for subject, state in states.items():
            before = self._known.get(subject)
            if before is None or before.name != state.name:
                tracked = TrackedState(subject, state.name, now, state.reason, state.until)
                if before is not None:
                    changes.append(StateChange(before, tracked))
            else:
                tracked = before._replace(reason=state.reason, until=state.until)
            self._known[subject] = tracked
        return changes

    @property
    def current(self) -> Mapping[str, TrackedState]:
        """The state of each subject."""
        return dict(self._known)
