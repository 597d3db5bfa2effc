"""Exchange calendars: which exchange a symbol trades on, and when it is open."""

import logging
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from typing import NamedTuple

from stockctl.errors import SourceError
from stockctl.formatting import join_symbols

_log = logging.getLogger(__name__)


ALWAYS_OPEN = "24/7"
"""The calendar of symbols that are always traded."""
HOME_CALENDAR = "XNYS"
"""The calendar of a symbol without a suffix; Nasdaq and the other US exchanges have the same hours."""

_FUTURES = "CMES"

# By the part of a symbol after the last dot. Calendars have the ISO 10383 code of their exchange.
_CALENDAR_BY_SUFFIX = {
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

# An index has no suffix.
_CALENDAR_BY_INDEX = {
    "^AEX": "XAMS", "^AORD": "XASX", "^AXJO": "XASX", "^BFX": "XBRU", "^BSESN": "XBOM", "^BVSP": "BVMF",
    "^DJI": "XNYS", "^FCHI": "XPAR", "^FTMC": "XLON", "^FTSE": "XLON", "^FVX": "XNYS", "^GDAXI": "XETR",
    "^GSPC": "XNYS", "^GSPTSE": "XTSE", "^HSI": "XHKG", "^IBEX": "XMAD", "^IRX": "XNYS", "^IXIC": "XNYS",
    "^JKSE": "XIDX", "^KLSE": "XKLS", "^KS11": "XKRX", "^MDAXI": "XETR", "^MERV": "XBUE", "^MXX": "XMEX",
    "^N225": "XTKS", "^NDX": "XNYS", "^NSEI": "XBOM", "^NYA": "XNYS", "^NZ50": "XNZE", "^OEX": "XNYS",
    "^RUI": "XNYS", "^RUT": "XNYS", "^SP400": "XNYS", "^SP600": "XNYS", "^SSMI": "XSWX",
    "^STOXX": "XETR", "^STOXX50E": "XETR", "^STI": "XSES", "^TNX": "XNYS", "^TWII": "XTAI",
    "^TYX": "XNYS", "^VIX": "XNYS", "^VXN": "XNYS", "^XAX": "XNYS",
}  # fmt: skip

# A coin is quoted in one of these (BTC-USD); a class of shares has one or two letters there (BRK-B).
_QUOTE_CURRENCIES = frozenset({
    "AUD", "BRL", "BTC", "CAD", "CHF", "CNY", "DKK", "ETH", "EUR", "GBP", "HKD", "IDR", "ILS", "INR", "JPY",
    "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RUB", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "USDC",
    "USDT", "ZAR",
})  # fmt: skip


def calendar_of(symbol: str) -> str | None:
    """Return the name of the calendar of a canonical symbol, or None if it is unknown."""
    if symbol.endswith("=X") or (symbol.rpartition("-")[2] in _QUOTE_CURRENCIES and "-" in symbol):
        return ALWAYS_OPEN
    if symbol.endswith("=F"):
        return _FUTURES
    if symbol.startswith("^"):
        return _CALENDAR_BY_INDEX.get(symbol)
    _, dot, suffix = symbol.rpartition(".")
    return _CALENDAR_BY_SUFFIX.get(suffix) if dot else HOME_CALENDAR


_COLUMNS = ["open", "close", "break_start", "break_end"]

FOREVER = datetime.max.replace(tzinfo=UTC)
"""The close of a session without end."""
DISTANT_PAST = datetime.min.replace(tzinfo=UTC)

DAYS_BEFORE = timedelta(days=12)
DAYS_AFTER = timedelta(days=60)
"""How far before and after a day sessions are read; no exchange is closed for longer."""


class Session(NamedTuple):
    """A trading session from its open to its close (exclusive), with its lunch break, if it has one."""

    opens: datetime
    closes: datetime
    break_starts: datetime | None = None
    break_ends: datetime | None = None

    def trades_at(self, moment: datetime) -> bool:
        """Return whether the market is open at ``moment``: within the session, not in its break."""
        if not self.opens <= moment < self.closes:
            return False
        if self.break_starts is None or self.break_ends is None:
            return True
        return not self.break_starts <= moment < self.break_ends


ALWAYS_OPEN_SESSION = Session(DISTANT_PAST, FOREVER)
"""Also used for unknown hours, so that no quote is missed."""


class Timetable(NamedTuple):
    """Sessions in order; ``known_until`` is the last day the calendar knows, if it ends too early."""

    sessions: tuple[Session, ...]
    known_until: date | None = None


_WARNINGS_LOCK = Lock()
"""The filter of warnings belongs to the whole process, while several threads read calendars."""


def read_timetable(calendar: str, day: date) -> Timetable | None:
    """Return the sessions around ``day`` from a calendar of exchange_calendars; None if there is none.

    If the calendar ends early, because next year's holidays are not published yet, one session without
    end follows.

    Raises:
        SourceError: exchange_calendars is missing or broken.
    """
    try:
        import exchange_calendars
    except ImportError as error:
        raise SourceError(
            f"The package exchange_calendars (market hours) cannot be loaded: {error}.",
            "Reinstall it: pip install --force-reinstall 'exchange_calendars>=4.13,<5'.",
        ) from error
    first, last = day - DAYS_BEFORE, day + DAYS_AFTER
    for end in (last, None):
        try:
            with _WARNINGS_LOCK, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # from its use of pandas
                known = exchange_calendars.get_calendar(calendar, start=first, end=end)
                rows = known.schedule.loc[: str(last), _COLUMNS].itertuples(index=False, name=None)
        # Raised if a calendar ends too early, or does not work with this release of pandas.
        except (ValueError, NotImplementedError, exchange_calendars.errors.CalendarError):
            continue
        sessions = tuple(_session(*row) for row in rows)
        return Timetable(sessions) if end else _with_open_end(sessions, known.last_session.date())
    return None


def _session(opens: datetime, closes: datetime, break_starts: datetime, break_ends: datetime) -> Session:
    """Return the session of a row with plain datetimes: those of pandas are slow to compare."""
    # Without a break pandas has NaT, which is not equal to itself.
    breaks = (break_starts, break_ends) if break_starts == break_starts else ()
    return Session(*(datetime.fromtimestamp(moment.timestamp(), UTC) for moment in (opens, closes, *breaks)))


def _with_open_end(sessions: tuple[Session, ...], last: date) -> Timetable:
    end = datetime.combine(last + timedelta(days=1), time(), UTC)
    return Timetable((*sessions, Session(end, FOREVER)), last)


_TIMETABLE_VALID_FOR = timedelta(days=20)
"""A timetable is valid for this time before and after the day for which it was read; its sessions extend far
beyond that."""


class MarketHours:
    """The trading sessions of symbols.

    All times are aware. Coins (``BTC-USD``) and currencies (``EURUSD=X``) are always open. So are symbols
    with unknown hours, which are logged once. Extended hours do not count as a session.

    Args:
        read: returns the sessions of a calendar around a day, or None if there are none.
    """

    def __init__(self, read: Callable[[str, date], Timetable | None] = read_timetable) -> None:
        self._read = read
        self._calendars: dict[str, str | None] = {}
        self._tables: dict[str, tuple[date, Timetable]] = {}
        self._logged: set[str] = set()

    def is_open(self, symbol: str, at: datetime) -> bool:
        """Return whether ``symbol`` trades at ``at``: within a session, and not in its lunch break."""
        return self.any_open((symbol,), at)

    def any_open(self, symbols: Iterable[str], at: datetime) -> bool:
        """Return whether any of the symbols trades at ``at``."""
        return any(
            session is not None and session.trades_at(at)
            for session in (self._session(calendar, at) for calendar in self._calendars_of(symbols))
        )

    def session_end(self, symbols: Iterable[str], at: datetime) -> datetime | None:
        """Return when the last of the symbols' sessions ends, including those that start before that.

        None if there is no session at ``at``, ``FOREVER`` if there is no end. A lunch break is part of its
        session.
        """
        calendars = self._calendars_of(symbols)
        end, moment = None, at
        while moment < FOREVER:
            sessions = (self._session(calendar, moment) for calendar in calendars)
            closes = [session.closes for session in sessions if session is not None]
            if not closes:
                break
            end = moment = max(closes)
        return end

    def next_open(self, symbols: Iterable[str], at: datetime) -> datetime | None:
        """Return when the first session of any of the symbols starts after ``at``; None if none does."""
        starts = (self._next_start(calendar, at) for calendar in self._calendars_of(symbols))
        return min((moment for moment in starts if moment is not None), default=None)

    def _calendars_of(self, symbols: Iterable[str]) -> set[str]:
        asked = list(symbols)
        new = [symbol for symbol in asked if symbol not in self._calendars]
        self._calendars.update((symbol, calendar_of(symbol)) for symbol in new)
        if unknown := [symbol for symbol in new if self._calendars[symbol] is None]:
            _log.warning(
                "The market hours of %s are unknown; treating them as always open.", join_symbols(unknown)
            )
        return {self._calendars[symbol] or ALWAYS_OPEN for symbol in asked}

    def _session(self, calendar: str, at: datetime) -> Session | None:
        """Return the session at ``at``, if there is one."""
        sessions = self._sessions(calendar, at)
        index = bisect_right(sessions, at, key=_opens) - 1
        return sessions[index] if index >= 0 and at < sessions[index].closes else None

    def _next_start(self, calendar: str, at: datetime) -> datetime | None:
        sessions = self._sessions(calendar, at)
        index = bisect_right(sessions, at, key=_opens)
        return sessions[index].opens if index < len(sessions) else None

    def _sessions(self, calendar: str, at: datetime) -> tuple[Session, ...]:
        if calendar == ALWAYS_OPEN:
            return (ALWAYS_OPEN_SESSION,)
        day = at.date()
        read_for, table = self._tables.get(calendar, (None, None))
        if table is None or read_for is None or abs(day - read_for) > _TIMETABLE_VALID_FOR:
            table = self._read(calendar, day) or Timetable((ALWAYS_OPEN_SESSION,), date.min)
            self._tables[calendar] = (day, table)
            self._log_unknown(calendar, table)
        return table.sessions

    def _log_unknown(self, calendar: str, table: Timetable) -> None:
        if table.known_until is None or calendar in self._logged:
            return
        self._logged.add(calendar)
        if table.sessions == (ALWAYS_OPEN_SESSION,):
            _log.warning("The hours of the exchange %s are unknown; treating it as always open.", calendar)
            return
        _log.warning(
            "The holidays of the exchange %s are known until %s; after that it is treated as always open. "
            "A newer release of exchange_calendars may know more.",
            calendar,
            table.known_until,
        )


def _opens(session: Session) -> datetime:
    return session.opens
