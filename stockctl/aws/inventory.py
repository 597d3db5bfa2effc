"""What there is of the pipeline, with how much it holds."""

from collections.abc import Collection, Sequence

from stockctl.aws.artifacts import ownership
from stockctl.aws.changes import Change
from stockctl.aws.clients import Client, Connection
from stockctl.aws.emptying import count
from stockctl.aws.kept import LAYOUT, describe_table, removable
from stockctl.aws.names import Names
from stockctl.aws.stack import Description, Stack
from stockctl.aws.subscriptions import census


def take(
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
        subscribed = census(connection.client("sns"), topic)
        rows.append(Change("delete", topic.rpartition(":")[2], "SNS topic", str(subscribed)))
    return rows


def _data_rows(
    connection: Connection, names: Names, owned: Collection[str], *, keep_data: bool
) -> list[Change]:
    s3, dynamodb = connection.client("s3"), connection.client("dynamodb")
    may_go = removable(connection, names, owned)
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
    counts = {what: count(s3, names.bucket, names.account, prefix) for prefix, what in LAYOUT.items()}
    return ", ".join(f"{number:,} {what}" for what, number in counts.items())


def _items(dynamodb: Client, name: str) -> str:
    table = describe_table(dynamodb, name) or {}
    return f"about {table.get('ItemCount', 0):,} items (DynamoDB counts every six hours)"


def _artifact_rows(connection: Connection, names: Names) -> list[Change]:
    s3 = connection.client("s3")
    if ownership(s3, names.artifacts, names.account) != "ours":
        return []
    number = count(s3, names.artifacts, names.account)
    return [
        Change(
            "delete", names.artifacts, "S3 bucket", f"{number:,} {'zip' if number == 1 else 'zips'} of code"
        )
    ]
