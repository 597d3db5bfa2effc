"""Deletes the pipeline, with or without the data.

The order: stop new invocations, wait for running ones, delete the stack, then delete what the stack retains.
It can be interrupted at any point and run again.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.cloudformation import Description, Stack, preview_stack_name
from stockctl.backends.aws.stack.event_sources import set_enabled, wait_until_idle
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.lambda_code import ownership
from stockctl.backends.aws.stack.polling import PollInterval, wait_for
from stockctl.backends.aws.stack.retained_data import (
    LAYOUT,
    count_data,
    delete_contents,
    describe_table,
    find_deletable,
    foreign_entries,
)
from stockctl.backends.aws.stack.subscriptions import count_subscriptions
from stockctl.backends.base import Report, Step
from stockctl.errors import AwsError

_MAX_INVOCATION_SECONDS = 900.0
_ATTEMPTS_TO_EMPTY = 5


class DeletedObjects(NamedTuple):
    """Progress event: how many S3 objects were deleted so far."""

    total: int

    def __str__(self) -> str:
        return f"{self.total:,} objects deleted"


class _DeletionProgress:
    """Adds up deleted objects over several buckets and prefixes, and reports the total."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._total = 0

    def add(self, number: int) -> None:
        self._total += number
        self._report(DeletedObjects(self._total))


class Teardown:
    """Deletes the pipeline with the given names.

    Args:
        connection: the connection to the AWS account.
        names: names of the resources.
        poll_interval: time between two requests while waiting.
    """

    def __init__(self, connection: Connection, names: Names, poll_interval: PollInterval) -> None:
        self._connection = connection
        self._names = names
        self._poll_interval = poll_interval
        self._stack = Stack(connection.client("cloudformation"), names.stack, poll_interval)

    def plan(self, *, keep_data: bool) -> Sequence[Step]:
        """Return what ``run`` would delete and keep; empty if there is nothing to delete.

        Raises:
            AwsError: a request to AWS fails.
        """
        stack = self._stack.describe()
        in_stack = self._stack.physical_ids(stack)
        steps = [
            *self._stack_steps(stack, len(in_stack)),
            *self._data_steps(self._names.as_deployed(in_stack), in_stack.values(), keep_data=keep_data),
            *self._artifact_steps(),
        ]
        return steps if any(step.action == "delete" for step in steps) else ()

    def run(self, *, keep_data: bool, report: Report) -> Sequence[str]:
        """Delete the pipeline; return what was left because stockctl did not create it.

        Args:
            keep_data: whether to keep the data bucket and the tables.
            report: takes the progress.

        Raises:
            AwsError: something could not be deleted; the message names it and the reason.
        """
        stack = self._stack.wait_until_settled(report)
        in_stack = self._stack.physical_ids(stack)
        names = self._names.as_deployed(in_stack)
        if stack is not None:
            self._stop_functions(stack, names, report)
            self._stack.delete(stack, report)
        self._stack.delete_if_in_review()
        preview = preview_stack_name(self._names)
        Stack(self._connection.client("cloudformation"), preview, self._poll_interval).delete_if_in_review()
        progress = _DeletionProgress(report)
        left = [] if keep_data else self._delete_data(names, in_stack.values(), report, progress)
        self._delete_artifacts(report, progress)
        return left

    def _stack_steps(self, stack: Description | None, resources: int) -> list[Step]:
        if stack is None:
            return []
        detail = f"{resources} resources; status {stack.status}"
        steps = [Step("delete", self._names.stack, "CloudFormation stack", detail)]
        if topic := stack.outputs.get("AlertTopicArn"):
            subscriptions = count_subscriptions(self._connection.client("sns"), topic)
            steps.append(Step("delete", topic.rpartition(":")[2], "SNS topic", str(subscriptions)))
        return steps

    def _data_steps(self, names: Names, in_stack: Collection[str], *, keep_data: bool) -> list[Step]:
        deletable = find_deletable(self._connection, names, in_stack)
        held = [(names.bucket, "S3 bucket", self._count_objects(names))] if deletable.bucket else []
        held += [(name, "DynamoDB table", self._count_items(name)) for name in deletable.tables]
        if keep_data:
            return [Step("keep", *each, "kept") for each in held]
        steps = [Step("delete", *each, "lost") for each in held]
        return steps + [
            Step("keep", name, kind, f"stockctl did not create all of it: {reason}", "kept")
            for name, kind, reason in deletable.foreign
        ]

    def _count_objects(self, names: Names) -> str:
        s3 = self._connection.client("s3")
        counts = {
            content: count_data(s3, names.bucket, names.account, prefix) for prefix, content in LAYOUT.items()
        }
        return ", ".join(f"{number:,} {content}" for content, number in counts.items())

    def _count_items(self, table: str) -> str:
        description = describe_table(self._connection.client("dynamodb"), table) or {}
        return f"about {description.get('ItemCount', 0):,} items (DynamoDB counts every six hours)"

    def _artifact_steps(self) -> list[Step]:
        s3, names = self._connection.client("s3"), self._names
        if ownership(s3, names.artifacts, names.account) != "ours":
            return []
        number = count_data(s3, names.artifacts, names.account)
        noun = "zip" if number == 1 else "zips"
        return [Step("delete", names.artifacts, "S3 bucket", f"{number:,} {noun} of code")]

    def _stop_functions(self, stack: Description, names: Names, report: Report) -> None:
        """Disable the triggers and wait until running invocations end."""
        set_enabled(self._connection.client("lambda"), names, report, self._poll_interval, on=False)
        timeout = float(stack.parameters.get("TimeoutSeconds", _MAX_INVOCATION_SECONDS))
        wait_until_idle(self._connection.client("logs"), names, timeout, report, self._poll_interval)

    def _delete_data(
        self, names: Names, in_stack: Collection[str], report: Report, progress: _DeletionProgress
    ) -> list[str]:
        deletable = find_deletable(self._connection, names, in_stack)
        for name in deletable.tables:
            self._delete_table(name, report)
        if deletable.bucket:
            self._delete_data_bucket(names, report, progress)
        return [f"{name} ({reason})" for name, _, reason in deletable.foreign]

    def _delete_table(self, name: str, report: Report) -> None:
        dynamodb = self._connection.client("dynamodb")
        report(StackEvent(name, "DELETE_IN_PROGRESS"))
        with translate_errors():
            dynamodb.delete_table(TableName=name)
        wait_for(dynamodb, "table_not_exists", self._poll_interval, TableName=name)
        report(StackEvent(name, "DELETE_COMPLETE"))

    def _delete_data_bucket(self, names: Names, report: Report, progress: _DeletionProgress) -> None:
        """Delete the data bucket, or our objects in it, including objects written during the deletion."""
        s3 = self._connection.client("s3")
        report(StackEvent(names.bucket, "DELETE_IN_PROGRESS"))
        for _ in range(_ATTEMPTS_TO_EMPTY):
            for prefix in LAYOUT:
                delete_contents(s3, names.bucket, names.account, prefix, progress.add)
            if foreign_entries(s3, names):
                return
            if self._delete_bucket(names.bucket):
                report(StackEvent(names.bucket, "DELETE_COMPLETE"))
                return
            self._poll_interval.wait()
        raise AwsError(
            f"The bucket {names.bucket} could not be emptied: new objects keep arriving.",
            "Stop the programs that write into it, then run 'stockctl teardown' again.",
        )

    def _delete_artifacts(self, report: Report, progress: _DeletionProgress) -> None:
        s3, names = self._connection.client("s3"), self._names
        if ownership(s3, names.artifacts, names.account) != "ours":
            return
        report(StackEvent(names.artifacts, "DELETE_IN_PROGRESS"))
        delete_contents(s3, names.artifacts, names.account, "", progress.add)
        self._delete_bucket(names.artifacts)
        report(StackEvent(names.artifacts, "DELETE_COMPLETE"))

    def _delete_bucket(self, bucket: str) -> bool:
        """Delete a bucket; return False if it is no longer empty."""
        with translate_errors():
            try:
                self._connection.client("s3").delete_bucket(
                    Bucket=bucket, ExpectedBucketOwner=self._names.account
                )
            except ClientError as error:
                if error_code(error) == "BucketNotEmpty":
                    return False
                raise
        return True
