"""The trend stage: takes newly stored quotes, logs and publishes their alerts."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from stockctl.market.alert import Alert, alerts_for
from stockctl.market.quote import EnrichedQuote
from stockctl.market.rules import AnalysisRules
from stockctl.market.timestamp import format_duration, format_timestamp, to_datetime
from stockctl.pipeline.ports import AlertLog, Notifier

Clock = Callable[[], datetime]


class TrendStage:
    """Raise, log and publish the alerts of newly stored quotes.

    It reads nothing else: a stored quote carries what is needed. An alert is claimed in the log, published,
    then marked as published; if the process is killed in between, it is published again when the quotes
    are delivered again.

    Args:
        log: stores every alert once.
        notifier: publishes alerts to subscribers.
        rules: windows and threshold, for the text of the messages.
        max_age: the alert of an older quote is logged but not published; None means no limit.
        clock: returns the current time as an aware datetime.
    """

    def __init__(
        self, log: AlertLog, notifier: Notifier, rules: AnalysisRules, max_age: timedelta | None, clock: Clock
    ) -> None:
        self._log = log
        self._notifier = notifier
        self._rules = rules
        self._max_age = max_age
        self._clock = clock

    def run(self, quotes: Sequence[EnrichedQuote]) -> Sequence[Alert]:
        """Process newly stored quotes, in any order, and return the alerts that they added to the log."""
        now = self._clock()
        created_at = format_timestamp(now)
        alerts = [
            self._with_age_limit(alert, now)
            for quote in sorted(quotes, key=attrgetter("timestamp", "symbol"))
            for alert in alerts_for(quote, self._rules, created_at)
        ]
        return self.raise_alerts(alerts) if alerts else ()

    def raise_alerts(self, alerts: Sequence[Alert]) -> Sequence[Alert]:
        """Log ``alerts``, publish those not yet published, and return those new to the log.

        Each is marked before the next is published, so that a failure repeats one alert at most.
        """
        claim = self._log.claim(alerts)
        for alert in claim.pending:
            self._notifier.publish(alert)
            self._log.mark([alert.alert_id], format_timestamp(self._clock()))
        return claim.logged

    def _with_age_limit(self, alert: Alert, now: datetime) -> Alert:
        if self._max_age is None or now - to_datetime(alert.timestamp) < self._max_age:
            return alert
        return alert._replace(not_published=f"its quote is older than {format_duration(self._max_age)}")
