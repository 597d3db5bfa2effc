"""Pauses or stops a source while the markets of its symbols are closed."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from threading import Event
from typing import Protocol, runtime_checkable

from stockctl.formatting import join_symbols
from stockctl.market.policy import MarketClosedPolicy
from stockctl.market.symbol import parse_symbol
from stockctl.sources.base import Source, SourceStatus, Tick, source_status
from stockctl.sources.calendars import FOREVER, MarketHours

AFTER_CLOSE = timedelta(minutes=20)
"""How long a source goes on after the close: some quotes come delayed, and closing auctions take a while."""
LONGEST_NAP = 1.0
"""Seconds between two looks at the symbols, which may be changed, and at the time of day, which may be set,
or jump while a machine is suspended."""

_log = logging.getLogger(__name__)


@runtime_checkable
class SupportsSymbolChanges(Protocol):
    """A source whose symbols can be changed while it runs, from any thread."""

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Take these symbols from now on, and no others.

        Raises:
            InvalidQuote: one has characters that no symbol has; nothing is changed.
        """


def supports_symbol_changes(source: Source) -> SupportsSymbolChanges | None:
    """Return who changes the symbols of ``source``, or of what it wraps; None when nobody can."""
    if isinstance(source, MarketHoursSource):
        return source if supports_symbol_changes(source.source) else None
    if isinstance(source, SupportsSymbolChanges):
        return source
    inner: Source | None = getattr(source, "source", None)
    return None if inner is None else supports_symbol_changes(inner)


class MarketHoursSource:
    """A source that rests while the markets of all its symbols are closed.

    With ``wait`` it runs the source from each open until ``AFTER_CLOSE`` past the close; with ``exit`` it
    ends there, or at once when no market is open to begin with. A break at noon is no close. Symbols that
    are changed meanwhile have their own hours, from that moment on.

    Args:
        source: what to run; it is run anew for each session, so it must be able to tick more than once.
        symbols: whose markets count.
        policy: what to do while they are closed.
        hours: knows them.
        clock: the time of day.
        zone: the zone to say times in beside UTC; the machine's own by default.
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
        self._judged: Sequence[str] = ()
        self._until: datetime | None = None

    @property
    def expected(self) -> int | None:
        """What the source expects."""
        return self.source.expected

    def status(self) -> SourceStatus:
        """Return what the source tells, and until when it rests, or a market is open; any thread may ask."""
        opens = self._opens_at
        return source_status(self.source)._replace(
            market_closed=opens is not None,
            market_opens_at=opens,
            market_closes_at=None if opens else self._closes_at,
        )

    def change_symbols(self, symbols: Sequence[str]) -> None:
        """Let the markets of these symbols count, and hand them to a source that can change its own.

        Raises:
            InvalidQuote: one has characters that no symbol has; nothing is changed.
        """
        wanted = tuple(map(parse_symbol, symbols))
        if (inner := supports_symbol_changes(self.source)) is not None:
            inner.change_symbols(symbols)
        self._symbols = wanted

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what the source yields while a market is open.

        Raises:
            SourceError: the source cannot go on, or market hours cannot be read.
        """
        if self._policy is MarketClosedPolicy.CONTINUE:
            yield from self.source.ticks(stop)
            return
        while not stop.is_set():
            if self._closes() is not None:
                session = _SessionEvent(stop, self._left)
                yield from self.source.ticks(session)
                if not session.is_over:
                    return
            elif not self._rest(stop):
                return

    def _closes(self) -> datetime | None:
        """Return until when to run now, or None when no market is open."""
        symbols = self._symbols
        end = self._hours.session_end(symbols, self._clock())
        self._closes_at = None if end == FOREVER else end
        self._until = end if end in (None, FOREVER) else end + AFTER_CLOSE
        self._judged = symbols
        return self._until

    def _left(self) -> float:
        """Return the seconds until the session is over, which is another one for other symbols."""
        until = self._until if self._symbols is self._judged else self._closes()
        return 0.0 if until is None else (until - self._clock()).total_seconds()

    def _rest(self, stop: Event) -> bool:
        """Say that all markets are closed; sleep until one opens, and return whether to go on then."""
        opens = self._hours.next_open(self._symbols, self._clock())
        if opens is None:
            return not stop.wait(LONGEST_NAP)
        markets = f"The market of {join_symbols(self._symbols)} is closed"
        if self._policy is MarketClosedPolicy.EXIT:
            _log.info("%s until %s: ending here, as --when-closed exit asks.", markets, self._shown(opens))
            return False
        _log.info("%s. Waiting until %s; --when-closed continue does not.", markets, self._shown(opens))
        self._opens_at = opens
        try:
            return self._sleep(opens, stop)
        finally:
            self._opens_at = None

    def _sleep(self, opens: datetime, stop: Event) -> bool:
        asked = self._symbols
        while self._symbols == asked and (left := (opens - self._clock()).total_seconds()) > 0:
            if stop.wait(min(left, LONGEST_NAP)):
                return False
        return True

    def _shown(self, moment: datetime) -> str:
        utc = moment.astimezone(UTC)
        local = moment.astimezone(self._zone)
        if local.utcoffset() == utc.utcoffset():
            return f"{utc:%a %Y-%m-%d %H:%M} UTC"
        return f"{local:%a %Y-%m-%d %H:%M %Z} ({utc:%a %H:%M} UTC)"


class _SessionEvent(Event):
    """A wish to stop that another event brings, or the end of a session, which is for good."""

    def __init__(self, stop: Event, left: Callable[[], float]) -> None:
        super().__init__()
        self._stop = stop
        self._left = left
        self._ended = False

    @property
    def is_over(self) -> bool:
        """Whether the session has ended, and nothing else asks to stop."""
        return self._remains() <= 0 and not self._stop.is_set()

    def is_set(self) -> bool:
        return self._stop.is_set() or self._remains() <= 0

    def wait(self, timeout: float | None = None) -> bool:
        left = float("inf") if timeout is None else timeout
        while left > 0 and not self._stop.is_set() and (remains := self._remains()) > 0:
            nap = min(left, remains, LONGEST_NAP)
            self._stop.wait(nap)
            left -= nap
        return self.is_set()

    def _remains(self) -> float:
        """Return the seconds that are left; once none was, symbols that are changed again bring none back."""
        remains = 0.0 if self._ended else self._left()
        self._ended = remains <= 0
        return remains
