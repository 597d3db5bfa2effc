"""The figures of one symbol, quote by quote: change, trend, crossing, anomaly, and what is carried on."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.enrichment import Enricher
from stockctl.market.indicators import crossing, is_anomaly, next_trend
from stockctl.market.numbers import exact_arithmetic
from stockctl.market.quote import EnrichedQuote, PriorQuote, decode_record
from stockctl.market.rules import AnalysisRules
from support.malformed_records import good_record
from support.quote_strategies import examples, plain_quotes
from support.real_data import wire
from support.reference_figures import NUMBERS, book_of


def walk(quotes: list[dict[str, Any]], rules: AnalysisRules) -> list[EnrichedQuote]:
    """Return the quotes of one symbol with their figures."""
    steps = Enricher(rules)
    read = [decode_record(wire(quote)).quote for quote in quotes]
    with exact_arithmetic():
        return [steps.add(quote) for quote in read]


def as_row(quote: EnrichedQuote) -> dict[str, Any]:
    """Return a stored quote as the reference has it."""
    row = quote._asdict()
    return row | {name: None if row[name] is None else Fraction(row[name]) for name in NUMBERS}


def priced(*prices: str, close: str | None = None, day: str = "2019-02-11") -> list[dict[str, Any]]:
    """Return quotes a minute apart."""
    return [
        {
            "symbol": "A",
            "timestamp": f"{day}T15:{minute:02}:00.000Z",
            "price": price,
            "previous_close": close,
            "source": "replay",
        }
        for minute, price in enumerate(prices)
    ]


@given(
    plain_quotes(), st.integers(1, 3), st.integers(1, 4), st.sampled_from(["5", "0.5", "2.25", "4.999999"])
)
@examples(100)
def test_figures_equal_the_reference(quotes: list[dict[str, Any]], short: int, more: int, threshold: str):
    """Any prices, windows and threshold bring the figures of the independent computation."""
    rules = AnalysisRules(short, short + more, Decimal(threshold))
    book = book_of(quotes, short=short, long=short + more, threshold=threshold)
    rows = []
    for symbol in sorted({quote["symbol"] for quote in quotes}):
        rows += map(as_row, walk([quote for quote in quotes if quote["symbol"] == symbol], rules))
    assert rows == book.stored()


@given(plain_quotes(), st.data())
@examples(60)
def test_following_stored_quotes_equals_having_computed_them(
    quotes: list[dict[str, Any]], data: st.DataObject
):
    """A walk that passes stored quotes goes on exactly like the walk that computed them."""
    quotes = [quote | {"symbol": "A"} for quote in quotes]
    rules = AnalysisRules(2, 4)
    whole = walk(quotes, rules)
    cut = data.draw(st.integers(0, len(whole) - 1))
    steps = Enricher(rules)
    rest = [decode_record(wire(quote)).quote for quote in quotes[cut:]]
    with exact_arithmetic():
        steps.seed(
            [
                PriorQuote(*(getattr(stored, name) for name in PriorQuote._fields))
                for stored in whole[max(0, cut - rules.long + 1) : cut]
            ]
        )
        assert [steps.add(quote) for quote in rest] == whole[cut:]


def test_means_and_trend_appear_with_the_quote_that_completes_them():
    """With windows 2 and 3 the short mean is there from the second quote, the rest from the third."""
    first, second, third = walk(priced("1", "2", "3"), AnalysisRules(2, 3))
    assert (first.sma_short, first.sma_long, first.trend) == (None, None, None)
    assert (second.sma_short, second.sma_long, second.trend) == (Decimal("1.5"), None, None)
    assert (third.sma_short, third.sma_long, third.trend) == (Decimal("2.5"), Decimal(2), "up")


def test_the_first_trend_is_no_crossing():
    """When a trend exists for the first time there is none before it, so nothing was crossed."""
    quotes = walk(priced("1", "2", "3"), AnalysisRules(2, 3))
    assert [crossing(quote.previous_trend, quote.trend) for quote in quotes] == [None, None, None]


def test_equal_means_leave_the_trend_as_it_was():
    """Means that meet without crossing change nothing; the turn comes when they part on the other side."""
    quotes = walk(priced("1", "2", "2", "2", "2", "1", "1", "1"), AnalysisRules(1, 2))
    assert [quote.trend for quote in quotes] == [None, "up", "up", "up", "up", "down", "down", "down"]
    turns = [crossing(quote.previous_trend, quote.trend) for quote in quotes]
    assert turns == [None] * 5 + ["trend_down"] + [None] * 2


def test_means_equal_from_the_start_make_no_trend():
    """As long as the means never differed there is no trend, and the first one is no crossing."""
    quotes = walk(priced("2", "2", "2", "2", "1"), AnalysisRules(1, 2))
    assert [quote.trend for quote in quotes] == [None, None, None, None, "down"]
    assert crossing(quotes[-1].previous_trend, quotes[-1].trend) is None


def test_touching_and_parting_on_the_same_side_is_no_crossing():
    """From above to equal and above again, the trend never turned."""
    quotes = walk(priced("1", "2", "2", "3"), AnalysisRules(1, 2))
    assert [crossing(quote.previous_trend, quote.trend) for quote in quotes] == [None] * 4


@pytest.mark.parametrize(
    ("sign", "before", "after"),
    [
        (None, None, None), (1, None, "up"), (-1, None, "down"), (0, None, None), (0, "up", "up"),
        (0, "down", "down"), (1, "down", "up"), (-1, "up", "down"), (1, "up", "up"), (-1, "down", "down"),
    ],
)  # fmt: skip
def test_trend_after_a_spread(sign: int | None, before: Any, after: Any):
    """The trend is the sign of the spread; zero keeps what was."""
    assert next_trend(sign, before) == after


@pytest.mark.parametrize(
    ("price", "anomaly"),
    [
        ("105", False), ("105.000001", True), ("104.999999", False), ("95", False), ("94.999999", True),
        ("95.000001", False), ("100", False), ("0.000001", True), ("200", True),
    ],
)  # fmt: skip
def test_an_anomaly_is_beyond_the_threshold_and_not_on_it(price: str, anomaly: bool):
    """Exactly five percent is no anomaly; one millionth more is, upwards and downwards."""
    (quote,) = walk(priced(price, close="100"), AnalysisRules())
    assert quote.anomaly is quote.anomaly_alert is anomaly


def test_the_threshold_is_compared_with_the_exact_move():
    """A move whose stored percentage reads five is an anomaly when the exact one is larger."""
    close, price = "999999999.999999", "1050000000"
    (quote,) = walk(priced(price, close=close), AnalysisRules())
    assert Fraction(quote.change_percent) == 5
    assert quote.anomaly is (Fraction(price) * 100 > 105 * Fraction(close)) is True


def test_without_a_previous_close_there_is_no_change_and_no_anomaly():
    """An unknown previous close leaves change and percentage unknown."""
    (quote,) = walk(priced("100"), AnalysisRules())
    assert (quote.change, quote.change_percent, quote.anomaly) == (None, None, False)
    assert not is_anomaly(Decimal(99), None, Decimal(5))


def test_change_and_percentage_are_rounded_half_even():
    """One third of a percent is stored with eight decimals."""
    (quote,) = walk(priced("301", close="300"), AnalysisRules())
    assert (quote.change, quote.change_percent) == (Decimal(1), Decimal("0.33333333"))


def test_every_anomaly_is_flagged_and_the_first_of_its_direction_and_day_alerts():
    """Up and down count apart; a direction alerts again the next New York day."""
    day = priced("106", "107", "94", "100", "106", "93", close="100")
    night = [{**quote, "timestamp": quote["timestamp"].replace("T15", "T23")} for quote in day]
    evening = [{**quote, "timestamp": quote["timestamp"].replace("11T15", "12T04")} for quote in day]
    tomorrow = [{**quote, "timestamp": quote["timestamp"].replace("11T15", "12T05")} for quote in day]
    quotes = walk([*day, *night, *evening, *tomorrow], AnalysisRules())
    flagged = [True, True, True, False, True, True]
    assert [quote.anomaly for quote in quotes] == flagged * 4
    first, never = [True, False, True, False, False, False], [False] * 6
    assert [quote.anomaly_alert for quote in quotes] == first + never + never + first


def test_the_longest_day_of_the_year_is_one_day():
    """On the day of 25 hours in New York, its first and its last hour raise one alert."""
    times = ["2019-11-03T04:00:00.000Z", "2019-11-03T05:59:00.000Z", "2019-11-03T06:01:00.000Z",
             "2019-11-04T04:59:59.999Z", "2019-11-04T05:00:00.000Z"]  # fmt: skip
    quotes = [
        {**quote, "timestamp": time}
        for quote, time in zip(priced(*["106"] * 5, close="100"), times, strict=True)
    ]
    assert [quote.anomaly_alert for quote in walk(quotes, AnalysisRules())] == [
        True,
        False,
        False,
        False,
        True,
    ]


def test_carried_dates_name_the_latest_anomaly_of_each_direction():
    """Every stored quote says when its symbol last jumped up and down, itself included."""
    quotes = walk(priced("106", "100", "94", "100", close="100"), AnalysisRules())
    up = [quote.anomaly_up_date for quote in quotes]
    down = [quote.anomaly_down_date for quote in quotes]
    assert up == ["2019-02-11"] * 4
    assert down == [None, None, "2019-02-11", "2019-02-11"]


@pytest.mark.parametrize("price", ["999999999999999.999999", "0.000001"])
def test_extreme_prices_stay_exact(price: str):
    """The largest and the smallest price there can be are computed like any other, with long windows too."""
    other = "0.000001" if price != "0.000001" else "999999999999999.999999"
    quotes = priced(*[price, other] * 25, close=other)
    rows = [as_row(quote) for quote in walk(quotes, AnalysisRules(7, 30))]
    assert rows == book_of(quotes, short=7, long=30).stored()


def test_a_record_reaches_the_figures_unchanged():
    """What is read from a record are the first ten fields of what is stored."""
    quote = decode_record(good_record()).quote
    with exact_arithmetic():
        stored = Enricher(AnalysisRules()).add(quote)
    assert stored[:10] == quote
