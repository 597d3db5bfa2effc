"""The bucket and tables that outlive a stack: find, count, empty."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client, Connection
from stockctl.backends.aws.errors import error_code, translate_errors
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.stack.changes import Change
from stockctl.backends.aws.stack.cloudformation import Description, Stack
from stockctl.backends.aws.stack.lambda_code import Ownership, foreign_bucket, ownership
from stockctl.backends.aws.stack.subscriptions import count_subscriptions
from stockctl.errors import AwsError

QUARANTINE = "quarantine/"
FAILED_BATCHES = "aws/"
LAYOUT = {
    "raw-data/": "raw quotes",
    QUARANTINE: "quarantined records",
    FAILED_BATCHES: "failed batches",
    "athena-results/": "query results",
}
"""The top of the data bucket, and what lies there."""


class RetainedData(NamedTuple):
    """What there is under the names of the bucket and the tables."""

    bucket: Ownership
    tables: Sequence[str]

    def without(self, names: Names, inside: Collection[str]) -> "RetainedData":
        """Return what of it is not ``inside`` a stack."""
        bucket: Ownership = "absent" if names.bucket in inside else self.bucket
        return RetainedData(bucket, [name for name in self.tables if name not in inside])

    def __bool__(self) -> bool:
        """Whether anything is there."""
        return self.bucket == "ours" or bool(self.tables)


class ForeignResource(NamedTuple):
    """Something under one of our names that is not, or not only, ours."""

    name: str
    kind: str
    why: str


class DeletableData(NamedTuple):
    """What teardown may delete, and what it has to leave."""

    tables: Sequence[str]
    strange: Sequence[ForeignResource]
    bucket: bool
    """Whether what the pipeline wrote into the bucket may go."""


def find_retained(connection: Connection, names: Names) -> RetainedData:
    """Return which of the bucket and the tables exist.

    Raises:
        AwsError: AWS cannot be asked.
    """
    dynamodb = connection.client("dynamodb")
    return RetainedData(
        ownership(connection.client("s3"), names.bucket, names.account),
        [name for name in (names.table, names.alerts_table) if describe_table(dynamodb, name)],
    )


def check_adoptable(connection: Connection, names: Names, kept: RetainedData) -> None:
    """Make sure that nothing stands in the way of a new stack, and that it can take in what is there.

    Raises:
        AwsError: something under these names is not what the pipeline would have made.
    """
    if kept.bucket == "foreign":
        raise foreign_bucket(names.bucket, "archive.bucket")
    if kept.bucket == "ours":
        _check_bucket(connection.client("s3"), names)
    for name in kept.tables:
        _check_table(connection.client("dynamodb"), name, quotes=name == names.table)


def find_deletable(connection: Connection, names: Names, owned: Collection[str]) -> DeletableData:
    """Return what of it teardown may delete.

    Args:
        connection: to the account.
        names: what things are called.
        owned: physical ids of the resources that are, or just were, in the stack.

    Raises:
        AwsError: AWS cannot be asked.
    """
    there = find_retained(connection, names)
    strange: list[ForeignResource] = []
    tables = []
    for name in there.tables:
        table = describe_table(connection.client("dynamodb"), name) or {}
        misfit = _misfit(table, quotes=name == names.table)
        if name in owned or not misfit:
            tables.append(name)
        else:
            strange.append(ForeignResource(name, "DynamoDB table", misfit))
    bucket = there.bucket == "ours"
    if bucket and (entries := foreign_entries(connection.client("s3"), names)):
        strange.append(ForeignResource(names.bucket, "S3 bucket", f"it holds {', '.join(entries)}"))
        bucket = names.bucket in owned
    return DeletableData(tables, strange, bucket=bucket)


def foreign_entries(s3: Client, names: Names, limit: int = 5) -> list[str]:
    """Return names at the top of the data bucket that the pipeline does not use, at most ``limit``.

    Raises:
        AwsError: S3 cannot be asked.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=names.bucket, ExpectedBucketOwner=names.account, Delimiter="/"
    )
    strange: list[str] = []
    with translate_errors():
        for page in pages:
            found = [each["Prefix"] for each in page.get("CommonPrefixes", [])]
            found += [each["Key"] for each in page.get("Contents", [])]
            strange += [name for name in found if name not in LAYOUT]
            if len(strange) >= limit:
                break
    return strange[:limit]


def describe_table(dynamodb: Client, name: str) -> dict[str, Any] | None:
    """Return a table as DynamoDB describes it, or None when there is none.

    Raises:
        AwsError: DynamoDB cannot be asked.
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
    strange = foreign_entries(s3, names)
    if strange:
        raise AwsError(
            f"The bucket {names.bucket} exists and holds what stockctl did not write: {', '.join(strange)}.",
            "Name another bucket with archive.bucket, or move these objects elsewhere.",
        )


def _check_table(dynamodb: Client, name: str, *, quotes: bool) -> None:
    misfit = _misfit(describe_table(dynamodb, name) or {}, quotes=quotes)
    if misfit:
        raise AwsError(
            f"The table {name} exists, and stockctl did not make it: {misfit}.",
            "Set project.name to give the pipeline names of its own, or remove that table.",
        )


def _misfit(table: Mapping[str, Any], *, quotes: bool) -> str:
    """Return in what a table differs from those that the pipeline makes; nothing if it does not."""
    wanted = ["symbol", "timestamp"] if quotes else ["alert_id"]
    key = [part["AttributeName"] for part in table.get("KeySchema", [])]
    if key != wanted:
        return f"its key is ({', '.join(key)})"
    view = table.get("StreamSpecification", {}).get("StreamViewType")
    return f"its stream holds {view or 'nothing'}" if quotes and view != "NEW_IMAGE" else ""


_CALLS_AT_ONCE = 8


def count_data(s3: Client, bucket: str, account: str, prefix: str = "") -> int:
    """Return how many objects lie below ``prefix``, old versions and deletion markers too.

    Raises:
        AwsError: S3 cannot be asked.
    """
    return sum(len(page) for page in _pages(s3, bucket, account, prefix))


def delete_contents(
    s3: Client, bucket: str, account: str, prefix: str, deleted: Callable[[int], None]
) -> int:
    """Delete all below ``prefix`` and return how much that was; ``deleted`` hears of each thousand.

    Raises:
        AwsError: S3 refuses to delete something; the message names the first.
    """
    total = 0

    def delete(page: list[Mapping[str, str]]) -> int:
        with translate_errors():
            answer = s3.delete_objects(
                Bucket=bucket, ExpectedBucketOwner=account, Delete={"Objects": page, "Quiet": True}
            )
        _check(bucket, answer.get("Errors", []))
        return len(page)

    pages = _pages(s3, bucket, account, prefix)
    parallel = Parallel(_CALLS_AT_ONCE)
    try:
        while group := list(islice(pages, _CALLS_AT_ONCE)):
            for number in parallel.map(delete, group):
                total += number
                deleted(number)
    finally:
        parallel.close()
    return total


def _pages(s3: Client, bucket: str, account: str, prefix: str) -> Iterator[list[Mapping[str, str]]]:
    """Yield the objects by the thousand, which is as many as one call deletes."""
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, ExpectedBucketOwner=account, Prefix=prefix
    )
    with translate_errors():
        for page in pages:
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if found:
                yield [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]


def _check(bucket: str, errors: list[Mapping[str, Any]]) -> None:
    if errors:
        first = errors[0]
        raise AwsError(
            f"{len(errors)} objects of {bucket} could not be deleted, the first of them {first.get('Key')}: "
            f"{first.get('Message') or first.get('Code')}.",
            "Have s3:DeleteObject and s3:DeleteObjectVersion allowed on it, and run the command again.",
        )


def adopt(
    connection: Connection, names: Names, stack: Stack, found: Description | None, *, keep_data: bool
) -> Sequence[Change]:
    """Return what teardown would delete and keep; empty when there is nothing to delete.

    Raises:
        AwsError: AWS cannot be asked.
    """
    owned = stack.physical_ids(found)
    deployed = names.as_deployed(owned)
    rows = [
        *_stack_rows(connection, names, found, len(owned)),
        *_data_rows(connection, deployed, owned.values(), keep_data=keep_data),
        *_artifact_rows(connection, names),
    ]
    return rows if any(row.action == "delete" for row in rows) else ()


def _stack_rows(
    connection: Connection, names: Names, found: Description | None, resources: int
) -> list[Change]:
    if found is None:
        return []
    detail = f"{resources} resources; it is {found.status}"
    rows = [Change("delete", names.stack, "CloudFormation stack", detail)]
    topic = found.outputs.get("AlertTopicArn")
    if topic:
        subscribed = count_subscriptions(connection.client("sns"), topic)
        rows.append(Change("delete", topic.rpartition(":")[2], "SNS topic", str(subscribed)))
    return rows


def _data_rows(
    connection: Connection, names: Names, owned: Collection[str], *, keep_data: bool
) -> list[Change]:
    s3, dynamodb = connection.client("s3"), connection.client("dynamodb")
    may_go = find_deletable(connection, names, owned)
    held = [(names.bucket, "S3 bucket", _objects(s3, names))] if may_go.bucket else []
    held += [(name, "DynamoDB table", _items(dynamodb, name)) for name in may_go.tables]
    if keep_data:
        return [Change("keep", *each, "kept") for each in held]
    rows = [Change("delete", *each, "lost") for each in held]
    return rows + [
        Change("keep", name, kind, f"not all of stockctl: {why}", "kept")
        for name, kind, why in may_go.strange
    ]


def _objects(s3: Client, names: Names) -> str:
    counts = {what: count_data(s3, names.bucket, names.account, prefix) for prefix, what in LAYOUT.items()}
    return ", ".join(f"{number:,} {what}" for what, number in counts.items())


def _items(dynamodb: Client, name: str) -> str:
    table = describe_table(dynamodb, name) or {}
    return f"about {table.get('ItemCount', 0):,} items (DynamoDB counts every six hours)"


def _artifact_rows(connection: Connection, names: Names) -> list[Change]:
    s3 = connection.client("s3")
    if ownership(s3, names.artifacts, names.account) != "ours":
        return []
    number = count_data(s3, names.artifacts, names.account)
    return [
        Change(
            "delete", names.artifacts, "S3 bucket", f"{number:,} {'zip' if number == 1 else 'zips'} of code"
        )
    ]
