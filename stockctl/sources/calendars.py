"""Exchange calendars: which exchange a symbol trades on, and when that is open."""

import logging
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from stockctl.errors import SourceError
from stockctl.formatting import join_symbols

ALWAYS_OPEN = "24/7"
"""The calendar of what never closes."""
HOME_CALENDAR = "XNYS"
"""The calendar of a symbol without a suffix; Nasdaq and the other exchanges of the USA keep the same."""

_FUTURES = "CMES"

# Of a symbol's ending after the last dot; a calendar is named by the exchange's ISO 10383 code.
_OF_SUFFIX = {
    "AS": "XAMS", "AT": "ASEX", "AX": "XASX", "BA": "XBUE", "BD": "XBUD", "BE": "XFRA", "BK": "XBKK",
    "BO": "XBOM", "BR": "XBRU", "CL": "XBOG", "CN": "XTSE", "CO": "XCSE", "DE": "XETR", "DU": "XDUS",
    "F": "XFRA", "HA": "XHAM", "HE": "XHEL", "HK": "XHKG", "HM": "XHAM", "IC": "XICE", "IL": "XLON",
    "IR": "XDUB", "IS": "XIST", "JK": "XIDX", "JO": "XJSE", "KL": "XKLS", "KQ": "XKRX", "KS": "XKRX",
    "L": "XLON", "LM": "XLIM", "LS": "XLIS", "MC": "XMAD", "ME": "XMOS", "MI": "XMIL", "MU": "XFRA",
    "MX": "XMEX", "NE": "XTSE", "NS": "XBOM", "NYB": "IEPA", "NZ": "XNZE", "OL": "XOSL", "PA": "XPAR",
    "PR": "XPRA", "RG": "XRIS", "RO": "XBSE", "SA": "BVMF", "SG": "XSTU", "SI": "XSES", "SN": "XSGO",
    "SR": "XSAU", "SS": "XSHG", "ST": "XSTO", "SW": "XSWX", "SZ": "XSHG", "T": "XTKS", "TA": "XTAE",
    "TL": "XTAL", "TO": "XTSE", "TW": "XTAI", "TWO": "XTAI", "V": "XTSE", "VI": "XWBO", "VS": "XLIT",
    "WA": "XWAR",
}  # fmt: skip

# An index has no suffix that would tell.
_OF_INDEX = {
    "^AEX": "XAMS", "^AORD": "XASX", "^AXJO": "XASX", "^BFX": "XBRU", "^BSESN": "XBOM", "^BVSP": "BVMF",
    "^DJI": "XNYS", "^FCHI": "XPAR", "^FTMC": "XLON", "^FTSE": "XLON", "^FVX": "XNYS", "^GDAXI": "XETR",
    "^GSPC": "XNYS", "^GSPTSE": "XTSE", "^HSI": "XHKG", "^IBEX": "XMAD", "^IRX": "XNYS", "^IXIC": "XNYS",
    "^JKSE": "XIDX", "^KLSE": "XKLS", "^KS11": "XKRX", "^MDAXI": "XETR", "^MERV": "XBUE", "^MXX": "XMEX",
    "^N225": "XTKS", "^NDX": "XNYS", "^NSEI": "XBOM", "^NYA": "XNYS", "^NZ50": "XNZE", "^OEX": "XNYS",
    "^RUI": "XNYS", "^RUT": "XNYS", "^SP400": "XNYS", "^SP600": "XNYS", "^SSMI": "XSWX",
    "^STOXX": "XETR", "^STOXX50E": "XETR", "^STI": "XSES", "^TNX": "XNYS", "^TWII": "XTAI",
    "^TYX": "XNYS", "^VIX": "XNYS", "^VXN": "XNYS", "^XAX": "XNYS",
}  # fmt: skip

# A coin is written against one of these (BTC-USD); a class of shares has a letter or two there (BRK-B).
_QUOTED_IN = frozenset({
    "AUD", "BRL", "BTC", "CAD", "CHF", "CNY", "DKK", "ETH", "EUR", "GBP", "HKD", "IDR", "ILS", "INR", "JPY",
    "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RUB", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "USDC",
    "USDT", "ZAR",
})  # fmt: skip


def calendar_of(symbol: str) -> str | None:
    """Return the name of the calendar that a canonical symbol trades by, or None when nobody can tell."""
    if symbol.endswith("=X") or (symbol.rpartition("-")[2] in _QUOTED_IN and "-" in symbol):
        return ALWAYS_OPEN
    if symbol.endswith("=F"):
        return _FUTURES
    if symbol.startswith("^"):
        return _OF_INDEX.get(symbol)
    _, dot, suffix = symbol.rpartition(".")
    return _OF_SUFFIX.get(suffix) if dot else HOME_CALENDAR


_COLUMNS = ["open", "close", "break_start", "break_end"]

FOREVER = datetime.max.replace(tzinfo=UTC)
"""The close of what never closes."""
SINCE_EVER = datetime.min.replace(tzinfo=UTC)

BEFORE = timedelta(days=12)
AFTER = timedelta(days=60)
"""How far around a day sessions are read; no exchange rests for longer."""


class Session(NamedTuple):
    """A trading session, from its open up to, and without, its close; the break at noon, if it has one."""

    opens: datetime
    closes: datetime
    pauses: datetime | None = None
    resumes: datetime | None = None

    def trades_at(self, moment: datetime) -> bool:
        """Return whether the session is on at ``moment``, and not in its break."""
        if self.pauses is not None and self.resumes is not None and self.pauses <= moment < self.resumes:
            return False
        return self.opens <= moment < self.closes


ALWAYS_OPEN_TIMETABLE = Session(SINCE_EVER, FOREVER)
"""Stands for hours that nobody knows: no quote is to be missed for that."""


class Timetable(NamedTuple):
    """Sessions in order, and from when on (None: as far as was asked) the calendar knows no more."""

    sessions: tuple[Session, ...]
    known_until: date | None = None


def read_timetable(calendar: str, day: date) -> Timetable | None:
    """Return the sessions around ``day`` of a calendar of exchange_calendars; None when it has none.

    Where the calendar ends early, because next year's holidays are not published yet, what comes after
    is one session without an end.

    Raises:
        SourceError: exchange_calendars is absent or broken.
    """
    try:
        import exchange_calendars
    except ImportError as error:
        raise SourceError(
            f"exchange_calendars, which knows when markets are open, cannot be loaded: {error}.",
            "Install it again: pip install --force-reinstall 'exchange_calendars>=4.13,<5'.",
        ) from error
    first, last = day - BEFORE, day + AFTER
    for end in (last, None):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its own, about pandas
                known = exchange_calendars.get_calendar(calendar, start=first, end=end)
                rows = known.schedule.loc[: str(last), _COLUMNS].itertuples(index=False, name=None)
        # What it raises when a calendar does not reach that far, or stumbles over this release of pandas.
        except (ValueError, NotImplementedError, exchange_calendars.errors.CalendarError):
            continue
        sessions = tuple(_session(*row) for row in rows)
        return Timetable(sessions) if end else _suffix(sessions, known.last_session.date())
    return None


def _session(opens: datetime, closes: datetime, pauses: datetime, resumes: datetime) -> Session:
    """Return the session of a row, made of plain datetimes: what pandas gives is slow to compare."""
    # For no break pandas has a value that is not equal to itself.
    breaks = (pauses, resumes) if pauses == pauses else ()
    return Session(*(datetime.fromtimestamp(moment.timestamp(), UTC) for moment in (opens, closes, *breaks)))


def _suffix(sessions: tuple[Session, ...], last: date) -> Timetable:
    end = datetime.combine(last + timedelta(days=1), time(), UTC)
    return Timetable((*sessions, Session(end, FOREVER)), last)


_TIMETABLE_VALID_FOR = timedelta(days=20)
"""How far from the day it was read for a timetable is good; the ends of its sessions are far beyond."""

_log = logging.getLogger(__name__)


class MarketHours:
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
            _log.warning("The market hours of %s are unknown; taken for always open.", join_symbols(unknown))
        return {self._calendars[symbol] or ALWAYS_OPEN for symbol in asked}

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
        if calendar == ALWAYS_OPEN:
            return (ALWAYS_OPEN_TIMETABLE,)
        day = at.date()
        read_for, table = self._tables.get(calendar, (None, None))
        if table is None or read_for is None or abs(day - read_for) > _TIMETABLE_VALID_FOR:
            table = self._read(calendar, day) or Timetable((ALWAYS_OPEN_TIMETABLE,), date.min)
            self._tables[calendar] = (day, table)
            self._tell(calendar, table)
        return table.sessions

    def _tell(self, calendar: str, table: Timetable) -> None:
        if table.known_until is None or calendar in self._told:
            return
        self._told.add(calendar)
        if table.sessions == (ALWAYS_OPEN_TIMETABLE,):
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
