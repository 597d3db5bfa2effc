"""Figures of a run, as tests of those who show them need them."""

from typing import Any

from stockctl.monitoring.health import HealthCheck
from stockctl.monitoring.latest_quotes import QuoteTotals
from stockctl.monitoring.metrics import RunMetrics
from stockctl.producer.stats import DeliverySnapshot
from stockctl.sources.base import SourceStatus

DELIVERY = DeliverySnapshot(
    sent=1234, waiting=5, retried=6, refused=7, throttled=8, possibly_duplicated=9, dropped=10,
    lag_p50=0.0123, lag_p99=4.5, fault=None,
)  # fmt: skip


def figures(**changed: Any) -> RunMetrics:
    """Return figures; fields of the delivery, of the board and of what a source tells may be changed."""
    delivery = {name: changed.pop(name) for name in list(changed) if name in DeliverySnapshot._fields}
    board = {name: changed.pop(name) for name in list(changed) if name in QuoteTotals._fields}
    told = {name: changed.pop(name) for name in list(changed) if name in SourceStatus._fields}
    sums = QuoteTotals(3, 1300, 7, "no price", 2000.5)._replace(**board)
    of_source = SourceStatus()._replace(**told)
    run = RunMetrics("feed", 1000.0, DELIVERY._replace(**delivery), 11, sums, of_source, HealthCheck(True))
    return run._replace(**changed)
