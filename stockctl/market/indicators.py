"""Moving averages, trends, crossings and anomalies."""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import Literal, get_args

from stockctl.market.numbers import rounded_quotient


class MovingAverages:
    """Simple moving averages over the last ``short`` and ``long`` prices, computed from running sums.

    SMA-n of a price series is (p[t] + p[t-1] + ... + p[t-n+1]) / n. Sums of decimals are exact, so
    running sums accumulate no error. Use it within ``exact_arithmetic()``.
    """

    def __init__(self, short: int, long: int) -> None:
        self._short = short
        self._long = long
        self._prices: deque[Decimal] = deque(maxlen=long)
        self._short_sum = Decimal(0)
        self._long_sum = Decimal(0)

    def extend(self, prices: Iterable[Decimal]) -> None:
        """Add ``prices``, oldest first."""
        held = self._prices
        held.extend(prices)
        self._short_sum = sum(islice(held, max(0, len(held) - self._short), None), Decimal(0))
        self._long_sum = sum(held, Decimal(0))

    def push(self, price: Decimal) -> None:
        """Add the next price."""
        prices = self._prices
        count = len(prices)
        if count >= self._short:
            self._short_sum -= prices[count - self._short]
        if count == self._long:
            self._long_sum -= prices[0]
        prices.append(price)
        self._short_sum += price
        self._long_sum += price

    @property
    def short(self) -> Decimal | None:
        """The short average rounded to 8 decimals, or None until there are enough prices."""
        if len(self._prices) < self._short:
            return None
        return rounded_quotient(self._short_sum, Decimal(self._short))

    @property
    def long(self) -> Decimal | None:
        """The long average rounded to 8 decimals, or None until there are enough prices."""
        if len(self._prices) < self._long:
            return None
        return rounded_quotient(self._long_sum, Decimal(self._long))

    @property
    def spread_sign(self) -> int | None:
        """The sign (-1, 0, 1) of short minus long, from the exact averages, or None until both exist."""
        if len(self._prices) < self._long:
            return None
        # Cross-multiplied, so that nothing is rounded.
        left, right = self._short_sum * self._long, self._long_sum * self._short
        return (left > right) - (left < right)


Trend = Literal["up", "down"]
Crossing = Literal["trend_up", "trend_down"]
CROSSINGS: tuple[Crossing, ...] = get_args(Crossing)


def next_trend(spread_sign: int | None, previous: Trend | None) -> Trend | None:
    """Return the trend after a quote: the sign of short minus long average; equal averages keep it."""
    if spread_sign is None:
        return None
    if spread_sign == 0:
        return previous
    return "up" if spread_sign > 0 else "down"


def crossing(previous: Trend | None, trend: Trend | None) -> Crossing | None:
    """Return the crossing between two consecutive trends; a symbol's first trend is not a crossing."""
    if previous is None or trend is None or previous == trend:
        return None
    return "trend_up" if trend == "up" else "trend_down"


def is_anomaly(change: Decimal | None, previous_close: Decimal | None, threshold_percent: Decimal) -> bool:
    """Return whether ``|change| * 100 > threshold_percent * previous_close``; False without a previous close.

    Call it within ``exact_arithmetic()``.
    """
    if change is None or previous_close is None:
        return False
    return abs(change) * 100 > threshold_percent * previous_close
