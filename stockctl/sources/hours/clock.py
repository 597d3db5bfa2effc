"""Answers about market hours, for one symbol or many."""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

from stockctl.sources.hours.exchanges import ALWAYS, calendar_of
from stockctl.sources.hours.sessions import FOREVER, NO_HOURS, Session, Timetable, read_timetable
from stockctl.sources.wording import named

_LASTS = timedelta(days=20)
"""How far from the day it was read for a timetable is good; the ends of its sessions are far beyond."""

_log = logging.getLogger(__name__)


class Hours:
    """Knows the sessions of the exchanges that symbols trade on.

    All moments are aware. Coins (``BTC-USD``) and currencies (``EURUSD=X``) are open always; so is, having
    been named once in the log, what trades at unknown hours. Extended hours are no session.

    Args:
        read: gives the sessions of a calendar around a day; None when it has none.
    """

    def __init__(self, read: Callable[[str, date], Timetable | None] = read_timetable) -> None:
        self._read = read
        self._calendars: dict[str, str | None] = {}
        self._tables: dict[str, tuple[date, Timetable]] = {}
        self._told: set[str] = set()

    def is_open(self, symbol: str, at: datetime) -> bool:
        """Return whether ``symbol`` trades at ``at``: within a session, and not in its break at noon."""
        return self.any_open((symbol,), at)

    def any_open(self, symbols: Iterable[str], at: datetime) -> bool:
        """Return whether any of the symbols trades at ``at``."""
        return any(
            session is not None and session.trades_at(at)
            for session in (self._session(calendar, at) for calendar in self._calendars_of(symbols))
        )

    def session_end(self, symbols: Iterable[str], at: datetime) -> datetime | None:
        """Return when the last of the symbols' sessions ends, counting those that begin before it does.

        None when no session is on at ``at``, ``FOREVER`` when there is no end. A break at noon is a part
        of its session.
        """
        calendars = self._calendars_of(symbols)
        end, moment = None, at
        while moment < FOREVER:
            on = (self._session(calendar, moment) for calendar in calendars)
            closes = [session.closes for session in on if session is not None]
            if not closes:
                break
            end = moment = max(closes)
        return end

    def next_open(self, symbols: Iterable[str], at: datetime) -> datetime | None:
        """Return when, after ``at``, the first session of any of the symbols begins; None if none does."""
        begins = (self._next(calendar, at) for calendar in self._calendars_of(symbols))
        return min((moment for moment in begins if moment is not None), default=None)

    def _calendars_of(self, symbols: Iterable[str]) -> set[str]:
        asked = list(symbols)
        new = [symbol for symbol in asked if symbol not in self._calendars]
        self._calendars.update((symbol, calendar_of(symbol)) for symbol in new)
        if unknown := [symbol for symbol in new if self._calendars[symbol] is None]:
            _log.warning("The market hours of %s are unknown; taken for always open.", named(unknown))
        return {self._calendars[symbol] or ALWAYS for symbol in asked}

    def _session(self, calendar: str, at: datetime) -> Session | None:
        """Return the session that is on."""
        sessions = self._sessions(calendar, at)
        place = bisect_right(sessions, at, key=_opens) - 1
        return sessions[place] if place >= 0 and at < sessions[place].closes else None

    def _next(self, calendar: str, at: datetime) -> datetime | None:
        sessions = self._sessions(calendar, at)
        place = bisect_right(sessions, at, key=_opens)
        return sessions[place].opens if place < len(sessions) else None

    def _sessions(self, calendar: str, at: datetime) -> tuple[Session, ...]:
        if calendar == ALWAYS:
            return (NO_HOURS,)
        day = at.date()
        read_for, table = self._tables.get(calendar, (None, None))
        if table is None or read_for is None or abs(day - read_for) > _LASTS:
            table = self._read(calendar, day) or Timetable((NO_HOURS,), date.min)
            self._tables[calendar] = (day, table)
            self._tell(calendar, table)
        return table.sessions

    def _tell(self, calendar: str, table: Timetable) -> None:
        if table.known_until is None or calendar in self._told:
            return
        self._told.add(calendar)
        if table.sessions == (NO_HOURS,):
            _log.warning("The hours of the exchange %s are unknown; taken for always open.", calendar)
            return
        _log.warning(
            "The holidays of the exchange %s are known until %s; after that it is taken for always open. "
            "A newer release of exchange_calendars may know more.",
            calendar,
            table.known_until,
        )


def _opens(session: Session) -> datetime:
    return session.opens
