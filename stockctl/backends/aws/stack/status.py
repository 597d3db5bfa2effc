"""The status of a pipeline on AWS: stack, drift, stream, functions, alarms, subscriptions, data."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.cloudformation import Description, Stack
from stockctl.backends.aws.stack.event_sources import trigger_states
from stockctl.backends.aws.stack.lambda_code import Bundle, code_sha256
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.backends.aws.stack.retained_data import FAILED_BATCHES, QUARANTINE, count_data, describe_table
from stockctl.backends.aws.stack.subscriptions import count_subscriptions
from stockctl.errors import AwsError

Fact = tuple[str, str | int]

_DRIFT_TIMEOUT_SECONDS = 60.0
_NOT_FOUND_CODES = ("ResourceNotFoundException", "NoSuchBucket", "NotFound", "NotFoundException")
_DELETED = "deleted outside of the stack"


def stack_facts(
    connection: Connection, names: Names, poll_interval: PollInterval, build_code: Callable[[], Bundle]
) -> Sequence[Fact]:
    """Return the state of the pipeline's resources, in display order; deleted ones are reported as such.

    Args:
        connection: the connection to the AWS account.
        names: names of the resources.
        poll_interval: time between two requests while waiting.
        build_code: builds the code of the functions, to compare it with what is deployed.

    Raises:
        AwsError: there is no stack, or a request to AWS fails.
    """
    stack = Stack(connection.client("cloudformation"), names.stack, poll_interval)
    description = stack.describe()
    if description is None:
        raise AwsError(
            f"There is no stack {names.stack} in {names.region} (account {names.account}).",
            "Run 'stockctl provision' first, or set aws.region to the region of the pipeline.",
        )
    facts: list[Fact] = [
        ("account", f"{names.account}, {names.region}"),
        ("stack", f"{names.stack}: {description.status}"),
    ]
    if description.must_be_deleted:
        return facts
    deployed = names.as_deployed(stack.physical_ids(description))
    collector = _FactCollector(connection, deployed, description, poll_interval, build_code())
    return facts + [(name, _or_deleted(read)) for name, read in collector.parts()]


class _FactCollector:
    """Reads the state of each part of one pipeline."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        stack: Description,
        poll_interval: PollInterval,
        bundle: Bundle,
    ) -> None:
        self._connection = connection
        self._bundle = bundle
        self._names = names
        self._stack = stack
        self._poll_interval = poll_interval

    def parts(self) -> Iterator[tuple[str, Callable[[], str | int]]]:
        """Yield the name of each part and the function that reads it."""
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
        if not self._stack.status.endswith("_COMPLETE"):
            return f"not checked while the stack is {self._stack.status}"
        drifted = _drifted_resources(
            self._connection.client("cloudformation"), self._stack.stack_id, self._poll_interval
        )
        return "the check is still running" if drifted is None else ", ".join(drifted) or "none"

    def _stream(self) -> str:
        with translate_errors():
            response = self._connection.client("kinesis").describe_stream_summary(
                StreamName=self._names.stream
            )
        stream: dict[str, Any] = response["StreamDescriptionSummary"]
        mode = stream.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
        shards = stream["OpenShardCount"]
        return (
            f"{self._names.stream}: {stream['StreamStatus']}, {mode.lower().replace('_', '-')}, "
            f"{shards} shard{'s' if shards != 1 else ''}, {stream['RetentionPeriodHours']} hours"
        )

    def _function(self, name: str) -> str:
        functions = self._connection.client("lambda")
        is_current = code_sha256(functions, name) == self._bundle.sha256
        triggers = ", ".join(trigger_states(functions, name)) or "none"
        code = "as installed here" if is_current else "differs from the installed code"
        return f"{name}: trigger {triggers}, code {code}"

    def _alarms(self) -> str:
        cloudwatch = self._connection.client("cloudwatch")
        active: list[str] = []
        with translate_errors():
            for function in self._names.functions:
                response = cloudwatch.describe_alarms(AlarmNamePrefix=f"{function}-", StateValue="ALARM")
                active += [alarm["AlarmName"] for alarm in response["MetricAlarms"]]
        return ", ".join(active) or "none"

    def _subscriptions(self) -> str:
        return str(count_subscriptions(self._connection.client("sns"), self._stack.outputs["AlertTopicArn"]))

    def _items(self, table: str) -> str:
        description = describe_table(self._connection.client("dynamodb"), table)
        if description is None:
            return _DELETED
        return f"about {description['ItemCount']:,} (DynamoDB counts every six hours)"

    def _objects(self, prefix: str) -> int:
        return count_data(self._connection.client("s3"), self._names.bucket, self._names.account, prefix)


def _or_deleted(read: Callable[[], str | int]) -> str | int:
    try:
        return read()
    except AwsError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and error_code(cause) in _NOT_FOUND_CODES:
            return _DELETED
        raise


def _drifted_resources(
    cloudformation: Client, stack_id: str, poll_interval: PollInterval
) -> Sequence[str] | None:
    """Return the resources that were changed or deleted outside of the stack; None if it takes too long."""
    with translate_errors():
        detection = cloudformation.detect_stack_drift(StackName=stack_id)["StackDriftDetectionId"]
    waited = 0.0
    while waited < _DRIFT_TIMEOUT_SECONDS:
        with translate_errors():
            response = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if response["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            return sorted(_read_drifts(cloudformation, stack_id))
        poll_interval.wait()
        waited += poll_interval.interval
    return None


def _read_drifts(cloudformation: Client, stack_id: str) -> list[str]:
    drifts: list[str] = []
    arguments = {"StackName": stack_id, "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"]}
    while True:
        with translate_errors():
            response = cloudformation.describe_stack_resource_drifts(**arguments)
        drifts += [
            f"{drift['LogicalResourceId']} {drift['StackResourceDriftStatus'].lower()}"
            for drift in response["StackResourceDrifts"]
        ]
        if "NextToken" not in response:
            return drifts
        arguments["NextToken"] = response["NextToken"]
