"""The contract of a source of quotes."""

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Protocol

from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection

Tick = Sequence[Quote | Rejection]
"""What a source has at one moment: quotes, and what it met but could not read."""


class Source(Protocol):
    """A place that quotes come from, in order of time for each symbol.

    A source waits between ticks itself, always with ``stop.wait(seconds)``, and ends soon after ``stop``
    is set. What it has to say to a person (a pause, a retry) it says through ``logging``, below
    ``stockctl.sources``.
    """

    name: str
    """The value of ``source`` in its quotes."""

    expected: int | None
    """How many quotes and rejections will come in all, once that is known."""

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield ticks until there is nothing more, or ``stop`` is set.

        Raises:
            SourceError: the source cannot go on.
        """
