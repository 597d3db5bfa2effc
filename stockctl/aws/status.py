"""How the pipeline is, as named facts."""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from stockctl.aws.bundle import Bundle
from stockctl.aws.clients import Connection
from stockctl.aws.deployment import code_sha256
from stockctl.aws.drift import drifted
from stockctl.aws.emptying import count
from stockctl.aws.faults import explained
from stockctl.aws.kept import FAILED_BATCHES, QUARANTINE, describe_table
from stockctl.aws.names import Names
from stockctl.aws.progress import Pace
from stockctl.aws.refused import error_code
from stockctl.aws.stack import Description
from stockctl.aws.subscriptions import census
from stockctl.aws.triggers import states
from stockctl.errors import AwsError

Fact = tuple[str, str | int]

_ABSENT = ("ResourceNotFoundException", "NoSuchBucket", "NotFound", "NotFoundException")


class Look:
    """A look at every part of one pipeline.

    Args:
        connection: to the account.
        names: what things are called there.
        found: the stack.
        pace: how often to look at what is under way.
        bundle: the code that is installed here.
    """

    def __init__(
        self, connection: Connection, names: Names, found: Description, pace: Pace, bundle: Bundle
    ) -> None:
        self._connection = connection
        self._bundle = bundle
        self._names = names
        self._found = found
        self._pace = pace

    def facts(self) -> list[Fact]:
        """Return what there is to know, in the order to show it; a part that is gone is said to be.

        Raises:
            AwsError: AWS cannot be asked.
        """
        stack = f"{self._names.stack}: {self._found.status}"
        facts: list[Fact] = [("account", f"{self._names.account}, {self._names.region}"), ("stack", stack)]
        if self._found.dead:
            return facts
        return facts + [(what, _unless_gone(look)) for what, look in self._parts()]

    def _parts(self) -> Iterator[tuple[str, Callable[[], str | int]]]:
        names = self._names
        yield "drift", self._drift
        yield "stream", self._stream
        yield "ingest", lambda: self._function(names.ingest_function)
        yield "trend", lambda: self._function(names.trend_function)
        yield "alarms", self._alarms
        yield "subscriptions", self._subscriptions
        yield "quotes", lambda: self._items(names.table)
        yield "alerts", lambda: self._items(names.alerts_table)
        yield "quarantined", lambda: self._objects(QUARANTINE)
        yield "failed batches", lambda: self._objects(FAILED_BATCHES)

    def _drift(self) -> str:
        if not self._found.status.endswith("_COMPLETE"):
            return f"not looked for while the stack is {self._found.status}"
        differing = drifted(self._connection.client("cloudformation"), self._found.stack_id, self._pace)
        return "still being looked for" if differing is None else ", ".join(differing) or "none"

    def _stream(self) -> str:
        with explained():
            answer = self._connection.client("kinesis").describe_stream_summary(StreamName=self._names.stream)
        stream: dict[str, Any] = answer["StreamDescriptionSummary"]
        mode = stream.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
        shards = stream["OpenShardCount"]
        return (
            f"{self._names.stream}: {stream['StreamStatus']}, {mode.lower().replace('_', '-')}, "
            f"{shards} shard{'s' if shards != 1 else ''}, {stream['RetentionPeriodHours']} hours"
        )

    def _function(self, name: str) -> str:
        functions = self._connection.client("lambda")
        code = (
            "as installed here" if code_sha256(functions, name) == self._bundle.sha256 else "other than here"
        )
        return f"{name}: trigger {', '.join(states(functions, name)) or 'gone'}, code {code}"

    def _alarms(self) -> str:
        cloudwatch = self._connection.client("cloudwatch")
        ringing: list[str] = []
        with explained():
            for function in self._names.functions:
                answer = cloudwatch.describe_alarms(AlarmNamePrefix=f"{function}-", StateValue="ALARM")
                ringing += [alarm["AlarmName"] for alarm in answer["MetricAlarms"]]
        return ", ".join(ringing) or "none"

    def _subscriptions(self) -> str:
        return str(census(self._connection.client("sns"), self._found.outputs["AlertTopicArn"]))

    def _items(self, name: str) -> str:
        table = describe_table(self._connection.client("dynamodb"), name)
        if table is None:
            return _GONE
        return f"about {table['ItemCount']:,} (DynamoDB counts every six hours)"

    def _objects(self, prefix: str) -> int:
        return count(self._connection.client("s3"), self._names.bucket, self._names.account, prefix)


_GONE = "gone: it was deleted outside of the stack"


def _unless_gone(look: Callable[[], str | int]) -> str | int:
    try:
        return look()
    except AwsError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and error_code(cause) in _ABSENT:
            return _GONE
        raise
