"""The interface of a source of quotes.

Another package can add a source to stockctl with an entry point::

    [project.entry-points."stockctl.sources"]
    acme = "acme_quotes.stockctl:make_source"

``make_source`` takes a ``SourceRequest`` and returns a ``Source``; ``stockctl stream --source acme`` runs it.
``stockctl.sources.testing`` has the tests that it must pass.

A source can also follow market hours (see ``FollowsMarketHours``), and report its state (see
``ReportsStatus``).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from threading import Event
from typing import NamedTuple, Protocol

from stockctl.errors import UsageError
from stockctl.market.quote import Quote
from stockctl.market.symbol import parse_symbol
from stockctl.pipeline.ports import Rejection

Tick = Sequence[Quote | Rejection]
"""What a source yields at one time: quotes, and rejections of records that it could not read."""


class SourceStopped(Exception):
    """The stop event was set during a wait or a read. A source catches it; its caller never sees it."""


class Source(Protocol):
    """Yields quotes, in order of time for each symbol.

    Between ticks, the source itself waits with ``stop.wait(seconds)``. It ends soon after ``stop`` is set.
    Before it ends, it yields what it has already read from a pipe or a socket, because that cannot be read
    again. Messages for the user (a pause, a retry) go to a logger below ``stockctl.sources``. ``ticks`` runs
    in the main thread.
    """

    @property
    def name(self) -> str:
        """The value of ``source`` in its quotes.

        It is 1 to 32 lowercase letters, digits, ``-`` and ``_``, starting with a letter.
        """

    @property
    def expected(self) -> int | None:
        """How many quotes and rejections it will yield in all, once that is known."""

    @property
    def repeatable(self) -> bool:
        """Whether it yields the same quotes when it is run again.

        Quotes of other sources are stored on disk until they are delivered, because they cannot be read
        again.
        """

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield ticks until there are no more; after ``stop`` is set, only what was read already.

        Raises:
            SourceError: the source cannot continue.
        """


class SourceRequest(NamedTuple):
    """What the user asks a source for."""

    symbols: Sequence[str]
    """In canonical form, each once."""
    interval: float
    """Seconds between polls, if it polls."""
    once: bool
    """Whether to read each symbol once and then end."""
    files: Sequence[str]
    """The arguments of ``--file``."""
    options: Mapping[str, object]
    """The table ``source.options`` of the configuration: options of the source itself."""


class FollowsMarketHours(Protocol):
    """A live source that has no quotes while the markets of its symbols are closed.

    With this attribute, stockctl runs its ``ticks`` from each open until some minutes after the close, and
    follows ``--when-closed`` in between. So ``ticks`` must end soon after ``stop`` is set, and a later call
    must continue where the last one stopped.
    """

    follows_market_hours: bool
    """Always true; a source that does not follow market hours has no such attribute."""


def follows_market_hours(source: Source) -> bool:
    """Return whether a source is to be paused while the markets of its symbols are closed."""
    return bool(getattr(source, "follows_market_hours", False))


SourceFactory = Callable[[SourceRequest], Source]
"""The object that an entry point of the group ``stockctl.sources`` names."""


LEFT_OUT_REASONS = ("backwards", "timeless", "outside_session")
"""The issues for which a quote is dropped without being quarantined."""


class SourceStatus(NamedTuple):
    """The state of a source; a field is None if it does not apply to the source. Times are aware."""

    breaker: str | None = None
    """State of the circuit breaker: ``open`` while no request is sent because of a rate limit;
    ``half-open`` while one request tests whether the limit is over; otherwise ``closed``."""
    breaker_until: datetime | None = None
    """When requests are allowed again."""
    connected: bool | None = None
    """Whether its streaming connection is up."""
    reconnects: int | None = None
    """How often that connection was restored."""
    market_closed: bool | None = None
    """Whether it waits for a market to open."""
    market_opens_at: datetime | None = None
    """When the next market opens, while all are closed."""
    market_closes_at: datetime | None = None
    """When the last of its markets closes, while one is open; None if it never closes."""
    issues: Mapping[str, int] = {}
    """How many quotes it rejected, dropped or flagged, by issue."""

    @property
    def left_out(self) -> int | None:
        """How many quotes it skipped: older than the last one, without a time, or outside the session.

        None for a source that does not check its quotes.
        """
        return sum(self.issues.get(reason, 0) for reason in LEFT_OUT_REASONS) if self.issues else None


class ReportsStatus(Protocol):
    """A source that reports its state. A source that wraps another adds to the other's state."""

    def status(self) -> SourceStatus:
        """Return the current state; called from any thread."""


def source_status(source: object) -> SourceStatus:
    """Return the status that ``source`` reports; all fields are None if it has no ``status`` method.

    The old method name ``told`` takes precedence: in sources written for that version, ``status`` may be an
    unrelated method.
    """
    for name in ("told", "status"):
        method = getattr(source, name, None)
        if callable(method) and isinstance(status := method(), SourceStatus):
            return status
    return SourceStatus()


def canonical_symbols(symbols: Sequence[str]) -> list[str]:
    """Return the symbols in canonical form, each once.

    Raises:
        UsageError: there is no symbol.
        InvalidQuote: a symbol has invalid characters.
    """
    if not symbols:
        raise UsageError("There is no symbol to ask Yahoo for.", "Pass some: --symbols AAPL,MSFT.")
    return list(dict.fromkeys(map(parse_symbol, symbols)))


def check_interval(seconds: float) -> None:
    """Check the number of seconds between polls.

    Raises:
        UsageError: it is not above zero.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"The interval of {seconds:g} s is not above zero.", "Try --interval 30.")
