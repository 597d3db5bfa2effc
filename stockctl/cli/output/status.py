"""The status of a producer as rows."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from stockctl.cli.output.tables import Cell
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


def producer_rows(sight: ProducerStatus, now: datetime | None = None) -> list[tuple[str, Cell]]:
    """Return what there is to tell, with names; those after the first are set in from the left."""
    head = Cell(_head(sight), "" if sight.state in (RUNNING, STARTING) else "red")
    details = _details(sight, datetime.now(UTC) if now is None else now)
    return [("producer", head), *((f"  {name}", cell) for name, cell in details)]


def _head(sight: ProducerStatus) -> str:
    process = "a process" if sight.pid is None else f"process {sight.pid}"
    ago = "" if sight.age is None else format_age(sight.age)
    heads = {
        RUNNING: f"running, {process}",
        SILENT: f"silent: {process} lives, and has told nothing for {ago}; these figures are from then",
        STARTING: f"starting, {process}",
        DIED: f"died: {process} has gone without an end; it was last seen {ago} ago",
        FAILED: f"failed {ago} ago: {sight.figures.get('failure')}",
    }
    lives = "" if sight.pid is None else f"; {process} lives"
    return heads.get(
        sight.state, f"unknown: {sight.trouble}{lives}. Remove it, a running stream makes it anew"
    )


def _details(sight: ProducerStatus, now: datetime) -> Iterator[tuple[str, Cell]]:
    figures = sight.figures
    if "source" in figures:
        yield "source", Cell(str(figures["source"]))
    if sight.since is not None:
        yield "since", Cell(_moment(datetime.fromtimestamp(sight.since, UTC), now))
    for subject in SUBJECTS:
        if subject in figures:
            yield subject, _condition(subject, figures, now)
    yield from _counts(figures)
    yield from _lags(figures)
    if sight.state in (RUNNING, SILENT) and sight.age is not None:
        yield "figures", Cell(f"{format_age(sight.age)} old")


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


def _condition(subject: str, figures: Mapping[str, MetricValue], now: datetime) -> Cell:
    name = str(figures[subject])
    reason = figures.get(_REASONS.get(subject, ""))
    until = to_datetime(str(figures[f"{subject}_until"])) if f"{subject}_until" in figures else now
    words = f"{name}: {reason}" if reason else name
    return Cell(
        f"{words} until {_moment(until, now)}" if until > now else words,
        "yellow" if is_bad(subject, name) else "",
    )


def _moment(moment: datetime, now: datetime) -> str:
    seconds = (moment - now).total_seconds()
    distance = f"in {format_age(seconds)}" if seconds > 0 else f"{format_age(-seconds)} ago"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {distance}"
