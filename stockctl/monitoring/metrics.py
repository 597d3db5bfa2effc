"""Metrics of a run: their values at one moment, and one table of how each is named and shown."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple, Protocol

from stockctl.market.timestamp import format_timestamp
from stockctl.monitoring.health import (
    BREAKER,
    CONNECTION,
    DELIVERY,
    HEALTH,
    MARKET,
    SUBJECTS,
    HealthCheck,
    State,
)
from stockctl.monitoring.latest_quotes import QuoteTotals
from stockctl.producer.stats import DeliverySnapshot, Totals
from stockctl.sources.base import SourceStatus


class MeasuredProducer(Protocol):
    """A producer whose metrics can be read."""

    @property
    def totals(self) -> Totals:
        """The counts since the start."""

    def snapshot(self) -> DeliverySnapshot:
        """Return the delivery metrics of this moment; any thread may call."""


class RunMetrics(NamedTuple):
    """All metrics of a run at one moment."""

    source: str
    started_at: float
    """In seconds since 1970."""
    delivery: DeliverySnapshot
    alerts: int
    quotes: QuoteTotals
    source_status: SourceStatus
    health: HealthCheck

    def states(self) -> dict[str, State]:
        """Return the state of each subject; the source may have nothing to report on some."""
        status, health = self.source_status, self.health
        states = {DELIVERY: delivery_state(self.delivery)}
        if status.breaker is not None:
            states[BREAKER] = State(status.breaker, None, status.breaker_until)
        if status.market_closed is not None:
            closed, opened = (
                State("closed", None, status.market_opens_at),
                State("open", None, status.market_closes_at),
            )
            states[MARKET] = closed if status.market_closed else opened
        if status.connected is not None:
            states[CONNECTION] = State("up" if status.connected else "down")
        states[HEALTH] = State("healthy") if health.healthy else State("hung", health.reason)
        return states

    def fields(self) -> dict[str, object]:
        """Return the metrics by the names that they have in the log, the status file and the health file.

        A number that is not known is null; a state or a time that is not known is absent.
        """
        values = ((metric, metric.read(self)) for metric in METRICS if metric.is_field)
        return {
            metric.name: round(value, 3) if isinstance(value, float) else value
            for metric, value in values
            if value is not None or metric.kind.is_number
        }


def delivery_state(delivery: DeliverySnapshot) -> State:
    """Return the state of the delivery."""
    return State("waiting", delivery.fault) if delivery.fault else State("delivering")


class Kind(Enum):
    """What the value of a metric is."""

    TEXT = "text"
    STATE = "state"
    TIME = "time"
    """A canonical timestamp, beside a state."""
    COUNTER = "counter"
    """How many there were since the start of the run."""
    COUNTERS = "counters"
    """A counter for each value of a label."""
    GAUGE = "gauge"
    SECONDS = "seconds"
    """A quantile of a duration."""

    @property
    def is_number(self) -> bool:
        """Whether the value is one number."""
        return self in (Kind.COUNTER, Kind.GAUGE, Kind.SECONDS)


class Show(Enum):
    """When a text for people shows a number."""

    NEVER = "never"
    IF_NONZERO = "if nonzero"
    ALWAYS = "always"

    def allows(self, number: object) -> bool:
        """Return whether to show ``number``; None is unknown and not shown."""
        return number is not None and (self is Show.ALWAYS or (self is Show.IF_NONZERO and bool(number)))


class Severity(Enum):
    """What a number above zero means."""

    NORMAL = "normal"
    WARNING = "warning"
    ERROR = "error"


Value = str | int | float | Mapping[str, int]


class Metric(NamedTuple):
    """One row of the table."""

    name: str
    """The key in JSON, in the log and in the status file."""
    kind: Kind
    help: str
    read: Callable[[RunMetrics], Value | None]
    """Returns the value; None if it is not known or the source does not report it."""
    is_field: bool = True
    """Whether it is in JSON, in the log and in the status file."""
    prometheus: str = ""
    """Its name in Prometheus without ``stockctl_`` and suffix; empty: not in Prometheus."""
    prometheus_label: tuple[str, str] = ("", "")
    """Name and value of a label that distinguishes metrics with the same Prometheus name."""
    status: Show = Show.NEVER
    """In the table of ``stockctl status``."""
    live_view: Show = Show.NEVER
    severity: Severity = Severity.NORMAL
    label: str = ""
    """Its name in texts for the user; empty: ``name`` with spaces."""

    @property
    def title(self) -> str:
        """The name in texts for the user."""
        return self.label or self.name.replace("_", " ")


def _state(subject: str) -> Callable[[RunMetrics], str | None]:
    def read(run: RunMetrics) -> str | None:
        state = run.states().get(subject)
        return None if state is None else state.name

    return read


def _until(subject: str) -> Callable[[RunMetrics], str | None]:
    def read(run: RunMetrics) -> str | None:
        state = run.states().get(subject)
        return None if state is None or state.until is None else format_timestamp(state.until)

    return read


def _state_rows(subject: str) -> tuple[Metric, ...]:
    state = Metric(subject, Kind.STATE, f"State of the {subject}.", _state(subject))
    if subject not in (BREAKER, MARKET):
        return (state,)
    return state, Metric(f"{subject}_until", Kind.TIME, f"End of the {subject}'s state.", _until(subject))


_LAG = "Seconds from reading a quote to its acknowledged delivery, over the last five minutes."

METRICS: tuple[Metric, ...] = (
    Metric("source", Kind.TEXT, "Name of the source.", lambda run: run.source),
    *(row for subject in SUBJECTS for row in _state_rows(subject)),
    Metric(
        "symbols", Kind.GAUGE, "Symbols with at least one quote.", lambda run: run.quotes.symbols,
        prometheus="symbols",
    ),
    Metric(
        "received", Kind.COUNTER, "Quotes from the source.", lambda run: run.quotes.quotes,
        prometheus="quotes_received",
    ),
    Metric(
        "sent", Kind.COUNTER, "Quotes that the stream accepted.", lambda run: run.delivery.sent,
        prometheus="quotes_sent", status=Show.ALWAYS, live_view=Show.ALWAYS,
    ),
    Metric(
        "waiting", Kind.GAUGE, "Quotes and unreadable records that wait for delivery.",
        lambda run: run.delivery.waiting,
        prometheus="outbox_quotes", status=Show.ALWAYS, live_view=Show.ALWAYS,
    ),
    Metric(
        "retried", Kind.COUNTER, "Quotes sent again; each attempt counts.", lambda run: run.delivery.retried,
        prometheus="quotes_retried", status=Show.IF_NONZERO, live_view=Show.ALWAYS,
    ),
    Metric(
        "refused", Kind.COUNTER, "Records in quarantine because they could not be read.",
        lambda run: run.delivery.refused,
        prometheus="records_refused", status=Show.IF_NONZERO,
    ),
    Metric(
        "rejected", Kind.COUNTER, "Unreadable records, in quarantine or on their way there.",
        lambda run: max(run.delivery.refused, run.quotes.rejections),
        is_field=False, live_view=Show.ALWAYS, severity=Severity.WARNING, label="refused",
    ),
    Metric(
        "throttled", Kind.COUNTER, "Quotes that the stream throttled.",
        lambda run: run.delivery.throttled,
        prometheus="quotes_throttled", status=Show.IF_NONZERO, live_view=Show.ALWAYS,
        severity=Severity.WARNING,
    ),
    Metric(
        "dropped", Kind.COUNTER, "Quotes and unreadable records lost because the outbox was full.",
        lambda run: run.delivery.dropped,
        prometheus="quotes_dropped", status=Show.IF_NONZERO, live_view=Show.IF_NONZERO,
        severity=Severity.ERROR,
    ),
    Metric(
        "uncertain", Kind.COUNTER, "Quotes that may have arrived twice.",
        lambda run: run.delivery.possibly_duplicated,
        prometheus="quotes_uncertain", live_view=Show.IF_NONZERO, severity=Severity.WARNING,
        label="possibly duplicated",
    ),
    Metric(
        "left_out", Kind.COUNTER,
        "Quotes that the source skipped: older than the last one, without a time, or outside the session.",
        lambda run: run.source_status.left_out,
        prometheus="quotes_left_out", status=Show.IF_NONZERO, live_view=Show.IF_NONZERO,
    ),
    Metric(
        "reconnects", Kind.COUNTER, "Times that the source connected again.",
        lambda run: run.source_status.reconnects,
        prometheus="source_reconnects", status=Show.ALWAYS, live_view=Show.ALWAYS,
    ),
    Metric(
        "alerts", Kind.COUNTER, "Alerts raised by this process.", lambda run: run.alerts,
        prometheus="alerts", live_view=Show.ALWAYS,
    ),
    Metric(
        "lag_p50", Kind.SECONDS, _LAG, lambda run: run.delivery.lag_p50,
        prometheus="delivery_lag_seconds", prometheus_label=("quantile", "0.5"),
        label="lag p50", status=Show.ALWAYS, live_view=Show.ALWAYS,
    ),
    Metric(
        "lag_p99", Kind.SECONDS, _LAG, lambda run: run.delivery.lag_p99,
        prometheus="delivery_lag_seconds", prometheus_label=("quantile", "0.99"),
        label="lag p99", status=Show.ALWAYS, live_view=Show.ALWAYS,
    ),
    Metric(
        "started_at", Kind.GAUGE, "Start of the run, in seconds since 1970.", lambda run: run.started_at,
        is_field=False, prometheus="start_time_seconds",
    ),
    Metric(
        "arrived_at", Kind.GAUGE, "Arrival of the latest quote, in seconds since 1970.",
        lambda run: run.quotes.arrived_at,
        is_field=False, prometheus="last_quote_time_seconds",
    ),
    Metric(
        "delivering", Kind.GAUGE, "1 while the delivery works.", lambda run: run.delivery.fault is None,
        is_field=False, prometheus="delivering",
    ),
    Metric(
        "healthy", Kind.GAUGE, "1 while no thread hangs.", lambda run: run.health.healthy,
        is_field=False, prometheus="healthy",
    ),
    Metric(
        "connected", Kind.GAUGE, "1 while the source is connected.",
        lambda run: run.source_status.connected,
        is_field=False, prometheus="source_connected",
    ),
    Metric(
        "breaker_open", Kind.GAUGE, "1 while the source sends no requests because of rate limits.",
        lambda run: None if run.source_status.breaker is None else run.source_status.breaker != "closed",
        is_field=False, prometheus="source_breaker_open",
    ),
    Metric(
        "market_open", Kind.GAUGE, "0 while the source waits for a market to open.",
        lambda run: None if run.source_status.market_closed is None else not run.source_status.market_closed,
        is_field=False, prometheus="market_open",
    ),
    Metric(
        "doubts", Kind.COUNTERS, "Quotes that the source rejected, dropped or flagged, by issue.",
        lambda run: run.source_status.issues or None,
        is_field=False, prometheus="quotes_doubted", prometheus_label=("doubt", ""),
    ),
)  # fmt: skip
"""All metrics, in the order in which they are shown. Every output loops over this table."""


def quantiles(show: Callable[[Metric], Show]) -> Mapping[str, list[tuple[str, Metric]]]:
    """Return the durations to show, grouped by name: ``lag`` has ``p50`` and ``p99``."""
    groups: dict[str, list[tuple[str, Metric]]] = {}
    for metric in METRICS:
        if metric.kind is Kind.SECONDS and show(metric) is not Show.NEVER:
            name, _, quantile = metric.title.partition(" ")
            groups.setdefault(name, []).append((quantile, metric))
    return groups
