"""Moves against the previous close that are larger than a threshold."""

from decimal import Decimal


def is_anomaly(change: Decimal | None, previous_close: Decimal | None, threshold_percent: Decimal) -> bool:
    """Tell whether ``|change| * 100 > threshold_percent * previous_close``; never without a previous close.

    Call it within ``decimals.exact()``.
    """
    if change is None or previous_close is None:
        return False
    return abs(change) * 100 > threshold_percent * previous_close
