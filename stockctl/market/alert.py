"""Alerts: crossings of the moving averages, and anomalies."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal, NamedTuple, get_args

from stockctl.market.indicators import Crossing, crossing
from stockctl.market.numbers import format_decimal
from stockctl.market.quote import EnrichedQuote
from stockctl.market.rules import AnalysisRules
from stockctl.market.timestamp import new_york_date

Kind = Literal["trend_up", "trend_down", "anomaly"]
Signal = Literal["buy", "sell"]

KINDS: tuple[Kind, ...] = get_args(Kind)


class Alert(NamedTuple):
    """One line of the alert log."""

    alert_id: str
    """Identifies the event. An event that is detected again has the same id and raises no second alert."""
    symbol: str
    timestamp: str
    """Market time of the quote."""
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
        """Whether it is a test alert, without a quote. Only a test alert is a crossing without a signal."""
        return self.kind != "anomaly" and self.signal is None


def alerts_for(quote: EnrichedQuote, rules: AnalysisRules, created_at: str) -> list[Alert]:
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
    """Return a test alert, for checking that alerts arrive."""
    return Alert(
        f"TEST|{created_at}|trend_up", "TEST", created_at, "trend_up", None, Decimal(1), None, None, None,
        "Test alert from stockctl; it does not belong to a real quote", created_at, None, None,
    )  # fmt: skip


def _alert(quote: EnrichedQuote, alert_id: str, kind: Kind, text: str, created_at: str) -> Alert:
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
        f"{quote.symbol} {format_price(quote.price)}{_day_move(quote)}: {text}",
        created_at,
        None,
        None,
    )


def _crossing_id(quote: EnrichedQuote, turn: Crossing) -> str:
    return f"{quote.symbol}|{quote.timestamp}|{turn}"


def _anomaly_id(quote: EnrichedQuote) -> str:
    return f"{quote.symbol}|anomaly|{_direction(quote)}|{new_york_date(quote.timestamp)}"


def _crossing_text(quote: EnrichedQuote, turn: Crossing, rules: AnalysisRules) -> str:
    side, signal = ("above", "buy") if turn == "trend_up" else ("below", "sell")
    return (
        f"SMA-{rules.short} {_format_number(quote.sma_short)} crossed {side} "
        f"SMA-{rules.long} {_format_number(quote.sma_long)} ({signal} signal)"
    )


def _anomaly_text(quote: EnrichedQuote, rules: AnalysisRules) -> str:
    return (
        f"moved more than {format_decimal(rules.threshold_percent)} % from the previous close "
        f"{_format_number(quote.previous_close)}"
    )


def _day_move(quote: EnrichedQuote) -> str:
    if quote.change is None or quote.change_percent is None:
        return ""
    if quote.change == 0:
        return ", unchanged on the day"
    return f", {_direction(quote)} {_round_half_even(abs(quote.change_percent), 1)} % on the day"


def _direction(quote: EnrichedQuote) -> Literal["up", "down"]:
    return "up" if quote.change is not None and quote.change > 0 else "down"


def _format_number(price: Decimal | None) -> str:
    return "" if price is None else format_price(price)


def format_price(price: Decimal) -> str:
    """Return ``price`` with two decimals, or with four significant digits below 1."""
    places = 2 if abs(price) >= 1 or price == 0 else 3 - price.adjusted()
    return str(_round_half_even(price, places))


def _round_half_even(number: Decimal, places: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
