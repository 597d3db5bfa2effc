"""Metrics in Prometheus's format, over HTTP on the loopback interface."""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from stockctl.errors import WatchingError
from stockctl.monitoring.metrics import RunMetrics

ADDRESS = "127.0.0.1"


class MetricsCollector(Collector):
    """Asks for the figures at each scrape.

    Args:
        figures: returns those of the moment; called in the threads that answer.
    """

    def __init__(self, figures: Callable[[], RunMetrics]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Return all metrics; those that the source does not tell of are absent."""
        figures = self._figures()
        yield from _counts(figures)
        yield from _states(figures)
        yield _lag(figures)
        yield from _source_metrics(figures)


def _counts(figures: RunMetrics) -> Iterator[Metric]:
    delivery, board = figures.delivery, figures.board
    yield _counter("quotes_received", "Quotes that the source gave.", board.quotes)
    yield _counter("quotes_sent", "Quotes that the stream took.", delivery.sent)
    yield _counter("quotes_retried", "Quotes sent again, each time counted.", delivery.retried)
    yield _counter("quotes_throttled", "Quotes the stream refused because too many came.", delivery.throttled)
    yield _counter("quotes_uncertain", "Quotes that may have arrived twice.", delivery.uncertain)
    yield _counter(
        "quotes_dropped", "Quotes and unreadable records that a full outbox lost.", delivery.dropped
    )
    yield _counter("records_refused", "Records of the source that were no quotes.", delivery.refused)
    yield _counter("alerts", "Alerts raised in this process.", figures.alerts)


def _states(figures: RunMetrics) -> Iterator[Metric]:
    delivery, board = figures.delivery, figures.board
    yield _gauge("start_time_seconds", "When the run began, since 1970.", figures.started_at)
    yield _gauge("symbols", "Symbols that there were quotes of.", board.symbols)
    yield _gauge(
        "outbox_quotes", "Quotes and unreadable records that wait for their delivery.", delivery.waiting
    )
    yield _gauge("delivering", "1 while nothing keeps the delivery from going on.", delivery.fault is None)
    yield _gauge("healthy", "1 while no thread is hung.", figures.verdict.healthy)
    if board.arrived_at is not None:
        yield _gauge("last_quote_time_seconds", "When the last quote came, since 1970.", board.arrived_at)


def _lag(figures: RunMetrics) -> Metric:
    lag = Metric(
        "stockctl_delivery_lag_seconds",
        "From a quote read to its delivery acknowledged, over the last five minutes.",
        "summary",
    )
    for quantile, seconds in (("0.5", figures.delivery.lag_p50), ("0.99", figures.delivery.lag_p99)):
        value = float("nan") if seconds is None else seconds
        lag.add_sample(lag.name, {"quantile": quantile}, value)
    return lag


def _source_metrics(figures: RunMetrics) -> Iterator[Metric]:
    told = figures.told
    if told.reconnects is not None:
        yield _counter("source_reconnects", "Times the source's connection came up again.", told.reconnects)
    if told.connected is not None:
        yield _gauge("source_connected", "1 while the source's connection is up.", told.connected)
    if told.breaker is not None:
        yield _gauge("source_breaker_open", "1 while the source asks nothing.", told.breaker != "closed")
    if told.rests is not None:
        yield _gauge("market_open", "0 while the source waits for a market to open.", not told.rests)
    if told.doubts:
        doubts = CounterMetricFamily(
            "stockctl_quotes_doubted", "Quotes refused, dropped or flagged by the source.", labels=["doubt"]
        )
        for doubt, count in told.doubts.items():
            doubts.add_metric([doubt], count)
        yield doubts


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"stockctl_{name}", meaning, value=value)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"stockctl_{name}", meaning, value=float(value))


@contextmanager
def serve_metrics(figures: Callable[[], RunMetrics], port: int) -> Iterator[int]:
    """Answer on ``port`` while the block runs; 0 picks one that is free. Gives the port.

    Raises:
        WatchingError: the port is in use, or not for this user.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(figures))
    try:
        server, thread = start_http_server(port, addr=ADDRESS, registry=registry)
    except OSError as error:
        raise WatchingError(
            f"Metrics cannot be served on {ADDRESS}:{port}: {_reason(error)}.",
            "Choose another port, or let one be found: --metrics-port 0.",
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return error.strerror or str(error)
