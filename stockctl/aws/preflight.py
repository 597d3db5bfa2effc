"""What ``config check`` finds on AWS before anything is made there."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from stockctl.aws.account import Identity, identify
from stockctl.aws.artifacts import foreign_bucket, ownership
from stockctl.aws.clients import Connection
from stockctl.aws.names import Names, names_of
from stockctl.aws.permissions import missing_permissions
from stockctl.config import Settings
from stockctl.errors import AwsError


class Finding(NamedTuple):
    """One thing that was looked at."""

    check: str
    found: str
    fine: bool
    """False when a command would fail because of it."""


def preflight(settings: Settings, connect: Callable[[], Connection]) -> Sequence[Finding]:
    """Return what is found, in the order to show it; without an identity that is all there is.

    Args:
        settings: the configuration.
        connect: opens the connection to the account.
    """
    try:
        connection = connect()
        identity = identify(connection)
    except AwsError as error:
        return [Finding("identity", _sentence(error), fine=False)]
    names = names_of(settings, identity.account, identity.region, identity.partition)
    return [
        Finding("identity", identity.arn, fine=True),
        Finding("account", identity.account, fine=True),
        Finding("region", identity.region, fine=True),
        _permissions(connection, identity, names),
        _bucket(connection, names, "bucket", names.bucket, "archive.bucket"),
        _bucket(connection, names, "artifact bucket", names.artifacts, "project.name"),
    ]


def _permissions(connection: Connection, identity: Identity, names: Names) -> Finding:
    try:
        found = missing_permissions(connection, identity, names)
    except AwsError as error:
        return Finding("permissions", _sentence(error), fine=False)
    if found.unknown:
        return Finding("permissions", f"not known: {found.unknown}", fine=True)
    if found.missing:
        return Finding("permissions", f"missing: {', '.join(found.missing)}", fine=False)
    return Finding("permissions", "all that the commands need", fine=True)


def _bucket(connection: Connection, names: Names, check: str, bucket: str, key: str) -> Finding:
    try:
        owner = ownership(connection.client("s3"), bucket, names.account)
    except AwsError as error:
        return Finding(check, _sentence(error), fine=False)
    if owner == "foreign":
        return Finding(check, _sentence(foreign_bucket(bucket, key)), fine=False)
    state = "free" if owner == "absent" else "there, and of this account"
    return Finding(check, f"{bucket}: {state}", fine=True)


def _sentence(error: AwsError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message
