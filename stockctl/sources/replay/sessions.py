"""The previous close of a quote, where a file does not tell."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from stockctl.market.timestamp import NEW_YORK, format_timestamp, new_york_date


class _Session:
    """What is known of a symbol's newest session."""

    __slots__ = ("date", "last_price", "last_timestamp", "previous_close")

    def __init__(self, date: str, timestamp: str, price: Decimal, previous_close: Decimal | None) -> None:
        self.date = date
        self.last_timestamp = timestamp
        self.last_price = price
        self.previous_close = previous_close


class PreviousCloses:
    """The last price of each symbol's latest earlier New York date.

    Rows have to pass in order of time, which is why one look at each is enough. Of rows with the same
    symbol and timestamp the first one counts.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._date = ""
        self._date_ends = ""

    def pass_by(self, symbol: str, timestamp: str, price: Decimal) -> Decimal | None:
        """Take the next row, and return the close of the session before its own."""
        if timestamp >= self._date_ends:
            self._date = new_york_date(timestamp)
            self._date_ends = _end_of(self._date)
        session = self._sessions.get(symbol)
        if session is None:
            self._sessions[symbol] = _Session(self._date, timestamp, price, None)
            return None
        if session.date != self._date:
            session.date = self._date
            session.previous_close = session.last_price
            session.last_timestamp = timestamp
            session.last_price = price
        elif session.last_timestamp != timestamp:
            session.last_timestamp = timestamp
            session.last_price = price
        return session.previous_close


def _end_of(day: str) -> str:
    """Return the timestamp at which the date ends in New York."""
    if day == date.max.isoformat():
        return "~"  # sorts behind every timestamp
    midnight = datetime.fromisoformat(day) + timedelta(days=1)
    return format_timestamp(midnight.replace(tzinfo=ZoneInfo(NEW_YORK)))
