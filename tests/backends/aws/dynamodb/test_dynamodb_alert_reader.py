"""Reading the alert log: recent and older alerts, filters, and the tail."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.dynamodb.items import alert_item
from stockctl.backends.aws.dynamodb.readers import DynamoAlertReader
from stockctl.errors import AwsError
from stockctl.market.alert import Alert
from stockctl.market.timestamp import format_timestamp
from support.aws.call_log import noted_calls
from support.aws.moto_account import ALERTS, NOW


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def alert(created: datetime, name: str = "a", kind: str = "anomaly") -> Alert:
    """Return an alert of a moment."""
    moment, signal = format_timestamp(created), None if kind == "anomaly" else "buy"
    return Alert(
        f"{moment}|{name}", "AAPL", "2019-02-11T14:31:00.000Z", kind, signal, Decimal(100), None, None, None,
        "a message", moment, None, None,
    )  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    """The clock of the command line."""
    return Clock()


@pytest.fixture
def reader(connection: Connection, clock: Clock) -> DynamoAlertReader:
    """A reader of an empty log."""
    return DynamoAlertReader(connection.client("dynamodb"), ALERTS, clock)


@pytest.fixture
def log(connection: Connection) -> Callable[[Sequence[Alert]], None]:
    """Put alerts into the log."""

    def put(alerts: Sequence[Alert]) -> None:
        for item in alerts:
            connection.client("dynamodb").put_item(TableName=ALERTS, Item=alert_item(item))

    return put


@pytest.mark.parametrize("days", [(0, 1, 2, 13), (0, 13, 14, 15, 40), (14, 400), (400, 8000)])
def test_recent_reaches_as_far_back_as_there_are_alerts(
    days: tuple[int, ...], reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None]
):
    """Recent alerts come from the index and older ones from a scan; together they are complete."""
    alerts = [alert(NOW - timedelta(days=day)) for day in days]
    log(alerts)
    assert reader.recent() == alerts
    for limit in range(1, len(alerts) + 2):
        assert reader.recent(limit=limit) == alerts[:limit]
    for index, day in enumerate(days):
        since = format_timestamp(NOW - timedelta(days=day))
        assert reader.recent(since=since) == alerts[: index + 1]
        assert reader.recent(since=since, limit=1) == alerts[:1]


def test_recent_alerts_cost_a_query_a_day(
    reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None], connection: Connection
):
    """A long log is not read for what happened in it lately."""
    log([alert(NOW - timedelta(hours=7 * number)) for number in range(60)])
    with noted_calls(connection.client("dynamodb")) as calls:
        assert len(reader.recent(since=format_timestamp(NOW - timedelta(hours=30)))) == 5
        assert len(reader.recent(limit=5)) == 5
    assert [call.operation for call in calls] == ["Query"] * 4
    assert {call.parameters["IndexName"] for call in calls} == {"by_day"}


def test_a_limit_of_some_kinds_counts_what_is_shown(
    reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None]
):
    """Far back as well."""
    alerts = [
        alert(NOW - timedelta(days=9 * number), kind=("anomaly", "trend_up")[number % 2])
        for number in range(8)
    ]
    log(alerts)
    assert reader.recent(kinds=["trend_up"], limit=3) == alerts[1:7:2]
    assert reader.recent(kinds=["trend_up", "anomaly"]) == alerts


def test_count_counts_all(reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None]):
    """Old and new."""
    log([alert(NOW - timedelta(days=100 * number)) for number in range(4)])
    assert reader.count() == 4


def test_a_log_that_is_not_there_is_explained(connection: Connection, clock: Clock):
    """For any arguments."""
    reader = DynamoAlertReader(connection.client("dynamodb"), "other-table", clock)
    tail = reader.follow("2026-01-05T00:00:00.000Z")
    for ask in (reader.recent, lambda: reader.recent(limit=1), reader.count, reader.follow, tail.read):
        with pytest.raises(AwsError, match="other-table does not exist in region eu-west-1"):
            ask()


def test_a_tail_shows_what_appears_behind_its_newest(
    reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None], clock: Clock
):
    """An alert that was slow to be written, by less than a minute, is not lost; none comes twice."""
    tail = reader.follow()
    late, newest = alert(NOW + timedelta(seconds=1)), alert(NOW + timedelta(seconds=50))
    log([newest])
    assert tail.read() == [newest]
    log([late])
    clock.now += timedelta(seconds=55)
    assert tail.read() == [late]
    assert tail.read() == []


def test_a_tail_looks_back_a_minute_and_no_more(
    reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None], connection: Connection
):
    """What a read costs depends on the last minute, not on how long the tail has run."""
    tail = reader.follow()
    log([alert(NOW + timedelta(seconds=10 * number)) for number in range(30)])
    tail.read()
    with noted_calls(connection.client("dynamodb")) as calls:
        assert tail.read() == []
    (call,) = calls
    since = call.parameters["ExpressionAttributeValues"][":first"]["S"]
    assert since == format_timestamp(NOW + timedelta(seconds=290 - 60))


def test_a_tail_that_waits_for_days_reads_only_the_last_hour(
    reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None], clock: Clock, connection: Connection
):
    """A quiet weekend does not make each read dearer, and the first alert after it is shown."""
    tail = reader.follow()
    clock.now += timedelta(days=3)
    assert tail.read() == []
    with noted_calls(connection.client("dynamodb")) as calls:
        assert tail.read() == []
    assert len(calls) == 1
    first = alert(clock.now + timedelta(seconds=1))
    log([first])
    assert tail.read() == [first]


def test_a_tail_crosses_midnight(
    reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None], clock: Clock
):
    """The last alerts of a day and the first ones of the next come in order, once."""
    midnight = NOW.replace(hour=0) + timedelta(days=1)
    clock.now = midnight - timedelta(seconds=30)
    tail = reader.follow()
    before, after = alert(midnight - timedelta(seconds=5)), alert(midnight + timedelta(seconds=5))
    log([before])
    assert tail.read() == [before]
    log([after])
    assert tail.read() == [after]
    clock.now = midnight + timedelta(seconds=30)
    assert tail.read() == []


@pytest.mark.parametrize("off", [timedelta(minutes=-30), timedelta(minutes=30)])
def test_a_clock_that_is_wrong_loses_no_alert(
    off: timedelta, reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None], clock: Clock
):
    """The tail goes by the alerts; its own clock only bounds how far it looks back."""
    log([alert(NOW - timedelta(seconds=5), "old")])
    clock.now += off
    tail = reader.follow()
    new = alert(NOW + timedelta(seconds=5), "new")
    log([new])
    assert tail.read() == [new]


@pytest.mark.parametrize("days", [0, 20, 9000])
def test_a_tail_with_history_begins_where_it_is_told(
    days: int, reader: DynamoAlertReader, log: Callable[[Sequence[Alert]], None]
):
    """From any distance, oldest first, and then goes on with what is new."""
    alerts = [alert(NOW - timedelta(days=9000 * part // 4)) for part in range(5)][::-1]
    log(alerts)
    since = format_timestamp(NOW - timedelta(days=days))
    tail = reader.follow(since)
    assert tail.read() == [item for item in alerts if item.created_at >= since]
    new = alert(NOW + timedelta(seconds=1))
    log([new])
    assert tail.read() == [new]
    assert tail.read() == []


def test_the_beginning_of_the_calendar_is_a_beginning_too(reader: DynamoAlertReader):
    """A moment a minute before which there is none."""
    tail = reader.follow("0001-01-01T00:00:00.000Z")
    assert tail.read() == []
    assert tail.read() == []
