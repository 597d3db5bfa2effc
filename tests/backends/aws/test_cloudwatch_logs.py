"""The log of a function: past and new events, each one once, and a log group that does not exist yet."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.logs import LogLine, LogTail, log_group
from stockctl.backends.aws.names import Names
from stockctl.errors import AwsError
from stockctl.market.timestamp import format_timestamp
from support.aws.call_log import noted_calls
from support.aws.loopback_server import Answer, Request, json_error, loopback
from support.aws.moto_account import CREDENTIALS

NOW = datetime.now(UTC).replace(microsecond=0)
GROUP = "/aws/lambda/stock-market-ingest"


class Enough(Exception):
    """The test has seen what it wanted."""


class Clock:
    """A clock that a wait puts forward; at each wait something may happen."""

    def __init__(self, *happenings: Callable[[], None], step: timedelta = timedelta(seconds=2)) -> None:
        self.now = NOW
        self.waits = 0
        self._happenings = list(happenings)
        self._step = step

    def __call__(self) -> datetime:
        return self.now

    def wait(self) -> None:
        """Let time pass; end the test after the last happening."""
        self.waits += 1
        self.now += self._step
        if not self._happenings:
            raise Enough
        self._happenings.pop(0)()


def ago(**span: float) -> str:
    """Return a moment in the past."""
    return format_timestamp(NOW - timedelta(**span))


def write(connection: Connection, moment: datetime, message: str, stream: str = "one") -> None:
    """Write an event of a function into its log, as Lambda does."""
    logs = connection.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        logs.create_log_group(logGroupName=GROUP)
    if not logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]:
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    milliseconds = int(moment.timestamp() * 1000)
    logs.put_log_events(
        logGroupName=GROUP, logStreamName=stream, logEvents=[{"timestamp": milliseconds, "message": message}]
    )


def follow(connection: Connection, clock: Clock, since: str) -> tuple[list[LogLine], int]:
    """Return what a tail gives until the clock has had enough, and how often the group was missed."""
    seen: list[LogLine] = []
    missed: list[None] = []
    tail = LogTail(connection, GROUP, since, clock)
    with contextlib.suppress(Enough):
        for line in tail.follow(clock.wait, lambda: missed.append(None)):
            seen.append(line)  # noqa: PERF402 - what came before the end has to be kept
    return seen, len(missed)


def test_each_stage_has_its_group(names: Names) -> None:
    """The groups are those of the functions."""
    assert [log_group(names, "ingest"), log_group(names, "trend")] == [
        "/aws/lambda/stock-market-ingest",
        "/aws/lambda/stock-market-trend",
    ]


def test_history_begins_at_since(empty_account: Connection) -> None:
    """Older events are left out; time and text come without the line's end."""
    write(empty_account, NOW - timedelta(minutes=20), "old")
    write(empty_account, NOW - timedelta(minutes=5), '{"message": "stored"}\n')
    write(empty_account, NOW - timedelta(minutes=1), "two\nlines\n", stream="two")

    lines = list(LogTail(empty_account, GROUP, ago(minutes=10), lambda: NOW).read())

    assert lines == [
        LogLine(ago(minutes=5), '{"message": "stored"}'),
        LogLine(ago(minutes=1), "two\nlines"),
    ]


def test_a_read_again_gives_only_what_is_new(empty_account: Connection) -> None:
    """No event comes twice, though the last minute is read again for those that come late."""
    write(empty_account, NOW - timedelta(seconds=30), "first")
    tail = LogTail(empty_account, GROUP, ago(minutes=10), lambda: NOW)
    assert [line.message for line in tail.read()] == ["first"]

    write(empty_account, NOW - timedelta(seconds=45), "late", stream="two")
    write(empty_account, NOW - timedelta(seconds=30), "first", stream="two")

    assert [line.message for line in tail.read()] == ["late", "first"]
    assert list(tail.read()) == []


def test_events_without_an_id_come_once_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an endpoint gives no ``eventId``, stream, time and text tell events apart."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    def event(stream: str, message: str, later: int = 0) -> dict[str, object]:
        moment = int((NOW - timedelta(seconds=30)).timestamp() * 1000) + later
        return {"logStreamName": stream, "timestamp": moment, "message": message}

    looks = [
        [event("one", "same"), event("two", "same"), event("one", "other"), event("one", "same", later=1)],
        [event("one", "same"), event("one", "new")],
    ]

    def answer(_: Request) -> Answer:
        body = json.dumps({"events": looks.pop(0)}).encode()
        return Answer(200, body, {"Content-Type": "application/x-amz-json-1.1"})

    with loopback(answer) as server:
        tail = LogTail(Connection(endpoint_url=server.url, attempts=1), GROUP, ago(minutes=1), lambda: NOW)
        assert [line.message for line in tail.read()] == ["same", "same", "other", "same"]
        assert [line.message for line in tail.read()] == ["new"]


def test_following_gives_what_comes_with_a_wait_between(empty_account: Connection) -> None:
    """History first, then each event once; between two looks there is one wait and one call."""
    write(empty_account, NOW - timedelta(minutes=1), "history")
    clock = Clock(
        lambda: write(empty_account, NOW + timedelta(seconds=1), "live"),
        lambda: None,
        lambda: write(empty_account, NOW + timedelta(seconds=5), "more"),
    )

    with noted_calls(empty_account.client("logs")) as calls:
        lines, missed = follow(empty_account, clock, ago(minutes=10))

    assert [line.message for line in lines] == ["history", "live", "more"]
    assert missed == 0
    assert clock.waits == 4
    assert [call.operation for call in calls].count("FilterLogEvents") == 4


def test_a_group_that_is_not_there_yet_is_waited_for(empty_account: Connection) -> None:
    """The missing group is reported once; its events follow when it exists."""
    clock = Clock(
        lambda: None, lambda: write(empty_account, NOW + timedelta(seconds=3), "begun"), lambda: None
    )

    lines, missed = follow(empty_account, clock, ago(minutes=10))

    assert [line.message for line in lines] == ["begun"]
    assert missed == 1


def test_without_following_an_absent_group_is_an_error(empty_account: Connection) -> None:
    """The group is named, and the command that makes it."""
    with pytest.raises(AwsError, match=f"{GROUP} does not exist") as raised:
        list(LogTail(empty_account, GROUP, ago(minutes=10), lambda: NOW).read())

    assert "stockctl provision" in (raised.value.hint or "")


def test_a_long_silence_is_not_read_again_and_again(empty_account: Connection) -> None:
    """The begin of each look moves on with the clock, so that an idle log stays cheap to follow."""
    write(empty_account, NOW - timedelta(hours=2), "history")
    clock = Clock(lambda: None, step=timedelta(hours=1))

    with noted_calls(empty_account.client("logs")) as calls:
        follow(empty_account, clock, ago(days=1))

    begins = [call.parameters["startTime"] for call in calls if call.operation == "FilterLogEvents"]
    assert begins == [
        int((NOW - timedelta(days=1)).timestamp() * 1000),
        int((NOW - timedelta(minutes=10)).timestamp() * 1000),
    ]


def test_more_than_a_page_is_read(empty_account: Connection) -> None:
    """All pages are read, those without an event too."""
    logs = empty_account.client("logs")
    write(empty_account, NOW - timedelta(minutes=5), "0")
    for first in range(1, 10_100, 2_000):
        events = [
            {
                "timestamp": int((NOW - timedelta(minutes=4)).timestamp() * 1000) + number,
                "message": str(number),
            }
            for number in range(first, min(first + 2_000, 10_100))
        ]
        logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=events)

    lines = list(LogTail(empty_account, GROUP, ago(minutes=10), lambda: NOW).read())

    assert [line.message for line in lines] == [str(number) for number in range(10_100)]


def test_a_refused_look_ends_the_following(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an absent group is waited for; a denied call names the permission and is not repeated."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    denied = json_error("AccessDeniedException", "no")
    with loopback(lambda _: denied) as server:
        tail = LogTail(Connection(endpoint_url=server.url, attempts=1), GROUP, ago(minutes=1), lambda: NOW)
        with pytest.raises(AwsError, match="logs:FilterLogEvents on /aws/lambda/stock-market-ingest"):
            next(tail.follow(Clock().wait, lambda: None))

    assert len(server.requests) == 1
