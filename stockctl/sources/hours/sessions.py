"""The one module that touches exchange_calendars: the sessions of an exchange around a day."""

import warnings
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from stockctl.errors import SourceError

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


NO_HOURS = Session(SINCE_EVER, FOREVER)
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
                warnings.simplefilter("ignore", DeprecationWarning)  # its own, about pandas
                known = exchange_calendars.get_calendar(calendar, start=first, end=end)
                rows = known.schedule.loc[: str(last), _COLUMNS].itertuples(index=False, name=None)
        # What it raises when a calendar does not reach that far, or stumbles over this release of pandas.
        except (ValueError, NotImplementedError, exchange_calendars.errors.CalendarError):
            continue
        sessions = tuple(_session(*row) for row in rows)
        return Timetable(sessions) if end else _ending(sessions, known.last_session.date())
    return None


def _session(opens: datetime, closes: datetime, pauses: datetime, resumes: datetime) -> Session:
    """Return the session of a row, made of plain datetimes: what pandas gives is slow to compare."""
    # For no break pandas has a value that is not equal to itself.
    breaks = (pauses, resumes) if pauses == pauses else ()
    return Session(*(datetime.fromtimestamp(moment.timestamp(), UTC) for moment in (opens, closes, *breaks)))


def _ending(sessions: tuple[Session, ...], last: date) -> Timetable:
    end = datetime.combine(last + timedelta(days=1), time(), UTC)
    return Timetable((*sessions, Session(end, FOREVER)), last)
