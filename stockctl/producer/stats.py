"""Counts of a producer, and how long its deliveries take."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from stockctl.pipeline.ports import SendResult

WINDOW_SECONDS = 300.0
_SAMPLES = 2048


@dataclass
class Totals:
    """What a producer did since its start, in records."""

    sent: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    alerts: int = 0
    is_final: bool = True
    retried: int = 0
    throttled: int = 0
    possibly_duplicated: int = 0
    """Quotes that were sent again because a request got no response; they may be in the stream twice."""
    refused: int = 0
    """Records that the source could not read and that are now in quarantine."""

    def add(self, result: SendResult) -> None:
        """Add the result of one batch."""
        self.sent += result.sent
        self.stored += result.stored
        self.duplicates += result.duplicates
        self.quarantined += result.quarantined
        self.alerts += len(result.alerts)
        self.is_final = self.is_final and result.is_final
        self.retried += result.retried
        self.throttled += result.throttled
        self.possibly_duplicated += result.possibly_duplicated


class Backlog(NamedTuple):
    """What a producer has not delivered."""

    quotes: int = 0
    rejections: int = 0
    """Records that the source could not read."""
    possibly_sent: int = 0
    """How many of the quotes may have arrived, because their delivery had started."""
    dropped: int = 0
    """Quotes that were lost because the outbox was full."""
    dropped_rejections: int = 0
    path: Path | None = None
    """The outbox in which the quotes and rejections wait; None if there is none."""

    @property
    def waiting(self) -> int:
        """Quotes and rejections together."""
        return self.quotes + self.rejections


class DeliverySnapshot(NamedTuple):
    """The metrics of one moment; lags are in seconds, None if nothing was delivered lately."""

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
    """Why nothing is delivered at present, or None."""


class _LagSample(NamedTuple):
    taken_at: float
    lag: float
    records: int


class DeliveryStats:
    """Counts for one producer. Any thread may call any method.

    The lag is the time from a quote's arrival from its source to its acknowledged delivery. It is kept
    for the last ``WINDOW_SECONDS`` and for a limited number of batches, so that memory stays bounded.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.totals = Totals()
        self._clock = clock
        self._lock = Lock()
        self._samples: deque[_LagSample] = deque(maxlen=_SAMPLES)
        self._fault: str | None = None

    def add(self, result: SendResult) -> None:
        """Add the result of one batch."""
        with self._lock:
            self.totals.add(result)

    def add_refused(self, count: int) -> None:
        """Count records that a source could not read and that are in quarantine now."""
        with self._lock:
            self.totals.refused += count

    def add_lag(self, records: int, lag: float) -> None:
        """Record how long the delivery of ``records`` took."""
        with self._lock:
            self._samples.append(_LagSample(self._clock(), max(0.0, lag), records))

    def set_fault(self, fault: str | None) -> None:
        """Record why nothing is delivered at present; None if it works."""
        with self._lock:
            self._fault = fault

    def snapshot(self, *, waiting: int = 0, dropped: int = 0) -> DeliverySnapshot:
        """Return the metrics of this moment, together with those of the outbox."""
        with self._lock:
            fault = self._fault
            oldest = self._clock() - WINDOW_SECONDS
            while self._samples and self._samples[0].taken_at < oldest:
                self._samples.popleft()
            samples = list(self._samples)
            counts = replace(self.totals)
        p50, p99 = percentiles(samples, (0.5, 0.99))
        return DeliverySnapshot(
            sent=counts.sent,
            waiting=waiting,
            retried=counts.retried,
            refused=counts.refused,
            throttled=counts.throttled,
            possibly_duplicated=counts.possibly_duplicated,
            dropped=dropped,
            lag_p50=p50,
            lag_p99=p99,
            fault=fault,
        )


def percentiles(samples: Sequence[_LagSample], shares: Sequence[float]) -> list[float | None]:
    """Return for each share the smallest lag that this share of the records did not exceed."""
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
