"""The bucket and the tables that remain after their stack is deleted: find, count, empty."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.stack.lambda_code import Ownership, foreign_bucket, ownership
from stockctl.errors import AwsError

QUARANTINE = "quarantine/"
FAILED_BATCHES = "aws/"
LAYOUT = {
    "raw-data/": "raw quotes",
    QUARANTINE: "quarantined records",
    FAILED_BATCHES: "failed batches",
    "athena-results/": "query results",
}
"""The top-level prefixes of the data bucket, and what is stored there."""
_CONCURRENT_CALLS = 8


class RetainedData(NamedTuple):
    """The bucket and the tables that exist under the pipeline's names."""

    bucket: Ownership
    tables: Sequence[str]

    def without(self, names: Names, in_stack: Collection[str]) -> "RetainedData":
        """Return the part that is not ``in_stack``."""
        bucket: Ownership = "absent" if names.bucket in in_stack else self.bucket
        return RetainedData(bucket, [name for name in self.tables if name not in in_stack])

    def __bool__(self) -> bool:
        """Return whether our bucket or a table exists."""
        return self.bucket == "ours" or bool(self.tables)


class ForeignResource(NamedTuple):
    """A resource with one of the pipeline's names that stockctl did not create, or only in part."""

    name: str
    kind: str
    reason: str


class DeletableData(NamedTuple):
    """What teardown may delete, and what it must not delete."""

    tables: Sequence[str]
    foreign: Sequence[ForeignResource]
    bucket: bool
    """Whether the pipeline's objects in the bucket may be deleted."""


def find_retained(connection: Connection, names: Names) -> RetainedData:
    """Return which of the bucket and the tables exist.

    Raises:
        AwsError: a request to AWS fails.
    """
    dynamodb = connection.client("dynamodb")
    return RetainedData(
        ownership(connection.client("s3"), names.bucket, names.account),
        [name for name in (names.table, names.alerts_table) if describe_table(dynamodb, name)],
    )


def check_adoptable(connection: Connection, names: Names, retained: RetainedData) -> None:
    """Check that a new stack can adopt the bucket and the tables that exist.

    Raises:
        AwsError: one of them differs from what stockctl creates.
    """
    if retained.bucket == "foreign":
        raise foreign_bucket(names.bucket, "archive.bucket")
    if retained.bucket == "ours":
        _check_bucket(connection.client("s3"), names)
    for name in retained.tables:
        _check_table(connection.client("dynamodb"), name, quotes=name == names.table)


def find_deletable(connection: Connection, names: Names, in_stack: Collection[str]) -> DeletableData:
    """Return what teardown may delete.

    Args:
        connection: the connection to the AWS account.
        names: names of the resources.
        in_stack: physical ids of the resources that are, or just were, in the stack.

    Raises:
        AwsError: a request to AWS fails.
    """
    retained = find_retained(connection, names)
    foreign: list[ForeignResource] = []
    tables = []
    for name in retained.tables:
        table = describe_table(connection.client("dynamodb"), name) or {}
        difference = _difference(table, quotes=name == names.table)
        if name in in_stack or not difference:
            tables.append(name)
        else:
            foreign.append(ForeignResource(name, "DynamoDB table", difference))
    bucket = retained.bucket == "ours"
    if bucket and (entries := foreign_entries(connection.client("s3"), names)):
        foreign.append(ForeignResource(names.bucket, "S3 bucket", f"it holds {', '.join(entries)}"))
        bucket = names.bucket in in_stack
    return DeletableData(tables, foreign, bucket=bucket)


def foreign_entries(s3: Client, names: Names, limit: int = 5) -> list[str]:
    """Return at most ``limit`` top-level names in the data bucket that the pipeline does not use.

    Raises:
        AwsError: a request to S3 fails.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=names.bucket, ExpectedBucketOwner=names.account, Delimiter="/"
    )
    foreign: list[str] = []
    with translate_errors():
        for page in pages:
            entries = [each["Prefix"] for each in page.get("CommonPrefixes", [])]
            entries += [each["Key"] for each in page.get("Contents", [])]
            foreign += [name for name in entries if name not in LAYOUT]
            if len(foreign) >= limit:
                break
    return foreign[:limit]


def describe_table(dynamodb: Client, name: str) -> dict[str, Any] | None:
    """Return a table as DynamoDB describes it, or None if it does not exist.

    Raises:
        AwsError: a request to DynamoDB fails.
    """
    with translate_errors():
        try:
            table: dict[str, Any] = dynamodb.describe_table(TableName=name)["Table"]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return table


def _check_bucket(s3: Client, names: Names) -> None:
    foreign = foreign_entries(s3, names)
    if foreign:
        raise AwsError(
            f"The bucket {names.bucket} holds objects that stockctl did not write: {', '.join(foreign)}.",
            "Set archive.bucket to another name, or move these objects elsewhere.",
        )


def _check_table(dynamodb: Client, name: str, *, quotes: bool) -> None:
    difference = _difference(describe_table(dynamodb, name) or {}, quotes=quotes)
    if difference:
        raise AwsError(
            f"The table {name} exists, and stockctl did not create it: {difference}.",
            "Set project.name, so that the pipeline's tables get other names, or delete that table.",
        )


def _difference(table: Mapping[str, Any], *, quotes: bool) -> str:
    """Return how a table differs from one that stockctl creates; empty if it does not."""
    expected = ["symbol", "timestamp"] if quotes else ["alert_id"]
    key = [part["AttributeName"] for part in table.get("KeySchema", [])]
    if key != expected:
        return f"its key is ({', '.join(key)})"
    view = table.get("StreamSpecification", {}).get("StreamViewType")
    return f"its stream holds {view or 'nothing'}" if quotes and view != "NEW_IMAGE" else ""


def count_data(s3: Client, bucket: str, account: str, prefix: str = "") -> int:
    """Return the number of objects under ``prefix``, including old versions and delete markers.

    Raises:
        AwsError: a request to S3 fails.
    """
    return sum(len(page) for page in _pages(s3, bucket, account, prefix))


def delete_contents(
    s3: Client, bucket: str, account: str, prefix: str, deleted: Callable[[int], None]
) -> int:
    """Delete all objects under ``prefix`` and return their number; ``deleted`` is called per page.

    Raises:
        AwsError: S3 does not delete an object; the message names the first one.
    """
    total = 0

    def delete(page: list[Mapping[str, str]]) -> int:
        with translate_errors():
            response = s3.delete_objects(
                Bucket=bucket, ExpectedBucketOwner=account, Delete={"Objects": page, "Quiet": True}
            )
        _check(bucket, response.get("Errors", []))
        return len(page)

    pages = _pages(s3, bucket, account, prefix)
    parallel = Parallel(_CONCURRENT_CALLS)
    try:
        while group := list(islice(pages, _CONCURRENT_CALLS)):
            for number in parallel.map(delete, group):
                total += number
                deleted(number)
    finally:
        parallel.close()
    return total


def _pages(s3: Client, bucket: str, account: str, prefix: str) -> Iterator[list[Mapping[str, str]]]:
    """Yield pages of up to 1,000 objects, the most that one call can delete."""
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, ExpectedBucketOwner=account, Prefix=prefix
    )
    with translate_errors():
        for page in pages:
            versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if versions:
                yield [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]


def _check(bucket: str, errors: list[Mapping[str, Any]]) -> None:
    if errors:
        first = errors[0]
        raise AwsError(
            f"{len(errors)} objects in {bucket} could not be deleted. The first is {first.get('Key')}: "
            f"{first.get('Message') or first.get('Code')}.",
            "Allow s3:DeleteObject and s3:DeleteObjectVersion on it, then run the command again.",
        )
