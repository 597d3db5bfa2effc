"""alerts: the tail, the list and the test alert."""

import json
import signal

from support.cli.command import Command, finish

HEAD = "timestamp,symbol,price,previous_close\n"


def jump(day: int) -> str:
    """Return a file whose one quote raises one anomaly."""
    return f"{HEAD}2026-01-{day:02}T15:00:00Z,AAPL,150,100\n"


def test_the_tail_shows_history_then_what_comes_each_once(stockctl: Command) -> None:
    """Alerts logged before (by --since) and after the tail began arrive in order, none twice."""
    stockctl.ok("stream", "--quiet", "--file", "-", stdin=jump(5))
    tail = stockctl.start("alerts", "tail", "--since", "1h", "-o", "json")
    assert tail.stdout is not None
    assert json.loads(tail.stdout.readline())["alert_id"] == "AAPL|anomaly|up|2026-01-05"
    stockctl.ok("stream", "--quiet", "--file", "-", stdin=jump(5) + jump(6).removeprefix(HEAD))
    assert json.loads(tail.stdout.readline())["alert_id"] == "AAPL|anomaly|up|2026-01-06"
    code, rest, err = finish(tail, signal.SIGINT)
    assert (code, rest) == (130, "")
    assert "Traceback" not in err


def test_the_tail_without_since_begins_now(stockctl: Command) -> None:
    """Only what comes after its beginning is shown."""
    stockctl.ok("stream", "--quiet", "--file", "-", stdin=jump(5))
    tail = stockctl.start("alerts", "tail", "-o", "json")
    assert tail.stderr is not None
    assert tail.stdout is not None
    assert "Following the alerts" in tail.stderr.readline()
    stockctl.ok("stream", "--quiet", "--file", "-", stdin=jump(6))
    assert json.loads(tail.stdout.readline())["timestamp"].startswith("2026-01-06")
    assert finish(tail, signal.SIGTERM)[0] == 0


def test_the_tail_ends_when_its_reader_has_gone(stockctl: Command) -> None:
    """A closed pipe ends it with 0 although no alert comes."""
    stockctl.ok("provision")
    tail = stockctl.start("alerts", "tail")
    assert tail.stderr is not None
    assert tail.stdout is not None
    tail.stderr.readline()
    tail.stdout.close()
    assert tail.wait(timeout=60) == 0
    assert tail.stderr.read() == ""
    tail.stderr.close()


def test_a_test_alert_takes_the_real_way(stockctl: Command) -> None:
    """It is marked as a test, logged, and marked as published; it is no signal."""
    stockctl.ok("provision")
    stockctl.ok("alerts", "test")
    (alert,) = stockctl.rows("alerts", "list")
    assert alert["alert_id"].startswith("TEST|")
    assert alert["message"].startswith("Test alert")
    assert alert["published_at"] is not None
    assert stockctl.rows("query", "latest") == []
    assert stockctl.rows("query", "signals") == []


def test_fresh_alerts_are_published_and_old_ones_say_why_not(stockctl: Command) -> None:
    """alerts.max_age = 0 publishes whatever the age; by default an old quote's alert is only logged."""
    stockctl.ok("stream", "--quiet", "--file", "-", stdin=jump(5))
    stockctl.ok("stream", "--quiet", "--file", "-", stdin=jump(6), extra={"STOCKCTL_ALERTS__MAX_AGE": "0"})
    newer, older = stockctl.rows("alerts", "list")
    assert (older["published_at"], older["not_published"]) == (None, "its quote is older than 1h")
    assert newer["published_at"] is not None
    assert newer["not_published"] is None


def test_odd_spans_are_refused(stockctl: Command) -> None:
    """--since of nonsense ends with 2 and shows what it takes."""
    stockctl.ok("provision")
    assert "10m, 2h or 3d" in stockctl.refused("alerts", "tail", "--since", "soon", code=2)
    assert "is too long ago" in stockctl.refused("alerts", "list", "--since", "999999999d", code=2)
