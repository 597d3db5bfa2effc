"""What a user may set of the analysis."""

from decimal import Decimal
from typing import NamedTuple


class Rules(NamedTuple):
    """Windows in quotes, with ``1 <= short < long``; threshold in percent of the previous close, above 0."""

    short: int = 5
    long: int = 20
    threshold_percent: Decimal = Decimal(5)
