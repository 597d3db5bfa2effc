"""The contract of a source of quotes, for those that come with stockctl and for yours.

A package of yours gives stockctl a source by an entry point::

    [project.entry-points."stockctl.sources"]
    acme = "acme_quotes.stockctl:make_source"

``make_source`` takes a ``SourceRequest`` and returns a ``Source``; ``stockctl stream --source acme`` runs it.
``stockctl.sources.testing`` holds the tests that it has to pass.

Two things more a source may do, if it likes: follow market hours, see ``follows_market_hours``, and tell of
itself, see ``stockctl.sources.base``.
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
"""What a source has at one moment: quotes, and what it met but could not read."""


class SourceStopped(Exception):
    """The stop event was set while something was awaited or read; it never leaves a source."""


class Source(Protocol):
    """A place that quotes come from, in order of time for each symbol.

    A source waits between ticks itself, always with ``stop.wait(seconds)``, and ends soon after ``stop``
    is set. What it has taken from where it cannot be had again (a pipe, a socket), it still yields before it
    ends; whoever runs it takes that too. What it has to say to a person (a pause, a retry) it says through
    ``logging``, below ``stockctl.sources``. ``ticks`` is run in the main thread.
    """

    @property
    def name(self) -> str:
        """The value of ``source`` in its quotes: small letters, digits, ``-`` and ``_``."""

    @property
    def expected(self) -> int | None:
        """How many quotes and rejections will come in all, once that is known."""

    @property
    def repeatable(self) -> bool:
        """Whether it yields the same again when it is run again.

        What another one yields waits on disk until it is delivered, because nobody could ask for it twice.
        """

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield ticks until there is nothing more; when ``stop`` is set, only what is in hand, and end.

        Raises:
            SourceError: the source cannot go on.
        """


class SourceRequest(NamedTuple):
    """What a person asks of a source."""

    symbols: Sequence[str]
    """In canonical form, each once."""
    interval: float
    """Seconds between polls, if it polls."""
    once: bool
    """Whether to read each symbol once, and end."""
    files: Sequence[str]
    """What ``--file`` names."""
    options: Mapping[str, object]
    """The table ``source.options`` of the configuration, for whatever else the source wants to know."""


class FollowsMarketHours(Protocol):
    """A live source that has nothing to give while the markets of its symbols are closed.

    It asks for that by this one attribute. Then stockctl runs its ``ticks`` from each open until some minutes
    past the close, and does in between what ``--when-closed`` says. So ``ticks`` is to end soon when ``stop``
    is set, and to go on where it left off when it is run again.
    """

    follows_market_hours: bool
    """Always true; one that does not follow them has no such attribute."""


def follows_market_hours(source: Source) -> bool:
    """Return whether a source asks to rest while the markets of its symbols are closed."""
    return bool(getattr(source, "follows_market_hours", False))


SourceFactory = Callable[[SourceRequest], Source]
"""What an entry point of the group ``stockctl.sources`` names."""


LEFT_OUT_REASONS = ("backwards", "timeless", "outside_session")
"""The issues for which a quote is dropped without being quarantined."""


class SourceStatus(NamedTuple):
    """The state of a source; None for what a source does not have. Times are aware."""

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
    """How many quotes it rejected, dropped or flagged, by reason."""

    @property
    def left_out(self) -> int | None:
        """How many quotes it skipped: older than the last one, without a time, or outside the session.

        None for a source that does not check its quotes.
        """
        return sum(self.issues.get(reason, 0) for reason in LEFT_OUT_REASONS) if self.issues else None


class ReportsStatus(Protocol):
    """A source that reports its state. One that wraps another adds to the state of that one."""

    def status(self) -> SourceStatus:
        """Return the current state; called from any thread."""


def source_status(source: object) -> SourceStatus:
    """Return what ``source`` reports about itself, which is nothing if it has no ``status`` method.

    A method of the former name, ``told``, is used too, and first: a source that has it was written when
    ``status`` had no meaning here.
    """
    for name in ("told", "status"):
        method = getattr(source, name, None)
        if callable(method) and isinstance(status := method(), SourceStatus):
            return status
    return SourceStatus()


def canonical_symbols(symbols: Sequence[str]) -> list[str]:
    """Return the symbols in canonical form, each once.

    Raises:
        UsageError: there is none.
        InvalidQuote: one has characters that no symbol has.
    """
    if not symbols:
        raise UsageError("There is no symbol to ask Yahoo for.", "Name some: --symbols AAPL,MSFT.")
    return list(dict.fromkeys(map(parse_symbol, symbols)))


def check_interval(seconds: float) -> None:
    """Make sure that polls can be so many seconds apart.

    Raises:
        UsageError: they cannot.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"The interval of {seconds:g} s is not above zero.", "Try --interval 30.")
