"""The status of a producer as rows."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from stockctl.cli.output.columns import Cell
from stockctl.formatting import format_age, format_seconds
from stockctl.market.timestamp import to_datetime
from stockctl.monitoring import metrics
from stockctl.monitoring.health import DELIVERY, HEALTH, SUBJECTS, is_bad
from stockctl.monitoring.metrics import Kind
from stockctl.monitoring.status_reader import (
    DIED,
    FAILED,
    RUNNING,
    SILENT,
    STARTING,
    MetricValue,
    ProducerStatus,
)

_REASONS = {DELIVERY: "reason", HEALTH: "hung"}


def producer_rows(status: ProducerStatus, now: datetime | None = None) -> list[tuple[str, Cell]]:
    """Return the rows as pairs of name and cell; all rows except the first are indented."""
    head = Cell(_head(status), "" if status.state in (RUNNING, STARTING) else "red")
    details = _details(status, datetime.now(UTC) if now is None else now)
    return [("producer", head), *((f"  {name}", cell) for name, cell in details)]


def _head(status: ProducerStatus) -> str:
    process = "a process" if status.pid is None else f"process {status.pid}"
    age = "" if status.age is None else format_age(status.age)
    heads = {
        RUNNING: f"running, {process}",
        SILENT: f"silent: {process} is running, but has not written metrics for {age}; the last ones follow",
        STARTING: f"starting, {process}",
        DIED: f"died: {process} ended without cleaning up; last seen {age} ago",
        FAILED: f"failed {age} ago: {status.metrics.get('failure')}",
    }
    running = "" if status.pid is None else f"; {process} runs"
    return heads.get(
        status.state, f"unknown: {status.error}{running}. Remove it; a running stream writes a new one"
    )


def _details(status: ProducerStatus, now: datetime) -> Iterator[tuple[str, Cell]]:
    values = status.metrics
    if "source" in values:
        yield "source", Cell(str(values["source"]))
    if status.since is not None:
        yield "since", Cell(_time(datetime.fromtimestamp(status.since, UTC), now))
    for subject in SUBJECTS:
        if subject in values:
            yield subject, _state(subject, values, now)
    yield from _counts(values)
    yield from _lags(values)
    if status.state in (RUNNING, SILENT) and status.age is not None:
        yield "figures", Cell(f"{format_age(status.age)} old")


def _counts(values: Mapping[str, MetricValue]) -> Iterator[tuple[str, Cell]]:
    for metric in metrics.METRICS:
        count = values.get(metric.name)
        if metric.kind in (Kind.COUNTER, Kind.GAUGE) and metric.status.allows(count):
            yield metric.title, Cell(f"{count:,}")


def _lags(values: Mapping[str, MetricValue]) -> Iterator[tuple[str, Cell]]:
    for name, quantiles in metrics.quantiles(lambda metric: metric.status).items():
        known = [(part, values[metric.name]) for part, metric in quantiles if metric.name in values]
        if known:
            yield name, Cell(", ".join(f"{part} {format_seconds(float(lag))}" for part, lag in known))


def _state(subject: str, values: Mapping[str, MetricValue], now: datetime) -> Cell:
    name = str(values[subject])
    reason = values.get(_REASONS.get(subject, ""))
    until = to_datetime(str(values[f"{subject}_until"])) if f"{subject}_until" in values else now
    text = f"{name}: {reason}" if reason else name
    return Cell(
        f"{text} until {_time(until, now)}" if until > now else text,
        "yellow" if is_bad(subject, name) else "",
    )


def _time(time: datetime, now: datetime) -> str:
    seconds = (time - now).total_seconds()
    distance = f"in {format_age(seconds)}" if seconds > 0 else f"{format_age(-seconds)} ago"
    return f"{time:%Y-%m-%d %H:%M:%S} UTC, {distance}"
