"""The log of a function, from a moment on, and as it grows."""

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

# Lines of several instances arrive some seconds late, and not in order.
_OVERLAP = timedelta(minutes=1)
# Later than that no line comes, so that what is older need not be looked through again.
_SETTLED = timedelta(minutes=10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def _now() -> datetime:
    return datetime.now(UTC)


class LogLine(NamedTuple):
    """One event of a log; the message is what the function wrote, JSON mostly, without its line end."""

    timestamp: str
    message: str


def log_group(names: Names, stage: Stage) -> str:
    """Return the log group of a stage's function."""
    function = names.ingest_function if stage == "ingest" else names.trend_function
    return f"/aws/lambda/{function}"


class LogTail:
    """A place in a log that moves on with it.

    Args:
        connection: to the account.
        group: the log group.
        since: the first moment to read from.
        clock: tells the present as an aware datetime.
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
        """Yield what is there and was not read yet, each event once.

        Raises:
            AwsError: there is no such log group, or CloudWatch cannot be asked.
        """
        looked_at = self._clock()
        paginator = self._logs.get_paginator("filter_log_events")
        pages = iter(paginator.paginate(logGroupName=self._group, startTime=self._since))
        while (page := _next(pages)) is not None:
            for event in sorted(page["events"], key=lambda event: int(event["timestamp"])):
                if (identity := _identity(event)) not in self._seen:
                    self._seen[identity] = event["timestamp"]
                    yield _line(event)
        self._move_on(looked_at)

    def follow(self, wait: Callable[[], None], absent: Callable[[], None]) -> Iterator[LogLine]:
        """Yield what is there, then what comes; it does not end.

        Args:
            wait: passes the time between two looks.
            absent: is called once when there is no such log group, which is then waited for.

        Raises:
            AwsError: CloudWatch cannot be asked.
        """
        told = False
        while True:
            try:
                yield from self.read()
            except AwsError as error:
                if not _is_absent(error):
                    raise
                if not told:
                    absent()
                told = True
            wait()

    def _move_on(self, looked_at: datetime) -> None:
        newest = max(self._seen.values(), default=0)
        self._since = max(self._since, newest - _OVERLAP // _MILLISECOND, _milliseconds(looked_at - _SETTLED))
        self._seen = {name: moment for name, moment in self._seen.items() if moment >= self._since}


def _next(pages: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    with translate_errors():
        return next(pages, None)


def _identity(event: dict[str, Any]) -> Hashable:
    # Some endpoints that are compatible with AWS give events no id.
    return event.get("eventId") or (event.get("logStreamName"), event["timestamp"], event["message"])


def _line(event: dict[str, Any]) -> LogLine:
    moment = _EPOCH + event["timestamp"] * _MILLISECOND
    return LogLine(format_timestamp(moment), event["message"].rstrip())


def _milliseconds(moment: datetime) -> int:
    return max(0, (moment - _EPOCH) // _MILLISECOND)


def _is_absent(error: AwsError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and error_code(cause) == "ResourceNotFoundException"
