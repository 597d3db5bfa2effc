"""The table of metrics: every output loops over it."""

import json
import os
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stockctl.cli.output.status import producer_rows
from stockctl.cli.run.live_view import View, render
from stockctl.monitoring import metrics
from stockctl.monitoring.latest_quotes import LatestQuotes
from stockctl.monitoring.logfmt import LogfmtLogger
from stockctl.monitoring.metrics import METRICS, Kind, Metric, Show
from stockctl.monitoring.prometheus import serve_metrics
from stockctl.monitoring.status_file import StatusFile
from stockctl.monitoring.status_reader import read_producer_status
from stockctl.producer.outbox.paths import STATUS, beside
from stockctl.producer.outbox.queue import Outbox
from support.run_figures import figures

NEW = Metric(
    "new_thing", Kind.COUNTER, "Things that are new.", lambda run: run.alerts + 100,
    prometheus="new_things", status=Show.ALWAYS, live_view=Show.ALWAYS,
)  # fmt: skip


@pytest.fixture
def outbox(tmp_path: Path):
    """The file of an outbox that this process uses."""
    opened = Outbox(tmp_path / "outbox.db", limit=1 << 20)
    yield opened.path
    opened.close()


def test_a_metric_added_to_the_table_is_in_every_output(outbox: Path, monkeypatch: pytest.MonkeyPatch):
    """Log, status file, ``status`` as JSON and as a table, live view and Prometheus."""
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, NEW))
    run, lines = figures(), []
    LogfmtLogger(lines.append).metrics(run)
    assert "new_thing=111" in lines[0].split()

    StatusFile(outbox).write(run)
    assert json.loads(beside(outbox, STATUS).read_text())["new_thing"] == 111
    status = read_producer_status(outbox)
    assert status is not None
    assert dict(status.facts())["producer_new_thing"] == 111
    assert {name.strip(): cell.text for name, cell in producer_rows(status)}["new thing"] == "111"

    view = View(LatestQuotes(), run, {}, 200, 40, datetime.now(UTC))
    assert "new thing 111" in render(view).plain.split(" · ")

    with (
        serve_metrics(lambda: run, 0) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer,
    ):
        text = answer.read().decode()
    assert "# HELP stockctl_new_things_total Things that are new.\n" in text
    assert "# TYPE stockctl_new_things_total counter\n" in text
    assert "\nstockctl_new_things_total 111.0\n" in text


def test_quotes_left_out_are_in_every_output(outbox: Path):
    """They once were in the status file alone."""
    run = figures(issues={"backwards": 3, "timeless": 1, "scale": 2})
    StatusFile(outbox).write(run)
    status = read_producer_status(outbox)
    assert status is not None
    assert dict(status.facts())["producer_left_out"] == 4
    assert {name.strip(): cell.text for name, cell in producer_rows(status)}["left out"] == "4"
    assert "left out 4" in render(View(LatestQuotes(), run, {}, 200, 40, datetime.now(UTC))).plain


def test_every_field_is_read_back_as_it_was_written(outbox: Path):
    """The reader knows every field that the writer knows."""
    run = figures(
        breaker="open", breaker_until=datetime(2026, 1, 5, tzinfo=UTC), connected=True, market_closed=False,
        reconnects=2, issues={"backwards": 3},
    )  # fmt: skip
    StatusFile(outbox).write(run)
    status = read_producer_status(outbox)
    assert status is not None
    assert {name: status.metrics[name] for name in run.fields()} == run.fields()
    assert status.pid == os.getpid()


def test_names_are_unique():
    """By name, and in Prometheus by name and label."""
    names = [metric.name for metric in METRICS]
    served = [(metric.prometheus, metric.prometheus_label) for metric in METRICS if metric.prometheus]
    assert len(set(names)) == len(names)
    assert len(set(served)) == len(served)
