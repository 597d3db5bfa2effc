"""Reads the CloudWatch log of a Lambda function, and follows it."""

from collections.abc import Callable, Hashable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names
from stockctl.errors import AwsError
from stockctl.market.timestamp import format_timestamp, to_datetime

Stage = Literal["ingest", "trend"]

# Log events of several function instances arrive late by some seconds, and out of order.
_OVERLAP = timedelta(minutes=1)
# No log event arrives later than this, so that older ones are not read again.
_MAX_DELAY = timedelta(minutes=10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def _now() -> datetime:
    return datetime.now(UTC)


class LogLine(NamedTuple):
    """One log event; the message is the line that the function wrote, usually JSON, without line end."""

    timestamp: str
    message: str


def log_group(names: Names, stage: Stage) -> str:
    """Return the log group of a stage's function."""
    function = names.ingest_function if stage == "ingest" else names.trend_function
    return f"/aws/lambda/{function}"


class LogTail:
    """Reads the new events of a log group.

    Args:
        connection: the connection to the AWS account.
        group: the log group.
        since: the timestamp to read from.
        clock: returns the current time as an aware datetime.
    """

    def __init__(
        self, connection: Connection, group: str, since: str, clock: Callable[[], datetime] = _now
    ) -> None:
        self._logs: Client = connection.client("logs")
        self._group = group
        self._clock = clock
        self._since = _milliseconds(to_datetime(since))
        self._seen: dict[Hashable, int] = {}

    def read(self) -> Iterator[LogLine]:
        """Yield the events that were not read yet, each one once.

        Raises:
            AwsError: the log group does not exist, or a request to CloudWatch fails.
        """
        read_at = self._clock()
        paginator = self._logs.get_paginator("filter_log_events")
        pages = iter(paginator.paginate(logGroupName=self._group, startTime=self._since))
        while (page := _next(pages)) is not None:
            for event in sorted(page["events"], key=lambda event: int(event["timestamp"])):
                if (identity := _identity(event)) not in self._seen:
                    self._seen[identity] = event["timestamp"]
                    yield _line(event)
        self._advance(read_at)

    def follow(self, wait: Callable[[], None], on_missing: Callable[[], None]) -> Iterator[LogLine]:
        """Yield the events so far, then new ones, without end.

        Args:
            wait: waits until the next request.
            on_missing: is called once if the log group does not exist yet; then it is waited for.

        Raises:
            AwsError: a request to CloudWatch fails.
        """
        reported = False
        while True:
            try:
                yield from self.read()
            except AwsError as error:
                if not _is_missing_group(error):
                    raise
                if not reported:
                    on_missing()
                reported = True
            wait()

    def _advance(self, read_at: datetime) -> None:
        newest = max(self._seen.values(), default=0)
        self._since = max(self._since, newest - _OVERLAP // _MILLISECOND, _milliseconds(read_at - _MAX_DELAY))
        self._seen = {identity: time for identity, time in self._seen.items() if time >= self._since}


def _next(pages: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    with translate_errors():
        return next(pages, None)


def _identity(event: dict[str, Any]) -> Hashable:
    # Some AWS-compatible endpoints give events no id.
    return event.get("eventId") or (event.get("logStreamName"), event["timestamp"], event["message"])


def _line(event: dict[str, Any]) -> LogLine:
    time = _EPOCH + event["timestamp"] * _MILLISECOND
    return LogLine(format_timestamp(time), event["message"].rstrip())


def _milliseconds(time: datetime) -> int:
    return max(0, (time - _EPOCH) // _MILLISECOND)


def _is_missing_group(error: AwsError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and error_code(cause) == "ResourceNotFoundException"
