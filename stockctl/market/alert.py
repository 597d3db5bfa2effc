"""Alerts: what a person is told when a trend turns or a price jumps."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal, NamedTuple, get_args

from stockctl.market.indicators import Crossing, crossing
from stockctl.market.numbers import plain
from stockctl.market.policy import Rules
from stockctl.market.quote import StoredQuote
from stockctl.market.timestamp import new_york_date

Kind = Literal["trend_up", "trend_down", "anomaly"]
Signal = Literal["buy", "sell"]

KINDS: tuple[Kind, ...] = get_args(Kind)


class Alert(NamedTuple):
    """One line of the alert log."""

    alert_id: str
    """The same for the same event however often it is met, so that nothing raises a second alert."""
    symbol: str
    timestamp: str
    """Of the quote."""
    kind: Kind
    signal: Signal | None
    price: Decimal
    change_percent: Decimal | None
    sma_short: Decimal | None
    sma_long: Decimal | None
    message: str
    created_at: str
    published_at: str | None
    not_published: str | None
    """Why nobody was notified, or None."""

    @property
    def is_test(self) -> bool:
        """Whether no quote stands behind it: a crossing's signal is never absent."""
        return self.kind != "anomaly" and self.signal is None


def alerts_of(quote: StoredQuote, rules: Rules, created_at: str) -> list[Alert]:
    """Return the alerts that ``quote`` raises: none, a crossing, an anomaly, or both in that order."""
    alerts = []
    turn = crossing(quote.previous_trend, quote.trend)
    if turn is not None:
        alerts.append(
            _alert(quote, _crossing_id(quote, turn), turn, _crossing_text(quote, turn, rules), created_at)
        )
    if quote.anomaly_alert:
        alerts.append(_alert(quote, _anomaly_id(quote), "anomaly", _anomaly_text(quote, rules), created_at))
    return alerts


def sample_alert(created_at: str) -> Alert:
    """Return an alert that is marked as a test, to show that alerts arrive."""
    return Alert(
        f"TEST|{created_at}|trend_up", "TEST", created_at, "trend_up", None, Decimal(1), None, None, None,
        "Test alert from stockctl: no quote stands behind it", created_at, None, None,
    )  # fmt: skip


def _alert(quote: StoredQuote, alert_id: str, kind: Kind, text: str, created_at: str) -> Alert:
    signal: Signal | None = {"trend_up": "buy", "trend_down": "sell"}.get(kind)  # type: ignore[assignment]
    return Alert(
        alert_id,
        quote.symbol,
        quote.timestamp,
        kind,
        signal,
        quote.price,
        quote.change_percent,
        quote.sma_short,
        quote.sma_long,
        f"{quote.symbol} {readable_price(quote.price)}{_day_move(quote)}: {text}",
        created_at,
        None,
        None,
    )


def _crossing_id(quote: StoredQuote, turn: Crossing) -> str:
    return f"{quote.symbol}|{quote.timestamp}|{turn}"


def _anomaly_id(quote: StoredQuote) -> str:
    return f"{quote.symbol}|anomaly|{_direction(quote)}|{new_york_date(quote.timestamp)}"


def _crossing_text(quote: StoredQuote, turn: Crossing, rules: Rules) -> str:
    side, signal = ("above", "buy") if turn == "trend_up" else ("below", "sell")
    return (
        f"SMA-{rules.short} {_readable(quote.sma_short)} crossed {side} "
        f"SMA-{rules.long} {_readable(quote.sma_long)} ({signal} signal)"
    )


def _anomaly_text(quote: StoredQuote, rules: Rules) -> str:
    return (
        f"moved more than {plain(rules.threshold_percent)} % from the previous close "
        f"{_readable(quote.previous_close)}"
    )


def _day_move(quote: StoredQuote) -> str:
    if quote.change is None or quote.change_percent is None:
        return ""
    if quote.change == 0:
        return ", unchanged on the day"
    return f", {_direction(quote)} {_rounded(abs(quote.change_percent), 1)} % on the day"


def _direction(quote: StoredQuote) -> Literal["up", "down"]:
    return "up" if quote.change is not None and quote.change > 0 else "down"


def _readable(price: Decimal | None) -> str:
    return "" if price is None else readable_price(price)


def readable_price(price: Decimal) -> str:
    """Return ``price`` as people write it: two decimals, or four significant digits below 1."""
    places = 2 if abs(price) >= 1 or price == 0 else 3 - price.adjusted()
    return str(_rounded(price, places))


def _rounded(number: Decimal, places: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
