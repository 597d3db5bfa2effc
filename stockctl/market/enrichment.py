"""Adds indicators to the quotes of one symbol, one after another."""

from collections.abc import Sequence
from decimal import Decimal

from stockctl.market.indicators import MovingAverages, Trend, is_anomaly, next_trend
from stockctl.market.numbers import rounded_quotient
from stockctl.market.quote import EnrichedQuote, PriorQuote, Quote
from stockctl.market.rules import AnalysisRules
from stockctl.market.timestamp import new_york_date


class Enricher:
    """Computes the indicators of one symbol's quotes, added in order of time.

    ``seed`` adds stored quotes, together with the trend and the anomaly dates that were stored with them.
    ``add`` computes the indicators of a new quote from all quotes added before. Use the class within
    ``exact_arithmetic()``.
    """

    def __init__(self, rules: AnalysisRules) -> None:
        self._rules = rules
        self._averages = MovingAverages(rules.short, rules.long)
        self._trend: Trend | None = None
        self._up_date: str | None = None
        self._down_date: str | None = None

    def seed(self, prior_quotes: Sequence[PriorQuote]) -> None:
        """Add stored quotes, oldest first."""
        if not prior_quotes:
            return
        self._averages.extend([prior.price for prior in prior_quotes])
        last = prior_quotes[-1]
        self._trend = last.trend
        self._up_date = last.anomaly_up_date
        self._down_date = last.anomaly_down_date

    def add(self, quote: Quote) -> EnrichedQuote:
        """Add a new quote and return it with its indicators."""
        averages = self._averages
        averages.push(quote.price)
        previous_trend = self._trend
        self._trend = next_trend(averages.spread_sign, previous_trend)
        change, percent = _change(quote)
        anomaly = is_anomaly(change, quote.previous_close, self._rules.threshold_percent)
        first = anomaly and self._record_anomaly(quote, upwards=change is not None and change > 0)
        return EnrichedQuote(
            *quote,
            change,
            percent,
            averages.short,
            averages.long,
            self._trend,
            previous_trend,
            anomaly,
            first,
            self._up_date,
            self._down_date,
        )

    def _record_anomaly(self, quote: Quote, *, upwards: bool) -> bool:
        """Store the date of an anomaly; return whether it is the first in its direction on that date."""
        day = new_york_date(quote.timestamp)
        if upwards:
            first, self._up_date = self._up_date != day, day
        else:
            first, self._down_date = self._down_date != day, day
        return first


def _change(quote: Quote) -> tuple[Decimal | None, Decimal | None]:
    if quote.previous_close is None:
        return None, None
    change = quote.price - quote.previous_close
    return change, rounded_quotient(change * 100, quote.previous_close)
