"""The contract of a source of quotes, for those that come with stockctl and for yours.

A package of yours gives stockctl a source by an entry point::

    [project.entry-points."stockctl.sources"]
    acme = "acme_quotes.stockctl:make_source"

``make_source`` takes a ``SourceRequest`` and returns a ``Source``; ``stockctl stream --source acme`` runs it.
``stockctl.sources.contract`` holds the tests that it has to pass.

Two things more a source may do, if it likes: follow market hours, see ``follows_market_hours``, and tell of
itself, see ``stockctl.sources.telling``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event
from typing import NamedTuple, Protocol

from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection

Tick = Sequence[Quote | Rejection]
"""What a source has at one moment: quotes, and what it met but could not read."""


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
