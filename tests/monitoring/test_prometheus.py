"""Metrics, as Prometheus reads them."""

import math
import socket
import threading
import urllib.request

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from stockctl.errors import MonitoringError
from stockctl.monitoring.health import HealthCheck
from stockctl.monitoring.metrics import RunMetrics
from stockctl.monitoring.prometheus import serve_metrics
from support.run_figures import figures


def scraped(port: int) -> dict[tuple[str, ...], float]:
    """Return all samples by name and labels, read by Prometheus's own parser."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def types(port: int) -> dict[str, str]:
    """Return the type of each family."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    assert all(family.documentation for family in families)
    return {family.name: family.type for family in families}


def test_the_figures_are_served():
    """Each by its conventional name, with the values of the moment of the scrape."""
    current = [figures()]
    with serve_metrics(lambda: current[0], 0) as port:
        samples = scraped(port)
        current[0] = figures(sent=2000)
        assert scraped(port)["stockctl_quotes_sent_total",] == 2000
    created = {name for name in samples if name[0].endswith("_created")}
    assert {name: value for name, value in samples.items() if name not in created} == {
        ("stockctl_quotes_received_total",): 1300,
        ("stockctl_quotes_sent_total",): 1234,
        ("stockctl_quotes_retried_total",): 6,
        ("stockctl_quotes_throttled_total",): 8,
        ("stockctl_quotes_uncertain_total",): 9,
        ("stockctl_quotes_dropped_total",): 10,
        ("stockctl_records_refused_total",): 7,
        ("stockctl_alerts_total",): 11,
        ("stockctl_start_time_seconds",): 1000,
        ("stockctl_symbols",): 3,
        ("stockctl_outbox_quotes",): 5,
        ("stockctl_delivering",): 1,
        ("stockctl_healthy",): 1,
        ("stockctl_last_quote_time_seconds",): 2000.5,
        ("stockctl_delivery_lag_seconds", "0.5"): 0.0123,
        ("stockctl_delivery_lag_seconds", "0.99"): 4.5,
    }


def test_what_the_source_tells_is_served_as_well():
    """Breaker, market, connection and doubts; a lag that nobody knows is no number."""
    told = {
        "breaker": "open",
        "market_closed": True,
        "connected": False,
        "reconnects": 4,
        "issues": {"future": 2, "scale": 0},
    }
    state = figures(
        **told, lag_p50=None, fault="no answer", arrived_at=None, health=HealthCheck(False, "hung")
    )
    with serve_metrics(lambda: state, 0) as port:
        samples = scraped(port)
    assert math.isnan(samples["stockctl_delivery_lag_seconds", "0.5"])
    assert samples["stockctl_delivering",] == samples["stockctl_healthy",] == 0
    assert samples["stockctl_source_breaker_open",] == 1
    assert samples["stockctl_market_open",] == samples["stockctl_source_connected",] == 0
    assert samples["stockctl_source_reconnects_total",] == 4
    assert samples["stockctl_quotes_doubted_total", "future"] == 2
    assert samples["stockctl_quotes_doubted_total", "scale"] == 0
    assert ("stockctl_last_quote_time_seconds",) not in samples


def test_types_are_told():
    """Counters, gauges and one summary, each with its meaning."""
    with serve_metrics(figures, 0) as port:
        kinds = types(port)
    assert kinds["stockctl_quotes_sent"] == "counter"
    assert kinds["stockctl_outbox_quotes"] == "gauge"
    assert kinds["stockctl_delivery_lag_seconds"] == "summary"


def test_a_port_in_use_is_told_with_what_to_do():
    """By name, and nothing is left open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MonitoringError) as refused, serve_metrics(figures, port):
            pass
    assert refused.value.message == f"Metrics cannot be served on 127.0.0.1:{port}: the port is in use."
    assert "--metrics-port 0" in str(refused.value.hint)


def test_the_end_frees_port_and_thread_and_nothing_global_is_left():
    """The same port serves again at once; the registry of the process knows none of it."""
    before = set(threading.enumerate())  # of which some may end meanwhile
    with serve_metrics(figures, 0) as port:
        assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before
    with serve_metrics(figures, port) as again:
        assert again == port
    assert not [family for family in REGISTRY.collect() if family.name.startswith("stockctl")]


def test_only_this_machine_is_answered():
    """Loopback, not every address."""
    with serve_metrics(figures, 0) as port, socket.socket() as other:
        other.bind(("127.0.0.2", port))


def test_scrapes_at_once_are_all_answered():
    """Several scrapers, whole answers."""

    def count() -> RunMetrics:
        return figures(sent=7)

    with serve_metrics(count, 0) as port:
        answers: list[float] = []
        threads = [
            threading.Thread(target=lambda: answers.append(scraped(port)["stockctl_quotes_sent_total",]))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [7] * 8
