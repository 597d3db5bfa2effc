"""The status of a stack: resources, health, drift."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client, Connection
from stockctl.backends.aws.errors import error_code, translate_errors
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.cloudformation import Description
from stockctl.backends.aws.stack.event_sources import mapping_states
from stockctl.backends.aws.stack.events import PollInterval
from stockctl.backends.aws.stack.lambda_code import Bundle, code_sha256
from stockctl.backends.aws.stack.retained_data import FAILED_BATCHES, QUARANTINE, count_data, describe_table
from stockctl.backends.aws.stack.subscriptions import count_subscriptions
from stockctl.errors import AwsError

_LONGEST_SECONDS = 60.0


def drifted_resources(cloudformation: Client, stack_id: str, pace: PollInterval) -> Sequence[str] | None:
    """Return the resources that were changed or deleted outside of the stack; None when that takes too long.

    Raises:
        AwsError: CloudFormation cannot compare them.
    """
    with translate_errors():
        detection = cloudformation.detect_stack_drift(StackName=stack_id)["StackDriftDetectionId"]
    waited = 0.0
    while waited < _LONGEST_SECONDS:
        with translate_errors():
            answer = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if answer["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            return sorted(_differing(cloudformation, stack_id))
        pace.wait()
        waited += pace.interval
    return None


def _differing(cloudformation: Client, stack_id: str) -> list[str]:
    differing: list[str] = []
    arguments = {"StackName": stack_id, "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"]}
    while True:
        with translate_errors():
            answer = cloudformation.describe_stack_resource_drifts(**arguments)
        differing += [
            f"{each['LogicalResourceId']} {each['StackResourceDriftStatus'].lower()}"
            for each in answer["StackResourceDrifts"]
        ]
        if "NextToken" not in answer:
            return differing
        arguments["NextToken"] = answer["NextToken"]


Fact = tuple[str, str | int]

_ABSENT = ("ResourceNotFoundException", "NoSuchBucket", "NotFound", "NotFoundException")


class StatusCollector:
    """A look at every part of one pipeline.

    Args:
        connection: to the account.
        names: what things are called there.
        found: the stack.
        pace: how often to look at what is under way.
        bundle: the code that is installed here.
    """

    def __init__(
        self, connection: Connection, names: Names, found: Description, pace: PollInterval, bundle: Bundle
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
        differing = drifted_resources(
            self._connection.client("cloudformation"), self._found.stack_id, self._pace
        )
        return "still being looked for" if differing is None else ", ".join(differing) or "none"

    def _stream(self) -> str:
        with translate_errors():
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
        return f"{name}: trigger {', '.join(mapping_states(functions, name)) or 'gone'}, code {code}"

    def _alarms(self) -> str:
        cloudwatch = self._connection.client("cloudwatch")
        ringing: list[str] = []
        with translate_errors():
            for function in self._names.functions:
                answer = cloudwatch.describe_alarms(AlarmNamePrefix=f"{function}-", StateValue="ALARM")
                ringing += [alarm["AlarmName"] for alarm in answer["MetricAlarms"]]
        return ", ".join(ringing) or "none"

    def _subscriptions(self) -> str:
        return str(count_subscriptions(self._connection.client("sns"), self._found.outputs["AlertTopicArn"]))

    def _items(self, name: str) -> str:
        table = describe_table(self._connection.client("dynamodb"), name)
        if table is None:
            return _GONE
        return f"about {table['ItemCount']:,} (DynamoDB counts every six hours)"

    def _objects(self, prefix: str) -> int:
        return count_data(self._connection.client("s3"), self._names.bucket, self._names.account, prefix)


_GONE = "gone: it was deleted outside of the stack"


def _unless_gone(look: Callable[[], str | int]) -> str | int:
    try:
        return look()
    except AwsError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and error_code(cause) in _ABSENT:
            return _GONE
        raise
