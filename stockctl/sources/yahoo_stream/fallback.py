"""Polls while the streaming connection is down, and once after it is back."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from queue import SimpleQueue
from threading import Event
from typing import NamedTuple

from stockctl.errors import SourceError
from stockctl.sources.base import Tick
from stockctl.sources.yahoo.source import YahooSource
from stockctl.sources.yahoo_stream.context import SharedContext

_log = logging.getLogger(__name__)


class _PollJob(NamedTuple):
    """Symbols to poll, and the event that ends it."""

    symbols: Sequence[str]
    once: bool
    stop: Event


class FallbackPoller:
    """Runs the polling source in ``run``, which needs a thread of its own.

    A new job ends the previous one.

    Args:
        deliver: takes the ticks.
        context: the objects that the parts of the source share.
        interval: seconds between polls while the connection is down.
    """

    def __init__(self, deliver: Callable[[Tick], None], context: SharedContext, interval: float) -> None:
        self._deliver = deliver
        self._context = context
        self._interval = interval
        self._jobs: SimpleQueue[_PollJob | None] = SimpleQueue()
        self._current: _PollJob | None = None
        self._outage_source: tuple[Sequence[str], YahooSource] | None = None

    def start(self, symbols: Sequence[str]) -> None:
        """Poll from now on, because the connection is down; does nothing if it polls them already."""
        current = self._current
        if current is None or current.once or current.symbols != symbols:
            self._submit(symbols, once=False)

    def poll_once(self, symbols: Sequence[str]) -> None:
        """Poll once for the quotes that were missed while there was no connection."""
        self._submit(symbols, once=True)

    def close(self) -> None:
        """Make ``run`` return."""
        if self._current is not None:
            self._current.stop.set()
        self._jobs.put(None)

    def run(self) -> None:
        """Run jobs until closed.

        Raises:
            SourceError: yfinance cannot be used.
        """
        while (job := self._jobs.get()) is not None:
            try:
                for tick in self._source(job).ticks(job.stop):
                    self._deliver(tick)
            except SourceError as error:
                if not job.once:
                    raise
                _log.warning("%s The live connection continues.", error.message)

    def _submit(self, symbols: Sequence[str], *, once: bool) -> None:
        if self._current is not None:
            self._current.stop.set()
        self._current = _PollJob(symbols, once, Event())
        self._jobs.put(self._current)

    def _source(self, job: _PollJob) -> YahooSource:
        """Return a source; the one for outages is kept, so that it does not log the same each time."""
        if job.once:
            return self._new_source(job)
        if self._outage_source is None or self._outage_source[0] != job.symbols:
            self._outage_source = job.symbols, self._new_source(job)
        return self._outage_source[1]

    def _new_source(self, job: _PollJob) -> YahooSource:
        return YahooSource(
            job.symbols,
            interval=self._interval,
            once=job.once,
            breaker=self._context.breaker,
            limiter=self._context.limiter,
            clock=self._count_poll,
            rng=self._context.rng,
        )

    def _count_poll(self) -> datetime:
        """Return the current time; the polling source asks for it at each answer."""
        self._context.counters.fallback_polls += 1
        return self._context.clock()
