"""What a source may tell of itself beside its quotes."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

LEFT_OUT = ("backwards", "timeless", "outside_session")
"""The doubts for which a quote goes nowhere, not even to quarantine."""


class Told(NamedTuple):
    """What a source tells now; None where it has nothing of the kind. Times are aware."""

    breaker: str | None = None
    """``open`` while it asks nothing, having been told to ask less often; ``half-open`` while one request
    finds out whether it may ask again; else ``closed``."""
    breaker_until: datetime | None = None
    """When it may ask again."""
    connected: bool | None = None
    """Whether the connection that it keeps is up."""
    reconnects: int | None = None
    """How often that came up again."""
    rests: bool | None = None
    """Whether it waits for a market to open."""
    rests_until: datetime | None = None
    """When one does, while it rests."""
    closes_at: datetime | None = None
    """When the last of its markets closes, while one is open; None where none ever does."""
    doubts: Mapping[str, int] = {}
    """How many quotes it refused, dropped or flagged, by the reason."""

    @property
    def left_out(self) -> int | None:
        """How many quotes it left out: older than the last, of no known time, or outside the session.

        None for a source that does not judge its quotes.
        """
        return sum(self.doubts.get(reason, 0) for reason in LEFT_OUT) if self.doubts else None


@runtime_checkable
class Telling(Protocol):
    """A source that tells of itself. One that stands around another adds to what that one tells."""

    def told(self) -> Told:
        """Return what there is to tell; any thread may ask."""


def told_by(source: object) -> Told:
    """Return what ``source`` tells, if it does."""
    return source.told() if isinstance(source, Telling) else Told()
