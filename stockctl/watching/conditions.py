"""The conditions of a run that a person wants to hear of when they change."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

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


class Condition(NamedTuple):
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


class Change(NamedTuple):
    """A condition that is another one now."""

    before: Condition
    now: Condition


class Conditions:
    """Remembers since when each condition holds. It is for one thread.

    Args:
        clock: the time of day, aware.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._known: dict[str, Condition] = {}

    def update(self, states: Mapping[str, State]) -> list[Change]:
        """Take the states of this moment, and return what is another one than before.

        What is seen for the first time has not changed, nor has what only has another reason.
        """
        now = self._clock()
        changes = []
        for subject, state in states.items():
            before = self._known.get(subject)
            if before is None or before.name != state.name:
                condition = Condition(subject, state.name, now, state.reason, state.until)
                if before is not None:
                    changes.append(Change(before, condition))
            else:
                condition = before._replace(reason=state.reason, until=state.until)
            self._known[subject] = condition
        return changes

    @property
    def current(self) -> Mapping[str, Condition]:
        """Each condition by its subject."""
        return dict(self._known)
