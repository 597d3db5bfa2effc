"""Former names from ``stockctl.sources.base``, kept for packages that provide a source."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from stockctl.sources.base import ReportsStatus, SourceStatus, source_status

__all__ = ["Telling", "Told", "told_by"]

Telling = ReportsStatus


class Told(SourceStatus):
    """A ``SourceStatus`` whose fields also have their former names."""

    def __new__(
        cls,
        breaker: str | None = None,
        breaker_until: datetime | None = None,
        connected: bool | None = None,
        reconnects: int | None = None,
        rests: bool | None = None,
        rests_until: datetime | None = None,
        closes_at: datetime | None = None,
        doubts: Mapping[str, int] | None = None,
    ) -> Self:
        """Return a status; every argument may be left out."""
        return cls._make(
            (breaker, breaker_until, connected, reconnects, rests, rests_until, closes_at, doubts or {})
        )

    @property
    def rests(self) -> bool | None:
        """The former name of ``market_closed``."""
        return self.market_closed

    @property
    def rests_until(self) -> datetime | None:
        """The former name of ``market_opens_at``."""
        return self.market_opens_at

    @property
    def closes_at(self) -> datetime | None:
        """The former name of ``market_closes_at``."""
        return self.market_closes_at

    @property
    def doubts(self) -> Mapping[str, int]:
        """The former name of ``issues``."""
        return self.issues


def told_by(source: object) -> Told:
    """Return what ``source_status`` does, with the former names."""
    return Told._make(source_status(source))
