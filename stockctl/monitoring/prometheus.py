"""Serves the metrics to Prometheus, over HTTP on the loopback interface."""

import errno
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from stockctl.errors import MonitoringError
from stockctl.monitoring import metrics
from stockctl.monitoring.metrics import Kind, Metric, RunMetrics, Value

ADDRESS = "127.0.0.1"


class MetricsCollector(Collector):
    """Reads the metrics at each scrape.

    Args:
        read: returns the metrics of the moment; called in the threads that answer.
    """

    def __init__(self, read: Callable[[], RunMetrics]) -> None:
        self._read = read

    def collect(self) -> Iterable[Family]:
        """Return all metrics; those that the source does not report are absent."""
        run = self._read()
        families: dict[str, Family] = {}
        for metric in metrics.METRICS:
            value = metric.read(run)
            # A quantile is always there, as scrapers expect of a summary.
            if not metric.prometheus or (value is None and metric.kind is not Kind.SECONDS):
                continue
            name = f"stockctl_{metric.prometheus}"
            family_type, suffix = _TYPES[metric.kind]
            family = families.setdefault(name, Family(name, metric.help, family_type))
            for labels, number in _samples(metric, value):
                family.add_sample(name + suffix, labels, number)
        return families.values()


_TYPES = {
    Kind.COUNTER: ("counter", "_total"),
    Kind.COUNTERS: ("counter", "_total"),
    Kind.GAUGE: ("gauge", ""),
    Kind.SECONDS: ("summary", ""),
}
"""The type in Prometheus, and what its samples have behind their name."""


def _samples(metric: Metric, value: Value | None) -> Iterator[tuple[dict[str, str], float]]:
    label, of_metric = metric.prometheus_label
    if isinstance(value, Mapping):
        yield from (({label: of_count}, float(count)) for of_count, count in value.items())
    else:
        yield {label: of_metric} if label else {}, math.nan if value is None else float(value)


@contextmanager
def serve_metrics(read: Callable[[], RunMetrics], port: int) -> Iterator[int]:
    """Serve metrics on ``port`` while the block runs; 0 picks a free one. Yields the port.

    Args:
        read: returns the metrics of the moment.
        port: the port on the loopback interface.

    Raises:
        MonitoringError: the port is in use, or this user may not use it.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(read))
    try:
        server, thread = start_http_server(port, addr=ADDRESS, registry=registry)
    except OSError as error:
        raise MonitoringError(
            f"Metrics cannot be served on {ADDRESS}:{port}: {_reason(error)}.",
            "Choose another port, or pass --metrics-port 0 to pick a free one.",
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
