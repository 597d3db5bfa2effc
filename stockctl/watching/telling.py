"""What a source may tell of itself beside its quotes, by attributes that it has or has not.

A source of another package tells the same by the same names.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable


class _View(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def until(self) -> datetime | None: ...


class _Breaker(Protocol):
    def view(self) -> _View: ...


class _Counters(Protocol):
    @property
    def connected(self) -> bool: ...
    @property
    def reconnects(self) -> int: ...


@runtime_checkable
class HasBreaker(Protocol):
    """It may be told to ask less often, and then asks nothing for a while."""

    @property
    def breaker(self) -> _Breaker:
        """``view()`` gives its ``state`` (closed, open, half-open) and ``until`` when it asks nothing."""


@runtime_checkable
class HasConnection(Protocol):
    """It keeps a connection."""

    @property
    def counters(self) -> _Counters:
        """``connected`` tells whether it is up, ``reconnects`` how often it came up again."""


@runtime_checkable
class HasHours(Protocol):
    """It rests while markets are closed."""

    @property
    def closed_until(self) -> datetime | None:
        """When it goes on; None while it does not rest."""


@runtime_checkable
class HasDoubts(Protocol):
    """It does not believe everything that it reads."""

    @property
    def doubts(self) -> Mapping[str, int]:
        """How many quotes it refused, dropped or flagged, by the reason."""


class Told(NamedTuple):
    """What a source tells now; None where it has nothing of the kind."""

    breaker: str | None = None
    breaker_until: datetime | None = None
    connected: bool | None = None
    reconnects: int | None = None
    rests: bool | None = None
    """Whether it waits for a market to open."""
    rests_until: datetime | None = None
    doubts: Mapping[str, int] = {}


def told(source: object) -> Told:
    """Return what ``source`` tells, and what those tell that it stands around (as their ``source``)."""
    known = Told()
    for layer in _layers(source):
        if isinstance(layer, HasBreaker):
            view = layer.breaker.view()
            known = known._replace(breaker=str(view.state), breaker_until=view.until)
        if isinstance(layer, HasConnection):
            counters = layer.counters
            known = known._replace(connected=counters.connected, reconnects=counters.reconnects)
        if isinstance(layer, HasHours):
            until = layer.closed_until
            known = known._replace(rests=until is not None, rests_until=until)
        if isinstance(layer, HasDoubts):
            known = known._replace(doubts={str(doubt): count for doubt, count in layer.doubts.items()})
    return known


def _layers(source: object) -> Iterator[object]:
    layer: object | None = source
    while layer is not None:
        yield layer
        layer = getattr(layer, "source", None)
