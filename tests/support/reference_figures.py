"""The figures recomputed from their published meaning: exact fractions, and nothing of stockctl imported.

Quotes are plain dicts, one per delivered record, numbers as the text that stands in the file::

    {"symbol": "MSFT", "timestamp": "2008-10-07T20:00:00.000Z", "price": "23.23", "previous_close": "24.91",
     "open": None, "high": None, "low": None, "volume": 109983600, "source": "replay", "observed_at": None}
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any

Plain = Mapping[str, Any]
Row = dict[str, Any]

NUMBERS = (
    "price", "previous_close", "open", "high", "low", "change", "change_percent", "sma_short", "sma_long",
)  # fmt: skip
ALERT_NUMBERS = ("price", "change_percent", "sma_short", "sma_long")


class Book:
    """What is stored and alerted after some deliveries, kept the slow and obvious way.

    ``rows`` maps (symbol, timestamp) to a stored quote, ``alerts`` maps an alert id to an alert; numbers
    are fractions. ``carried`` says what a quote knows of earlier anomalies: what the quote just before
    it in time knew, itself included.
    """

    def __init__(self, short: int = 5, long: int = 20, threshold: str = "5") -> None:
        self.short = short
        self.long = long
        self.threshold = threshold
        self._limit = Fraction(threshold)
        self.rows: dict[tuple[str, str], Row] = {}
        self.alerts: dict[str, Row] = {}
        self._times: dict[str, list[str]] = {}
        self._millionths: dict[str, list[int]] = {}

    def deliver(self, batch: Sequence[Plain]) -> int:
        """Take one batch and return how many of its quotes were new."""
        first: dict[tuple[str, str], Plain] = {}
        for quote in batch:
            key = quote["symbol"], quote["timestamp"]
            if key not in self.rows:
                first.setdefault(key, quote)
        fresh = sorted(first.values(), key=lambda quote: (quote["timestamp"], quote["symbol"]))
        for quote in fresh:
            self._store(quote)
        for quote in fresh:
            self._raise_alerts(self.rows[quote["symbol"], quote["timestamp"]])
        return len(fresh)

    def stored(self) -> list[Row]:
        """Return the stored quotes by symbol and time."""
        return [self.rows[key] for key in sorted(self.rows)]

    def _store(self, quote: Plain) -> None:
        symbol, timestamp = quote["symbol"], quote["timestamp"]
        times, prices = self._times.setdefault(symbol, []), self._millionths.setdefault(symbol, [])
        place = bisect_left(times, timestamp)
        last = self.rows[symbol, times[place - 1]] if place else {}
        times.insert(place, timestamp)
        prices.insert(place, int(price(quote["price"]) * 10**6))
        window = prices[max(0, place + 1 - self.long) : place + 1]
        self.rows[symbol, timestamp] = self._figures(quote, last, window)

    def _figures(self, quote: Plain, last: Row, window: Sequence[int]) -> Row:
        row: Row = {
            "symbol": quote["symbol"],
            "timestamp": quote["timestamp"],
            **{name: price(quote.get(name)) for name in ("price", "previous_close", "open", "high", "low")},
            **{name: quote.get(name) for name in ("volume", "source", "observed_at")},
        }
        short, long = mean(window, self.short), mean(window, self.long)
        trend = last.get("trend")
        if short is not None and long is not None and short != long:
            trend = "up" if short > long else "down"
        row |= {
            "sma_short": rounded(short),
            "sma_long": rounded(long),
            "trend": trend,
            "previous_trend": last.get("trend"),
        }
        return row | self._anomaly(row, last)

    def _anomaly(self, row: Row, last: Row) -> Row:
        carried = {name: last.get(name) for name in ("anomaly_up_date", "anomaly_down_date")}
        nothing = {"change": None, "change_percent": None, "anomaly": False, "anomaly_alert": False}
        close = row["previous_close"]
        if close is None:
            return nothing | carried
        change = row["price"] - close
        percent = change * 100 / close
        anomaly = abs(percent) > self._limit
        name, day = f"anomaly_{'up' if change > 0 else 'down'}_date", new_york_date(row["timestamp"])
        first = anomaly and carried[name] != day
        if anomaly:
            carried[name] = day
        figures = {"change": rounded(change), "change_percent": rounded(percent)}
        return figures | {"anomaly": anomaly, "anomaly_alert": first} | carried

    def _raise_alerts(self, row: Row) -> None:
        before, after = row["previous_trend"], row["trend"]
        if before and after and before != after:
            kind, signal, side = (
                ("trend_up", "buy", "above") if after == "up" else ("trend_down", "sell", "below")
            )
            text = (
                f"SMA-{self.short} {readable(row['sma_short'])} crossed {side} "
                f"SMA-{self.long} {readable(row['sma_long'])} ({signal} signal)"
            )
            self._log(row, f"{row['symbol']}|{row['timestamp']}|{kind}", kind, signal, text)
        if row["anomaly_alert"]:
            side = "up" if row["change"] > 0 else "down"
            day = new_york_date(row["timestamp"])
            close = readable(row["previous_close"])
            text = f"moved more than {self.threshold} % from the previous close {close}"
            self._log(row, f"{row['symbol']}|anomaly|{side}|{day}", "anomaly", None, text)

    def _log(self, row: Row, alert_id: str, kind: str, signal: str | None, text: str) -> None:
        alert = {
            "alert_id": alert_id,
            "symbol": row["symbol"],
            "timestamp": row["timestamp"],
            "kind": kind,
            "signal": signal,
            **{name: row[name] for name in ALERT_NUMBERS},
            "message": f"{row['symbol']} {readable(row['price'])}{_move(row)}: {text}",
        }
        self.alerts.setdefault(alert_id, alert)


def book_of(quotes: Sequence[Plain], **rules: Any) -> Book:
    """Return the book after one delivery of ``quotes``."""
    book = Book(**rules)
    book.deliver(quotes)
    return book


@cache
def price(text: str | None) -> Fraction | None:
    """Return a number rounded half-even to 6 decimals."""
    return None if text is None else round(Fraction(text), 6)


def mean(millionths: Sequence[int], count: int) -> Fraction | None:
    """Return the plain mean of the last ``count`` prices, or None when there are fewer."""
    if len(millionths) < count:
        return None
    return Fraction(sum(millionths[-count:]), count * 10**6)


def rounded(value: Fraction | None) -> Fraction | None:
    """Return ``value`` rounded half-even to 8 decimals."""
    return None if value is None else round(value, 8)


def readable(value: Fraction) -> str:
    """Return a price as people write it: two decimals, below 1 four significant digits."""
    places = 2
    if 0 < abs(value) < 1:
        places = 4
        while abs(value) * 10 ** (places - 3) < 1:
            places += 1
    return positional(value, places)


def positional(value: Fraction, places: int) -> str:
    """Return ``value`` with exactly ``places`` decimals, rounded half-even."""
    digits = str(abs(round(value * 10**places))).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _move(row: Row) -> str:
    if row["change"] is None:
        return ""
    if row["change"] == 0:
        return ", unchanged on the day"
    side = "up" if row["change"] > 0 else "down"
    return f", {side} {positional(abs(row['change_percent']), 1)} % on the day"


@cache
def new_york_date(timestamp: str) -> str:
    """Return the New York date of a UTC time since 1987, by the rules that Congress set."""
    moment = datetime.fromisoformat(timestamp.removesuffix("Z"))
    return (moment - timedelta(hours=_hours_behind(moment))).strftime("%Y-%m-%d")


def utc_of_new_york(local: datetime) -> str:
    """Return the UTC time of a naive New York time since 1987 that is not in the doubled hour of autumn."""
    for hours in (4, 5):
        moment = local + timedelta(hours=hours)
        if _hours_behind(moment) == hours:
            return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    raise ValueError(f"no such time in New York: {local}")


def _hours_behind(moment: datetime) -> int:
    year = moment.year
    if year < 1987:
        raise ValueError("the rules before 1987 are not written here")
    if year >= 2007:
        spring, autumn = _sunday(year, 3, 8), _sunday(year, 11, 1)
    else:
        spring, autumn = _sunday(year, 4, 1), _sunday(year, 10, 25)
    # The clocks move at 2:00 local time: 7:00 UTC in spring, 6:00 UTC in autumn.
    return 4 if spring + timedelta(hours=7) <= moment < autumn + timedelta(hours=6) else 5


def _sunday(year: int, month: int, day: int) -> datetime:
    first = datetime.fromisoformat(f"{year}-{month:02}-{day:02}")
    return first + timedelta(days=6 - first.weekday())


def with_previous_close(quotes: Iterable[Plain]) -> list[Row]:
    """Return ``quotes``, which are in time order, with the last price of the session before.

    That is the last price of the symbol's latest earlier New York date.
    """
    today: dict[str, tuple[str, str]] = {}
    closes: dict[str, str] = {}
    derived = []
    for quote in quotes:
        symbol, day = quote["symbol"], new_york_date(quote["timestamp"])
        if symbol in today and today[symbol][0] != day:
            closes[symbol] = today[symbol][1]
        today[symbol] = day, quote["price"]
        derived.append({**quote, "previous_close": closes.get(symbol)})
    return derived
