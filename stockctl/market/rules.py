"""Parameters of the analysis, and what a source does while its market is closed."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class AnalysisRules(NamedTuple):
    """Windows in quotes, with ``1 <= short < long``; threshold in percent of the previous close, above 0."""

    short: int = 5
    long: int = 20
    threshold_percent: Decimal = Decimal(5)


class MarketClosedPolicy(StrEnum):
    """The values of ``--when-closed`` and of ``source.when_closed``."""

    WAIT = "wait"
    CONTINUE = "continue"
    EXIT = "exit"
