"""Taking the pipeline down, all of it or all but the data.

In this order: no new invocations, no running ones, the stack, then what the stack retains. Interrupted at any
point, it can be run again.
"""

from collections.abc import Callable, Collection, Sequence

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Connection
from stockctl.backends.aws.errors import error_code, translate_errors
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack import retained_data
from stockctl.backends.aws.stack.changes import Change
from stockctl.backends.aws.stack.cloudformation import Description, Stack, change_set_preview
from stockctl.backends.aws.stack.event_sources import set_enabled, wait_until_idle
from stockctl.backends.aws.stack.events import PollInterval, Report, StackEvent
from stockctl.backends.aws.stack.lambda_code import ownership
from stockctl.backends.aws.stack.retained_data import (
    LAYOUT,
    delete_contents,
    describe_table,
    find_deletable,
    foreign_entries,
)
from stockctl.errors import AwsError

_LONGEST_RUN = 900.0
_TRIES_TO_EMPTY = 5

Deleted = Callable[[int], None]


class _Counter:
    """Counts what was deleted, and tells the sum."""

    def __init__(self, tell: Deleted) -> None:
        self._tell = tell
        self._total = 0

    def add(self, number: int) -> None:
        self._total += number
        self._tell(self._total)


class Teardown:
    """Taking down what ``names`` call.

    Args:
        connection: to the account.
        names: what things are called there.
        pace: how often to look at what is under way.
    """

    def __init__(self, connection: Connection, names: Names, pace: PollInterval) -> None:
        self._connection = connection
        self._names = names
        self._pace = pace
        self._stack = Stack(connection.client("cloudformation"), names.stack, pace)

    def plan(self, *, keep_data: bool) -> Sequence[Change]:
        """Return what ``run`` would delete and keep; empty when there is nothing to delete.

        Raises:
            AwsError: AWS cannot be asked.
        """
        return retained_data.adopt(
            self._connection, self._names, self._stack, self._stack.describe(), keep_data=keep_data
        )

    def run(self, *, keep_data: bool, report: Report, deleted: Deleted) -> Sequence[str]:
        """Take it down and return what is left because stockctl did not make it.

        Args:
            keep_data: whether bucket and tables stay.
            report: takes what happens.
            deleted: takes the number of objects that were deleted so far, now and then.

        Raises:
            AwsError: something could not be deleted; the message names it and tells why.
        """
        found = self._stack.settle(report)
        owned = self._stack.physical_ids(found)
        names = self._names.as_deployed(owned)
        if found is not None:
            self._quieten(found, names, report)
            self._stack.delete(found, report)
        self._stack.forget_review()
        Stack(
            self._connection.client("cloudformation"), change_set_preview(self._names), self._pace
        ).forget_review()
        tally = _Counter(deleted)
        left = [] if keep_data else self._delete_data(names, owned.values(), report, tally)
        self._delete_artifacts(report, tally)
        return left

    def _quieten(self, found: Description, names: Names, report: Report) -> None:
        """Let the functions finish what they have begun, and begin nothing more."""
        set_enabled(self._connection.client("lambda"), names, report, self._pace, on=False)
        longest = float(found.parameters.get("TimeoutSeconds", _LONGEST_RUN))
        wait_until_idle(self._connection.client("logs"), names, longest, report, self._pace)

    def _delete_data(
        self, names: Names, owned: Collection[str], report: Report, tally: _Counter
    ) -> list[str]:
        may_go = find_deletable(self._connection, names, owned)
        for name in may_go.tables:
            self._delete_table(name, report)
        if may_go.bucket:
            self._delete_bucket(names, report, tally)
        return [f"{name} ({why})" for name, _, why in may_go.strange]

    def _delete_table(self, name: str, report: Report) -> None:
        dynamodb = self._connection.client("dynamodb")
        report(StackEvent(name, "DELETE_IN_PROGRESS"))
        with translate_errors():
            dynamodb.delete_table(TableName=name)
        while describe_table(dynamodb, name) is not None:
            self._pace.wait()
        report(StackEvent(name, "DELETE_COMPLETE"))

    def _delete_bucket(self, names: Names, report: Report, tally: _Counter) -> None:
        """Delete the data bucket, or all in it that is ours; a write that comes late is deleted too."""
        s3 = self._connection.client("s3")
        report(StackEvent(names.bucket, "DELETE_IN_PROGRESS"))
        for _ in range(_TRIES_TO_EMPTY):
            for prefix in LAYOUT:
                delete_contents(s3, names.bucket, names.account, prefix, tally.add)
            if foreign_entries(s3, names):
                return
            if self._gone(names.bucket):
                report(StackEvent(names.bucket, "DELETE_COMPLETE"))
                return
            self._pace.wait()
        raise AwsError(
            f"The bucket {names.bucket} fills as fast as it is emptied.",
            "Stop what writes into it, and run 'stockctl teardown' again.",
        )

    def _delete_artifacts(self, report: Report, tally: _Counter) -> None:
        s3, names = self._connection.client("s3"), self._names
        if ownership(s3, names.artifacts, names.account) != "ours":
            return
        report(StackEvent(names.artifacts, "DELETE_IN_PROGRESS"))
        delete_contents(s3, names.artifacts, names.account, "", tally.add)
        self._gone(names.artifacts)
        report(StackEvent(names.artifacts, "DELETE_COMPLETE"))

    def _gone(self, bucket: str) -> bool:
        """Delete a bucket; False when something has come into it meanwhile."""
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
