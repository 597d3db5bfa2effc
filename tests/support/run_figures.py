"""Figures of a run, as tests of those who show them need them."""

from typing import Any

from stockctl.monitoring.health import Verdict
from stockctl.monitoring.metrics import Figures, Sums
from stockctl.producer.stats import Snapshot
from stockctl.sources.base import Told

DELIVERY = Snapshot(
    sent=1234, waiting=5, retried=6, refused=7, throttled=8, uncertain=9, dropped=10,
    lag_p50=0.0123, lag_p99=4.5, fault=None,
)  # fmt: skip


def figures(**changed: Any) -> Figures:
    """Return figures; fields of the delivery, of the board and of what a source tells may be changed."""
    delivery = {name: changed.pop(name) for name in list(changed) if name in Snapshot._fields}
    board = {name: changed.pop(name) for name in list(changed) if name in Sums._fields}
    told = {name: changed.pop(name) for name in list(changed) if name in Told._fields}
    sums = Sums(3, 1300, 7, "no price", 2000.5)._replace(**board)
    of_source = Told()._replace(**told)
    run = Figures("feed", 1000.0, DELIVERY._replace(**delivery), 11, sums, of_source, Verdict(True))
    return run._replace(**changed)
