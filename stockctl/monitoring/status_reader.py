"""Reads the status of a producer from its status file and lock, in another process."""

import json
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stockctl.market.errors import truncate
from stockctl.market.timestamp import format_timestamp, parse_timestamp
from stockctl.monitoring import metrics
from stockctl.monitoring.metrics import Kind
from stockctl.monitoring.status_file import TEXTS
from stockctl.producer.outbox.lock import lock_holder
from stockctl.producer.outbox.paths import LOCK, STATUS, beside

MetricValue = str | int | float

_MOST_BYTES = 1 << 16
_LAST_TIME = 253_402_300_799  # of the year 9999


class StatusSnapshot(NamedTuple):
    """The content of a status file. Times are in seconds since 1970."""

    pid: int
    since: float
    written: float
    metrics: Mapping[str, MetricValue]
    """The fields of ``RunMetrics.fields``, and ``reason``, ``hung`` and ``failure``; null ones are absent."""


def read_status_file(path: Path) -> StatusSnapshot | None:
    """Return the content of a status file; None if there is no file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a valid status file; the message gives the reason.
    """
    try:
        # Opening something else, such as a pipe, might block for ever.
        if path.exists() and not path.is_file():
            raise ValueError("it is not a regular file")
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _parse_document(_object(text))


def _object(text: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    raise ValueError("it is not a JSON object")


def _parse_document(document: Mapping[str, object]) -> StatusSnapshot:
    pid, written, seconds = (_number(name, document.get(name)) for name in ("pid", "time", "seconds"))
    if not isinstance(pid, int) or pid < 1 or not 0 <= seconds <= written <= _LAST_TIME:
        raise ValueError("its pid, time or seconds are out of range")
    parsers = {metric.name: _PARSERS[metric.kind] for metric in metrics.METRICS if metric.is_field}
    parsers |= dict.fromkeys(TEXTS, _text)
    found = {
        name: parse(name, value)
        for name, parse in parsers.items()
        if (value := document.get(name)) is not None
    }
    if "source" not in found:
        raise ValueError("it has no source")
    return StatusSnapshot(pid, written - seconds, written, found)


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"its {name} is {truncate(value)}")


def _time(name: str, value: object) -> str:
    return parse_timestamp(value, f"its {name}")


def _number(name: str, value: object) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise ValueError(f"its {name} is {truncate(value)}")


_PARSERS: Mapping[Kind, Callable[[str, object], MetricValue]] = {
    Kind.TEXT: _text,
    Kind.STATE: _text,
    Kind.TIME: _time,
    Kind.COUNTER: _number,
    Kind.GAUGE: _number,
    Kind.SECONDS: _number,
}


SILENT_AFTER = 15.0
"""Seconds without new metrics after which a running producer counts as silent."""

RUNNING, SILENT, STARTING, DIED, FAILED, UNKNOWN = (
    "running", "silent", "starting", "died", "failed", "unknown",
)  # fmt: skip

_READ_ATTEMPTS = 3
_KEPT_AFTER_END = ("source", "failure")


class ProducerStatus(NamedTuple):
    """The status of a producer. Times are in seconds since 1970."""

    state: str
    """``running``; ``starting`` before there are metrics; ``silent`` if it runs without writing new ones;
    ``died`` if its process is gone without a clean end; ``failed`` if it wrote why it ended; ``unknown`` if
    the status file cannot be read."""
    pid: int | None = None
    """Its process, if known."""
    since: float | None = None
    """When it started."""
    seen: float | None = None
    """When it wrote the metrics."""
    age: float | None = None
    """Seconds since then."""
    metrics: Mapping[str, MetricValue] = {}
    """The fields of ``RunMetrics.fields``, ``reason`` and ``hung``; after the end only ``source`` and
    ``failure``. Lags are in seconds, other times are canonical timestamps."""
    error: str = ""
    """What cannot be read, and why."""

    def facts(self) -> list[tuple[str, MetricValue]]:
        """Return the known values as flat facts with names; times are canonical timestamps."""
        known = {
            "": self.state,
            "_pid": self.pid,
            "_since": _timestamp(self.since),
            "_seen": _timestamp(self.seen),
            "_age": None if self.age is None else round(self.age, 1),
            "_trouble": self.error or None,
            **{f"_{name}": value for name, value in self.metrics.items()},
        }
        return [(f"producer{name}", value) for name, value in known.items() if value is not None]


def read_producer_status(outbox: Path, clock: Callable[[], float] = time.time) -> ProducerStatus | None:
    """Return the status of the producer that uses ``outbox``; None if there is none or it ended cleanly.

    Args:
        outbox: the outbox of the producer.
        clock: returns seconds since 1970.

    Raises:
        OutboxError: the lock of the outbox cannot be read.
    """
    path, lock = beside(outbox, STATUS), beside(outbox, LOCK)
    holder = lock_holder(lock, outbox)
    for _ in range(_READ_ATTEMPTS):
        try:
            snapshot = read_status_file(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return ProducerStatus(UNKNOWN, _pid(holder), error=f"{path} cannot be read: {reason}")
        # A producer may start or end between the reads. Without a second attempt it would seem to have died.
        before, holder = holder, lock_holder(lock, outbox)
        if before == holder:
            break
    return _status_of(snapshot, holder, clock())


def _status_of(snapshot: StatusSnapshot | None, holder: str | None, now: float) -> ProducerStatus | None:
    if snapshot is None or (holder is not None and _pid(holder) != snapshot.pid):
        return None if holder is None else ProducerStatus(STARTING, _pid(holder))
    age = max(0.0, now - snapshot.written)
    values = snapshot.metrics
    if "failure" in values or holder is None:
        state = FAILED if "failure" in values else DIED
        values = {name: values[name] for name in _KEPT_AFTER_END if name in values}
    else:
        state = RUNNING if age <= SILENT_AFTER else SILENT
    return ProducerStatus(state, snapshot.pid, snapshot.since, snapshot.written, age, values)


def _pid(holder: str | None) -> int | None:
    return int(holder) if holder is not None and holder.isdigit() else None


def _timestamp(seconds: float | None) -> str | None:
    return None if seconds is None else format_timestamp(datetime.fromtimestamp(seconds, UTC))
