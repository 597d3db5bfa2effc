"""Indicators of one quote after another, symbol by symbol."""

from collections.abc import Sequence
from decimal import Decimal

from stockctl.market.indicators import MovingAverages, Trend, is_anomaly, next_trend
from stockctl.market.numbers import rounded_quotient
from stockctl.market.policy import AnalysisRules
from stockctl.market.quote import EnrichedQuote, PriorQuote, Quote
from stockctl.market.timestamp import new_york_date


class Enricher:
    """A walk along the quotes of one symbol in order of time, stored and new ones alike.

    ``follow`` passes quotes that are stored already, with the decisions taken when they were stored;
    ``enrich`` computes the figures of a new one from all that was passed before. Walk within
    ``exact_arithmetic()``.
    """

    def __init__(self, rules: AnalysisRules) -> None:
        self._rules = rules
        self._averages = MovingAverages(rules.short, rules.long)
        self._trend: Trend | None = None
        self._up_date: str | None = None
        self._down_date: str | None = None

    def follow(self, precedents: Sequence[PriorQuote]) -> None:
        """Pass stored quotes, oldest first."""
        if not precedents:
            return
        self._averages.extend([precedent.price for precedent in precedents])
        last = precedents[-1]
        self._trend = last.trend
        self._up_date = last.anomaly_up_date
        self._down_date = last.anomaly_down_date

    def enrich(self, quote: Quote) -> EnrichedQuote:
        """Pass a new quote and return it with its figures."""
        averages = self._averages
        averages.push(quote.price)
        previous_trend = self._trend
        self._trend = next_trend(averages.spread_sign, previous_trend)
        change, percent = _change(quote)
        anomaly = is_anomaly(change, quote.previous_close, self._rules.threshold_percent)
        first = anomaly and self._is_first_of_its_day(quote, upwards=change is not None and change > 0)
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

    def _is_first_of_its_day(self, quote: Quote, *, upwards: bool) -> bool:
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
