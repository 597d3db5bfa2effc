"""Moving averages: against TA-Lib on real prices, and against exact fractions on any."""

from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.indicators import MovingAverages
from stockctl.market.numbers import exact_arithmetic
from support import real_data
from support.quote_strategies import examples

_PRICES = st.lists(st.decimals("0.000001", "1e15", places=6), max_size=50)


@pytest.fixture(scope="module")
def closes() -> dict[str, list[str]]:
    """The daily closes of each symbol as they stand in the file."""
    found: dict[str, list[str]] = {}
    for quote in real_data.daily():
        found.setdefault(quote["symbol"], []).append(quote["price"])
    return found


def means(prices: list[Decimal], short: int, long: int) -> list[tuple[Decimal | None, Decimal | None]]:
    """Return both means after each price."""
    averages = MovingAverages(short, long)
    found = []
    with exact_arithmetic():
        for price in prices:
            averages.push(price)
            found.append((averages.short, averages.long))
    return found


@pytest.mark.parametrize(("short", "long"), [(5, 20), (1, 2), (12, 26), (50, 200)])
@pytest.mark.parametrize("symbol", ["AAPL", "FB", "GOOG", "IBM", "MSFT"])
def test_means_agree_with_ta_lib_on_real_prices(
    closes: dict[str, list[str]], symbol: str, short: int, long: int
):
    """On thirteen years of daily closes both means are those of TA-Lib, as far as its floats reach."""
    texts = closes[symbol]
    ours = means([Decimal(text) for text in texts], short, long)
    floats = numpy.array(texts, dtype=float)
    for place, window in enumerate((short, long)):
        mine = numpy.array([numpy.nan if pair[place] is None else float(pair[place]) for pair in ours])
        theirs = floats if window == 1 else talib.SMA(floats, timeperiod=window)
        numpy.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-8, equal_nan=True)


@given(_PRICES, st.integers(1, 6), st.integers(1, 20))
@examples(150)
def test_means_are_exact(prices: list[Decimal], short: int, more: int):
    """For any prices and windows the means are the exact ones rounded once, and absent before."""
    long = short + more
    for count, (short_mean, long_mean) in enumerate(means(prices, short, long), 1):
        for value, window in ((short_mean, short), (long_mean, long)):
            if count < window:
                assert value is None
            else:
                total = sum(map(Fraction, prices[count - window : count]))
                assert Fraction(value) == round(total / window, 8)


@given(_PRICES, st.integers(1, 6), st.integers(1, 20))
@examples(150)
def test_sign_of_the_spread_is_exact(prices: list[Decimal], short: int, more: int):
    """The sign of short minus long comes from the exact means, even where the rounded ones are equal."""
    long = short + more
    averages = MovingAverages(short, long)
    with exact_arithmetic():
        for count, price in enumerate(prices, 1):
            averages.push(price)
            if count < long:
                assert averages.spread_sign is None
                continue
            window = [Fraction(value) for value in prices[count - long : count]]
            spread = sum(window[-short:]) / short - sum(window) / long
            assert averages.spread_sign == (spread > 0) - (spread < 0)


def test_a_spread_below_the_last_stored_digit_counts():
    """Means that differ only behind the eighth decimal are equal when stored, and different when decided."""
    averages = MovingAverages(299, 300)
    with exact_arithmetic():
        for price in [Decimal("1.000001")] + [Decimal(1)] * 299:
            averages.push(price)
        assert averages.short == averages.long == Decimal(1)
        assert averages.spread_sign == -1
