"""Alerts: which a quote raises, under which id, and what a person reads."""

from decimal import Decimal
from typing import Any

import pytest

from stockctl.market.alert import Alert, alerts_for, format_price, sample_alert
from stockctl.market.quote import EnrichedQuote, decode_record
from stockctl.market.rules import AnalysisRules
from support.malformed_records import good_record

CREATED = "2026-01-05T15:00:00.000Z"


def stored(**figures: Any) -> EnrichedQuote:
    """Return a stored quote with nothing to tell except ``figures``."""
    quote = decode_record(good_record(symbol='"MSFT"', timestamp='"2008-10-07T20:00:00.000Z"')).quote
    plain = EnrichedQuote(*quote, None, None, None, None, None, None, False, False, None, None)
    return plain._replace(**{name: _decimal(value) for name, value in figures.items()})


def _decimal(value: Any) -> Any:
    return (
        Decimal(value) if isinstance(value, str) and value[-1].isdigit() and value.count("-") < 2 else value
    )


SOLD = {
    "price": "23.23", "previous_close": "24.91", "change": "-1.68", "change_percent": "-6.74427941",
    "sma_short": "25.442", "sma_long": "25.9255", "trend": "down", "previous_trend": "up",
}  # fmt: skip


def test_a_crossing_reads_like_this():
    """The message of Microsoft's turn on 7 October 2008, word for word, with every field of its alert."""
    assert alerts_for(stored(**SOLD), AnalysisRules(), CREATED) == [
        Alert(
            "MSFT|2008-10-07T20:00:00.000Z|trend_down",
            "MSFT",
            "2008-10-07T20:00:00.000Z",
            "trend_down",
            "sell",
            Decimal("23.23"),
            Decimal("-6.74427941"),
            Decimal("25.442"),
            Decimal("25.9255"),
            "MSFT 23.23, down 6.7 % on the day: SMA-5 25.44 crossed below SMA-20 25.93 (sell signal)",
            CREATED,
            None,
            None,
        )
    ]


def test_a_crossing_upwards_is_a_buy_signal():
    """Upwards the message says above and buy; windows are those of the rules."""
    quote = stored(
        **SOLD | {"trend": "up", "previous_trend": "down", "change": "0.5", "change_percent": "2.25"}
    )
    (alert,) = alerts_for(quote, AnalysisRules(12, 26), CREATED)
    assert (
        alert.message
        == "MSFT 23.23, up 2.2 % on the day: SMA-12 25.44 crossed above SMA-26 25.93 (buy signal)"
    )
    assert (alert.kind, alert.signal) == ("trend_up", "buy")
    assert alert.alert_id == "MSFT|2008-10-07T20:00:00.000Z|trend_up"


def test_an_anomaly_reads_like_this():
    """An anomaly has no signal, and an id by symbol, direction and New York day."""
    quote = stored(**SOLD | {"previous_trend": "down", "anomaly": True, "anomaly_alert": True})
    (alert,) = alerts_for(quote, AnalysisRules(threshold_percent=Decimal("5.50")), CREATED)
    assert alert.message == (
        "MSFT 23.23, down 6.7 % on the day: moved more than 5.5 % from the previous close 24.91"
    )
    assert (alert.alert_id, alert.kind, alert.signal) == ("MSFT|anomaly|down|2008-10-07", "anomaly", None)


def test_the_id_of_an_anomaly_has_the_day_of_new_york():
    """After midnight UTC the day in New York is still the one before."""
    quote = stored(**SOLD | {"change": "1", "trend": None, "anomaly": True, "anomaly_alert": True})
    (alert,) = alerts_for(quote._replace(timestamp="2008-10-08T03:59:00.000Z"), AnalysisRules(), CREATED)
    assert alert.alert_id == "MSFT|anomaly|up|2008-10-07"


def test_a_quote_may_raise_both_and_the_crossing_comes_first():
    """A crossing and an anomaly of one quote are two alerts in that order."""
    quote = stored(**SOLD | {"anomaly": True, "anomaly_alert": True})
    assert [alert.kind for alert in alerts_for(quote, AnalysisRules(), CREATED)] == ["trend_down", "anomaly"]


def test_a_later_anomaly_of_the_day_raises_nothing():
    """The flag alone is no alert."""
    assert (
        alerts_for(stored(**SOLD | {"previous_trend": "down", "anomaly": True}), AnalysisRules(), CREATED)
        == []
    )


@pytest.mark.parametrize(
    ("change", "percent", "words"),
    [
        (None, None, "MSFT 23.23: SMA-5"),
        ("0", "0", "MSFT 23.23, unchanged on the day: SMA-5"),
        ("0.000001", "0.00000412", "MSFT 23.23, up 0.0 % on the day: SMA-5"),
        ("-0.000001", "-0.00000412", "MSFT 23.23, down 0.0 % on the day: SMA-5"),
        ("1", "4.05", "MSFT 23.23, up 4.0 % on the day: SMA-5"),
        ("1", "4.15", "MSFT 23.23, up 4.2 % on the day: SMA-5"),
        ("23.229999", "2322999900", "MSFT 23.23, up 2322999900.0 % on the day: SMA-5"),
    ],
)
def test_the_move_of_the_day_in_words(change: str | None, percent: str | None, words: str):
    """The move is told with one decimal; when it is unknown nothing is said of it."""
    (alert,) = alerts_for(
        stored(**SOLD | {"change": change, "change_percent": percent}), AnalysisRules(), CREATED
    )
    assert alert.message.startswith(words)


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("23.23", "23.23"), ("1234567.5", "1234567.50"), ("1", "1.00"), ("1.005", "1.00"), ("1.015", "1.02"),
        ("0.5", "0.5000"), ("0.0123456", "0.01235"), ("0.000001", "0.000001000"),
        ("0.00001235", "0.00001235"), ("0", "0.00"), ("-12.345", "-12.34"), ("1E+3", "1000.00"),
        ("999999999999999.999999", "1000000000000000.00"),
    ],
)  # fmt: skip
def test_prices_for_people(price: str, text: str):
    """Prices have two decimals, small ones four significant digits, never an exponent."""
    assert format_price(Decimal(price)) == text


def test_the_test_alert_says_that_it_is_one():
    """It carries no signal that a person could act on."""
    alert = sample_alert(CREATED)
    assert alert.message.startswith("Test alert from stockctl")
    assert (alert.symbol, alert.signal, alert.alert_id) == ("TEST", None, f"TEST|{CREATED}|trend_up")
