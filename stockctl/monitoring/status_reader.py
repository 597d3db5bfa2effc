"""The status of a producer, read by another process from its status file and lock."""

import json
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stockctl.market.timestamp import format_timestamp, parse_timestamp
from stockctl.market.validation import truncate
from stockctl.monitoring import metrics
from stockctl.monitoring.metrics import Kind
from stockctl.monitoring.status_file import TEXTS, status_path
from stockctl.producer.outbox.lock import lock_holder
from stockctl.producer.outbox.queue import LOCK_SUFFIX

MetricValue = str | int | float

_MOST_BYTES = 1 << 16
_LAST_TIME = 253_402_300_799  # of the year 9999


class StatusSnapshot(NamedTuple):
    """What a producer left. Times are in seconds since 1970."""

    pid: int
    since: float
    written: float
    figures: Mapping[str, MetricValue]
    """By the names of ``RunMetrics.fields``, ``reason``, ``hung`` and ``failure``; null ones are absent."""


def read_status_file(path: Path) -> StatusSnapshot | None:
    """Return what a producer left; None where there is no file.

    Raises:
        OSError: it cannot be read.
        ValueError: no producer wrote this; the text tells why.
    """
    try:
        # What is no file (a pipe, say) might keep whoever opens it waiting for ever.
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
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
    raise ValueError("it holds no JSON object")


def _parse_document(document: Mapping[str, object]) -> StatusSnapshot:
    pid, written, seconds = (_number(name, document.get(name)) for name in ("pid", "time", "seconds"))
    if not isinstance(pid, int) or pid < 1 or not 0 <= seconds <= written <= _LAST_TIME:
        raise ValueError("its pid, time or seconds cannot be true")
    parsers = {metric.name: _PARSERS[metric.kind] for metric in metrics.METRICS if metric.is_field}
    parsers |= dict.fromkeys(TEXTS, _text)
    found = {
        name: parse(name, value)
        for name, parse in parsers.items()
        if (value := document.get(name)) is not None
    }
    if "source" not in found:
        raise ValueError("it names no source")
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
"""Seconds without new figures after which a producer that lives counts as silent."""

RUNNING, SILENT, STARTING, DIED, FAILED, UNKNOWN = (
    "running", "silent", "starting", "died", "failed", "unknown",
)  # fmt: skip

_READ_ATTEMPTS = 3
_KEPT_AFTER_END = ("source", "failure")


class ProducerStatus(NamedTuple):
    """A producer as it is seen. Times are in seconds since 1970."""

    state: str
    """``running``; ``silent`` when it lives and gives no new figures; ``starting`` before it gives any;
    ``died`` when its process has gone without a word; ``failed`` when it said why it ended; ``unknown`` when
    what lies beside the outbox cannot be read."""
    pid: int | None = None
    """Its process, where that is known."""
    since: float | None = None
    seen: float | None = None
    """When it gave the figures."""
    age: float | None = None
    """How many seconds ago that was."""
    figures: Mapping[str, MetricValue] = {}
    """By the names of ``RunMetrics.fields``, ``reason`` and ``hung``; of what has ended only its ``source``,
    and the ``failure``. Lags are in seconds, other times are canonical timestamps."""
    trouble: str = ""
    """What cannot be read, and why."""

    def facts(self) -> list[tuple[str, MetricValue]]:
        """Return the same as flat named facts, without what is not known; times are canonical timestamps."""
        known = {
            "": self.state,
            "_pid": self.pid,
            "_since": _timestamp(self.since),
            "_seen": _timestamp(self.seen),
            "_age": None if self.age is None else round(self.age, 1),
            "_trouble": self.trouble or None,
            **{f"_{name}": figure for name, figure in self.figures.items()},
        }
        return [(f"producer{name}", value) for name, value in known.items() if value is not None]


def read_producer_status(outbox: Path, clock: Callable[[], float] = time.time) -> ProducerStatus | None:
    """Return the producer that uses ``outbox``, or that ended without a clean end; None without any.

    ``clock`` tells seconds since 1970.

    Raises:
        OutboxError: the lock of the outbox cannot be looked at.
    """
    path, lock = status_path(outbox), outbox.with_name(outbox.name + LOCK_SUFFIX)
    held_by = lock_holder(lock, outbox)
    for _ in range(_READ_ATTEMPTS):
        try:
            left = read_status_file(path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            return ProducerStatus(UNKNOWN, _pid(held_by), trouble=f"{path} cannot be read: {why}")
        # One that begins or ends meanwhile is looked at again, or it would seem to have died.
        before, held_by = held_by, lock_holder(lock, outbox)
        if before == held_by:
            break
    return _status_of(left, held_by, clock())


def _status_of(left: StatusSnapshot | None, held_by: str | None, now: float) -> ProducerStatus | None:
    if left is None or (held_by is not None and _pid(held_by) != left.pid):
        return None if held_by is None else ProducerStatus(STARTING, _pid(held_by))
    age = max(0.0, now - left.written)
    figures = left.figures
    if "failure" in figures or held_by is None:
        state = FAILED if "failure" in figures else DIED
        figures = {name: figures[name] for name in _KEPT_AFTER_END if name in figures}
    else:
        state = RUNNING if age <= SILENT_AFTER else SILENT
    return ProducerStatus(state, left.pid, left.since, left.written, age, figures)


def _pid(held_by: str | None) -> int | None:
    return int(held_by) if held_by is not None and held_by.isdigit() else None


def _timestamp(seconds: float | None) -> str | None:
    return None if seconds is None else format_timestamp(datetime.fromtimestamp(seconds, UTC))
