"""The previous close of a quote, where a file does not tell."""

from decimal import Decimal

from stockctl.market.timestamp import new_york_date


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

    def pass_by(self, symbol: str, timestamp: str, price: Decimal) -> Decimal | None:
        """Take the next row, and return the close of the session before its own."""
        date = new_york_date(timestamp)
        session = self._sessions.get(symbol)
        if session is None:
            self._sessions[symbol] = _Session(date, timestamp, price, None)
            return None
        if session.date != date:
            session.date = date
            session.previous_close = session.last_price
            session.last_timestamp = timestamp
            session.last_price = price
        elif session.last_timestamp != timestamp:
            session.last_timestamp = timestamp
            session.last_price = price
        return session.previous_close
