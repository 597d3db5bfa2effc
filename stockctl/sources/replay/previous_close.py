"""Previous closes of replayed rows that have none: the last price of the symbol's session before."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from stockctl.market.timestamp import NEW_YORK, format_timestamp, new_york_date


class _Session:
    """The newest session of a symbol."""

    __slots__ = ("date", "last_price", "last_timestamp", "previous_close")

    def __init__(self, date: str, timestamp: str, price: Decimal, previous_close: Decimal | None) -> None:
        self.date = date
        self.last_timestamp = timestamp
        self.last_price = price
        self.previous_close = previous_close


class PreviousCloseTracker:
    """The previous close of each symbol: its last price on its latest earlier New York date.

    Rows must come in order of time. Of rows with the same symbol and timestamp the first one counts.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._date = ""
        self._date_ends = ""

    def update(self, symbol: str, timestamp: str, price: Decimal) -> Decimal | None:
        """Process the next row, and return its previous close."""
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
        return "~"  # sorts after every timestamp
    midnight = datetime.fromisoformat(day) + timedelta(days=1)
    return format_timestamp(midnight.replace(tzinfo=ZoneInfo(NEW_YORK)))
