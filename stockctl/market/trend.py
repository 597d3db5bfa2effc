"""The direction of a symbol, and the moments when it turns."""

from typing import Literal, get_args

Trend = Literal["up", "down"]
Crossing = Literal["trend_up", "trend_down"]
CROSSINGS: tuple[Crossing, ...] = get_args(Crossing)


def next_trend(spread_sign: int | None, previous: Trend | None) -> Trend | None:
    """Return the trend after a quote: the sign of short mean minus long mean; equal means change nothing."""
    if spread_sign is None:
        return None
    if spread_sign == 0:
        return previous
    return "up" if spread_sign > 0 else "down"


def crossing(previous: Trend | None, trend: Trend | None) -> Crossing | None:
    """Return the crossing between two consecutive trends; the first trend of a symbol is none."""
    if previous is None or trend is None or previous == trend:
        return None
    return "trend_up" if trend == "up" else "trend_down"
