"""Counts of a producer: totals, delivery lag, what waits."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from stockctl.pipeline.ports import SendResult

WINDOW_SECONDS = 300.0
_SAMPLES = 2048


@dataclass
class Totals:
    """What a producer has done so far, in records."""

    sent: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    alerts: int = 0
    is_final: bool = True
    retried: int = 0
    throttled: int = 0
    possibly_duplicated: int = 0
    """Sent again after a call without an answer: as many quotes may be in the stream twice."""
    refused: int = 0
    """What a source met and could not read."""

    def add(self, result: SendResult) -> None:
        """Count what became of one batch."""
        self.sent += result.sent
        self.stored += result.stored
        self.duplicates += result.duplicates
        self.quarantined += result.quarantined
        self.alerts += len(result.alerts)
        self.is_final = self.is_final and result.is_final
        self.retried += result.retried
        self.throttled += result.throttled
        self.possibly_duplicated += result.possibly_duplicated


class DeliverySnapshot(NamedTuple):
    """The figures of one moment; lags are in seconds, None where nothing was delivered lately."""

    sent: int
    waiting: int
    retried: int
    refused: int
    throttled: int
    possibly_duplicated: int
    dropped: int
    lag_p50: float | None
    lag_p99: float | None
    fault: str | None
    """Why nothing is being delivered now, or None."""


class _LagSample(NamedTuple):
    moment: float
    lag: float
    records: int


class DeliveryStats:
    """Counts for one producer; every method may be called from any thread.

    The lag, from a quote handed over by its source to its delivery acknowledged, is kept for the last
    ``WINDOW_SECONDS``, of the newest batches only, so that memory stays bounded.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.totals = Totals()
        self._clock = clock
        self._lock = Lock()
        self._samples: deque[_LagSample] = deque(maxlen=_SAMPLES)
        self._fault: str | None = None

    def add(self, result: SendResult) -> None:
        """Count what became of one batch."""
        with self._lock:
            self.totals.add(result)

    def refused(self, count: int) -> None:
        """Count what a source could not read, and what is in quarantine now."""
        with self._lock:
            self.totals.refused += count

    def acknowledged(self, records: int, lag: float) -> None:
        """Note how long ``records`` took to be delivered."""
        with self._lock:
            self._samples.append(_LagSample(self._clock(), max(0.0, lag), records))

    def tell(self, fault: str | None) -> None:
        """Note why nothing is delivered at present; None: all is well."""
        with self._lock:
            self._fault = fault

    def snapshot(self, *, waiting: int = 0, dropped: int = 0) -> DeliverySnapshot:
        """Return the figures of this moment, with those that only the outbox knows."""
        with self._lock:
            totals, fault = self.totals, self._fault
            oldest = self._clock() - WINDOW_SECONDS
            while self._samples and self._samples[0].moment < oldest:
                self._samples.popleft()
            samples = list(self._samples)
            counts = (totals.sent, waiting, totals.retried, totals.refused, totals.throttled)
            possibly_duplicated = totals.possibly_duplicated
        p50, p99 = percentiles(samples, (0.5, 0.99))
        return DeliverySnapshot(*counts, possibly_duplicated, dropped, p50, p99, fault)


def percentiles(samples: Sequence[_LagSample], shares: Sequence[float]) -> list[float | None]:
    """Return, for each share of all records, the smallest lag that so many of them did not exceed."""
    if not samples:
        return [None] * len(shares)
    ordered = sorted(samples, key=lambda sample: sample.lag)
    total = sum(sample.records for sample in ordered)
    found: list[float | None] = []
    for share in shares:
        seen = 0
        for sample in ordered:
            seen += sample.records
            if seen >= share * total:
                found.append(sample.lag)
                break
    return found
