"""What holds data and outlives the stack: the bucket and the two tables.

They are found by name, and taken for ours only when they look it: a bucket in which nothing lies but what
the pipeline writes, a table with the key and the stream that the pipeline needs.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from stockctl.aws.artifacts import Ownership, foreign_bucket, ownership
from stockctl.aws.clients import Client, Connection
from stockctl.aws.faults import explained
from stockctl.aws.names import Names
from stockctl.aws.refused import error_code
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


class Kept(NamedTuple):
    """What there is under the names of the bucket and the tables."""

    bucket: Ownership
    tables: Sequence[str]

    def without(self, names: Names, inside: Collection[str]) -> "Kept":
        """Return what of it is not ``inside`` a stack."""
        bucket: Ownership = "absent" if names.bucket in inside else self.bucket
        return Kept(bucket, [name for name in self.tables if name not in inside])

    def __bool__(self) -> bool:
        """Whether anything is there."""
        return self.bucket == "ours" or bool(self.tables)


class Stranger(NamedTuple):
    """Something under one of our names that is not, or not only, ours."""

    name: str
    kind: str
    why: str


class Removable(NamedTuple):
    """What teardown may delete, and what it has to leave."""

    tables: Sequence[str]
    strange: Sequence[Stranger]
    bucket: bool
    """Whether what the pipeline wrote into the bucket may go."""


def find(connection: Connection, names: Names) -> Kept:
    """Return which of the bucket and the tables exist.

    Raises:
        AwsError: AWS cannot be asked.
    """
    dynamodb = connection.client("dynamodb")
    return Kept(
        ownership(connection.client("s3"), names.bucket, names.account),
        [name for name in (names.table, names.alerts_table) if describe_table(dynamodb, name)],
    )


def check_adoptable(connection: Connection, names: Names, kept: Kept) -> None:
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


def removable(connection: Connection, names: Names, owned: Collection[str]) -> Removable:
    """Return what of it teardown may delete.

    Args:
        connection: to the account.
        names: what things are called.
        owned: physical ids of the resources that are, or just were, in the stack.

    Raises:
        AwsError: AWS cannot be asked.
    """
    there = find(connection, names)
    strange: list[Stranger] = []
    tables = []
    for name in there.tables:
        table = describe_table(connection.client("dynamodb"), name) or {}
        misfit = _misfit(table, quotes=name == names.table)
        if name in owned or not misfit:
            tables.append(name)
        else:
            strange.append(Stranger(name, "DynamoDB table", misfit))
    bucket = there.bucket == "ours"
    if bucket and (entries := foreign_entries(connection.client("s3"), names)):
        strange.append(Stranger(names.bucket, "S3 bucket", f"it holds {', '.join(entries)}"))
        bucket = names.bucket in owned
    return Removable(tables, strange, bucket=bucket)


def foreign_entries(s3: Client, names: Names, limit: int = 5) -> list[str]:
    """Return names at the top of the data bucket that the pipeline does not use, at most ``limit``.

    Raises:
        AwsError: S3 cannot be asked.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=names.bucket, ExpectedBucketOwner=names.account, Delimiter="/"
    )
    strange: list[str] = []
    with explained():
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
    with explained():
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
