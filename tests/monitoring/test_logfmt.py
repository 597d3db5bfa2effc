"""The log: what a line says, and when there is one."""

import logging
import re
import time
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from stockctl.monitoring.health import HealthCheck, StateTracker
from stockctl.monitoring.logfmt import LogfmtHandler, LogfmtLogger, logfmt
from stockctl.pipeline.ports import DeliveryError
from stockctl.producer import delivery
from stockctl.producer.delivery import RetryPolicy
from stockctl.producer.shutdown import GracePeriod
from stockctl.producer.stats import DeliveryStats
from support.run_figures import figures

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
_FIELD = re.compile(r'(\S+?)=("(?:[^"\\]|\\.)*"|\S+)(?: |$)')


def read(line: str) -> dict[str, str]:
    """Return the fields of a line, by a reader of logfmt of its own."""
    found, rest = {}, line
    while rest:
        match = _FIELD.match(rest)
        assert match is not None, rest
        value = match[2]
        if value.startswith('"'):
            value = re.sub(
                r"\\(.)", lambda part: {"n": "\n", "r": "\r", "t": "\t"}.get(part[1], part[1]), value[1:-1]
            )
        found[match[1]] = value
        rest = rest[match.end() :]
    return found


@pytest.mark.parametrize(
    "value", ["plain", "two words", 'a "quote"', "back\\slash", "a=b", "two\nlines\ttab\r", "", "é – ok"]
)
def test_any_value_is_one_line_that_reads_back(value: str):
    """Blanks, quotation marks and line breaks do not break a line."""
    line = logfmt({"first": 1, "value": value, "last": 2.5, "gone": None})
    assert "\n" not in line
    assert read(line) == {"first": "1", "value": value, "last": "2.5"}


def test_the_line_of_figures_has_all_of_them():
    """By name, with the time; what nobody knows is left out."""
    lines: list[str] = []
    LogfmtLogger(lines.append, lambda: NOON).metrics(
        figures(lag_p99=None, breaker="open", connected=True, reconnects=2)
    )
    assert read(lines[0]) == {
        "time": "2026-01-05T12:00:00.000Z", "level": "info", "event": "figures", "source": "feed",
        "delivery": "delivering", "breaker": "open", "connection": "up", "health": "healthy",
        "symbols": "3", "received": "1300", "sent": "1234", "waiting": "5", "retried": "6", "refused": "7",
        "throttled": "8", "uncertain": "9", "dropped": "10", "alerts": "11", "reconnects": "2",
        "lag_p50": "0.012",
    }  # fmt: skip


OPENING = NOON + timedelta(hours=2)
CHANGES = [
    ({"fault": 'no answer from "x"'}, "warning",
     {"subject": "delivery", "state": "waiting", "was": "delivering", "reason": 'no answer from "x"'}),
    ({"breaker": "open", "breaker_until": OPENING}, "warning",
     {"subject": "breaker", "state": "open", "was": "closed", "until": "2026-01-05T14:00:00.000Z"}),
    ({"market_closed": True, "market_opens_at": OPENING}, "info",
     {"subject": "market", "state": "closed", "was": "open", "until": "2026-01-05T14:00:00.000Z"}),
    ({"connected": False}, "warning", {"subject": "connection", "state": "down", "was": "up"}),
    ({"health": HealthCheck(False, "the source sleeps")}, "warning",
     {"subject": "health", "state": "hung", "was": "healthy", "reason": "the source sleeps"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "level", "told"), CHANGES, ids=[told["subject"] for _, _, told in CHANGES]
)
def test_each_change_is_one_line_there_and_one_back(changed: dict, level: str, told: dict):
    """With what was, for how long, and why; what stays as it is says nothing."""
    moments = iter(NOON + timedelta(seconds=seconds) for seconds in (0, 10, 20, 50, 60))
    states, lines = StateTracker(lambda: next(moments)), []
    logger = LogfmtLogger(lines.append, lambda: NOON)
    usual = {"breaker": "closed", "market_closed": False, "connected": True}
    for state in ({}, {}, changed, changed, {}):
        for change in states.update(figures(**{**usual, **state}).states()):
            logger.change(change)
    there, back = map(read, lines)
    assert there == {
        "time": "2026-01-05T12:00:00.000Z",
        "level": level,
        "event": "change",
        "after": "20.0",
        **told,
    }
    assert (back["subject"], back["state"], back["was"]) == (told["subject"], told["was"], told["state"])
    assert (back["after"], back["level"]) == ("40.0", "info")


def test_what_is_logged_in_words_is_a_line_as_well():
    """But for words on the delivery, which is looked at instead: its change is told once."""
    lines: list[str] = []
    looks: list[int] = []
    handler = LogfmtHandler(LogfmtLogger(lines.append, lambda: NOON), lambda: looks.append(1))
    for event in ({}, {"event": "delivery"}):
        handler.handle(
            logging.makeLogRecord(
                {"name": "any", "levelno": 30, "levelname": "WARNING", "msg": "a b", **event}
            )
        )
    assert [read(line) for line in lines] == [
        {"time": "2026-01-05T12:00:00.000Z", "level": "warning", "event": "message", "text": "a b"}
    ]
    assert looks == [1]


@pytest.mark.parametrize("name", [delivery.__name__, "stockctl.renamed"])
def test_the_name_of_a_logger_decides_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """What the delivery logs is an event of delivery wherever its module moves."""
    logger, lines, checks = logging.getLogger(name), [], []
    monkeypatch.setattr(delivery, "_log", logger)
    monkeypatch.setattr(logger, "propagate", False)
    caplog.set_level(logging.INFO, name)
    monkeypatch.setattr(logger, "handlers", [])
    logger.addHandler(LogfmtHandler(LogfmtLogger(lines.append), lambda: checks.append(name)))
    policy = RetryPolicy(DeliveryStats(), GracePeriod(Event()), uniform=lambda _, __: 0.0)
    for _ in range(3):
        policy.wait(DeliveryError("Gone.", records=(), retryable=True), time.monotonic())
    policy.succeeded()
    assert checks == [name, name]
    assert lines == []


def test_another_reason_is_no_change():
    """A condition holds since it began, with the reason of now."""
    moments = iter(NOON + timedelta(seconds=seconds) for seconds in (0, 10))
    states = StateTracker(lambda: next(moments))
    states.update(figures(fault="one").states())
    assert states.update(figures(fault="two").states()) == []
    delivery = states.current["delivery"]
    assert (delivery.since, delivery.reason) == (NOON, "two")
