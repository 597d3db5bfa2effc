"""Pauses or stops a source while the markets of its symbols are closed."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from threading import Event
from typing import Protocol, runtime_checkable

from stockctl.formatting import join_symbols
from stockctl.market.rules import MarketClosedPolicy
from stockctl.market.symbol import parse_symbol
from stockctl.sources.base import Source, SourceStatus, Tick, source_status
from stockctl.sources.calendars import FOREVER, MarketHours

_log = logging.getLogger(__name__)


AFTER_CLOSE = timedelta(minutes=20)
"""The time that a source continues after the close, for delayed quotes and closing auctions."""
CHECK_SECONDS = 1.0
"""Seconds between two checks of the symbols, which may change, and of the clock, which may be set or jump
while the machine is suspended."""


@runtime_checkable
class SupportsSymbolChanges(Protocol):
    """A source whose symbols can be changed while it runs, from any thread."""

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Use these symbols only, from now on.

        Raises:
            InvalidQuote: a symbol has invalid characters; nothing is changed.
        """


def find_symbol_changer(source: Source) -> SupportsSymbolChanges | None:
    """Return the source or the wrapped one whose symbols can be changed; None if there is none."""
    if isinstance(source, MarketHoursSource):
        return source if find_symbol_changer(source.source) else None
    if isinstance(source, SupportsSymbolChanges):
        return source
    inner: Source | None = getattr(source, "source", None)
    return None if inner is None else find_symbol_changer(inner)


class MarketHoursSource:
    """A source that pauses while the markets of all its symbols are closed.

    With the policy ``wait`` it runs the source from each open until ``AFTER_CLOSE`` after the close. With
    ``exit`` it ends at that time, or at once if no market is open at the start. A lunch break does not close
    a market. After a change of the symbols, the hours of the new symbols apply.

    Args:
        source: the source to run; its ``ticks`` runs once for each session.
        symbols: the symbols whose markets count.
        policy: what to do while they are closed.
        hours: the market hours.
        clock: returns the current time.
        zone: the time zone of logged times, beside UTC; by default the machine's own.
    """

    def __init__(
        self,
        source: Source,
        symbols: Sequence[str],
        policy: MarketClosedPolicy,
        *,
        hours: MarketHours | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        zone: tzinfo | None = None,
    ) -> None:
        self.source = source
        self.name = source.name
        self.repeatable = source.repeatable
        self._symbols = tuple(map(parse_symbol, symbols))
        self._policy = policy
        self._hours = MarketHours() if hours is None else hours
        self._clock = clock
        self._zone = zone
        self._opens_at: datetime | None = None
        self._closes_at: datetime | None = None
        self._until_symbols: Sequence[str] = ()
        self._until: datetime | None = None

    @property
    def expected(self) -> int | None:
        """How many items the source expects to yield."""
        return self.source.expected

    def status(self) -> SourceStatus:
        """Return the status of the source and its market; any thread may call."""
        opens = self._opens_at
        return source_status(self.source)._replace(
            market_closed=opens is not None,
            market_opens_at=opens,
            market_closes_at=None if opens else self._closes_at,
        )

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Use the markets of these symbols, and change those of the source if it can.

        Raises:
            InvalidQuote: a symbol has invalid characters; nothing is changed.
        """
        new_symbols = tuple(map(parse_symbol, symbols))
        if (changer := find_symbol_changer(self.source)) is not None:
            changer.change_symbols(symbols)
        self._symbols = new_symbols

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield the ticks of the source while a market is open.

        Raises:
            SourceError: the source cannot continue, or market hours cannot be read.
        """
        if self._policy is MarketClosedPolicy.CONTINUE:
            yield from self.source.ticks(stop)
            return
        while not stop.is_set():
            if self._run_until() is not None:
                session = _SessionEvent(stop, self._seconds_left)
                yield from self.source.ticks(session)
                if not session.is_over:
                    return
            elif not self._wait_for_open(stop):
                return

    def _run_until(self) -> datetime | None:
        """Return the time until which to run, or None if no market is open."""
        symbols = self._symbols
        end = self._hours.session_end(symbols, self._clock())
        self._closes_at = None if end == FOREVER else end
        self._until = end if end in (None, FOREVER) else end + AFTER_CLOSE
        self._until_symbols = symbols
        return self._until

    def _seconds_left(self) -> float:
        """Return the seconds until the end of the session, which changes with the symbols."""
        until = self._until if self._symbols is self._until_symbols else self._run_until()
        return 0.0 if until is None else (until - self._clock()).total_seconds()

    def _wait_for_open(self, stop: Event) -> bool:
        """Log that all markets are closed, sleep until one opens, and return whether to continue."""
        opens = self._hours.next_open(self._symbols, self._clock())
        if opens is None:
            return not stop.wait(CHECK_SECONDS)
        markets = f"The market of {join_symbols(self._symbols)} is closed"
        if self._policy is MarketClosedPolicy.EXIT:
            _log.info("%s until %s. Stopping, because of --when-closed exit.", markets, self._format(opens))
            return False
        _log.info(
            "%s. Waiting until %s. To poll anyway, pass --when-closed continue.",
            markets,
            self._format(opens),
        )
        self._opens_at = opens
        try:
            return self._sleep(opens, stop)
        finally:
            self._opens_at = None

    def _sleep(self, opens: datetime, stop: Event) -> bool:
        symbols = self._symbols
        while self._symbols == symbols and (left := (opens - self._clock()).total_seconds()) > 0:
            if stop.wait(min(left, CHECK_SECONDS)):
                return False
        return True

    def _format(self, moment: datetime) -> str:
        utc = moment.astimezone(UTC)
        local = moment.astimezone(self._zone)
        if local.utcoffset() == utc.utcoffset():
            return f"{utc:%a %Y-%m-%d %H:%M} UTC"
        return f"{local:%a %Y-%m-%d %H:%M %Z} ({utc:%a %H:%M} UTC)"


class _SessionEvent(Event):
    """A stop event that is also set, permanently, when the session ends."""

    def __init__(self, stop: Event, seconds_left: Callable[[], float]) -> None:
        super().__init__()
        self._stop = stop
        self._seconds_left = seconds_left
        self._ended = False

    @property
    def is_over(self) -> bool:
        """Whether the session has ended although ``stop`` is not set."""
        return self._remaining() <= 0 and not self._stop.is_set()

    def is_set(self) -> bool:
        return self._stop.is_set() or self._remaining() <= 0

    def wait(self, timeout: float | None = None) -> bool:
        left = float("inf") if timeout is None else timeout
        while left > 0 and not self._stop.is_set() and (remains := self._remaining()) > 0:
            seconds = min(left, remains, CHECK_SECONDS)
            self._stop.wait(seconds)
            left -= seconds
        return self.is_set()

    def _remaining(self) -> float:
        """Return the seconds left; after 0 it always returns 0, even if the symbols change again."""
        remains = 0.0 if self._ended else self._seconds_left()
        self._ended = remains <= 0
        return remains
