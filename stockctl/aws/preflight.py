"""What ``config check`` finds on AWS; it makes nothing there."""

from collections.abc import Callable, Sequence

from stockctl.aws import kept
from stockctl.aws.account import Identity, identify
from stockctl.aws.artifacts import foreign_bucket, ownership
from stockctl.aws.clients import Connection
from stockctl.aws.names import Names, names_of
from stockctl.aws.parameters import parameters
from stockctl.aws.permissions import in_short, missing_permissions
from stockctl.aws.progress import Pace, in_progress
from stockctl.aws.stack import STUCK, Stack
from stockctl.aws.template import render
from stockctl.backend import Finding
from stockctl.config import Settings
from stockctl.errors import AwsError, StockctlError


def preflight(settings: Settings, connect: Callable[[], Connection]) -> Sequence[Finding]:
    """Return what is found, in the order to show it; without an identity there is no more than the reason.

    Args:
        settings: the configuration.
        connect: opens the connection to the account.
    """
    try:
        connection = connect()
        identity = identify(connection)
    except AwsError as error:
        return [_problem("access", error)]
    names = names_of(settings, identity.account, identity.region, identity.partition)
    return [
        Finding("identity", identity.arn),
        Finding("account", identity.account),
        Finding("region", identity.region),
        _looked("values", lambda: _values(settings, names)),
        _looked("permissions", lambda: _permissions(connection, identity, names)),
        _looked("bucket", lambda: _bucket(connection, names, names.bucket, "archive.bucket")),
        _looked("code bucket", lambda: _bucket(connection, names, names.artifacts, "project.name")),
        _looked("stack", lambda: _stack(connection, names)),
    ]


def _looked(check: str, look: Callable[[], str]) -> Finding:
    """Return what ``look`` finds, or the error that it ends with and a command would end with, too."""
    try:
        return Finding(check, look())
    except StockctlError as error:
        return _problem(check, error)


def _problem(check: str, error: StockctlError) -> Finding:
    return Finding(check, error.message, fine=False, hint=error.hint or "")


def _values(settings: Settings, names: Names) -> str:
    parameters(settings, names, code_key="")
    render(names, settings.alerts.subscriptions)
    return "AWS takes all that the configuration sets"


def _permissions(connection: Connection, identity: Identity, names: Names) -> str:
    found = missing_permissions(connection, identity, names)
    if found.unknown:
        return f"not known: {found.unknown}"
    if found.missing:
        raise AwsError(
            f"missing: {', '.join(in_short(found.missing, names))}",
            f"'stockctl template --operator-policy' prints the policy that {identity.arn} needs.",
        )
    return "all that the commands need"


def _bucket(connection: Connection, names: Names, bucket: str, key: str) -> str:
    owner = ownership(connection.client("s3"), bucket, names.account)
    if owner == "foreign":
        raise foreign_bucket(bucket, key)
    return f"{bucket}: {'free' if owner == 'absent' else 'there, and of this account'}"


def _stack(connection: Connection, names: Names) -> str:
    found = Stack(connection.client("cloudformation"), names.stack, Pace()).describe()
    if found is None:
        return _without_stack(connection, names)
    if found.status == STUCK:
        raise AwsError(
            f"{names.stack}: {STUCK}; its last update failed, and the rollback got stuck",
            "Run 'stockctl provision': it finishes the rollback first.",
        )
    if found.dead:
        raise AwsError(
            f"{names.stack}: {found.status}; it can only be deleted",
            "Run 'stockctl provision', which deletes it first, or 'stockctl teardown'.",
        )
    return f"{names.stack}: {found.status}" + ("; a change is under way" if in_progress(found.status) else "")


def _without_stack(connection: Connection, names: Names) -> str:
    """Tell what ``provision`` begins with.

    Raises:
        AwsError: something stands in its way.
    """
    there = kept.find(connection, names)
    if there.bucket == "foreign":  # a finding of its own
        there = there._replace(bucket="absent")
    kept.check_adoptable(connection, names, there)
    adopted = [*([names.bucket] if there.bucket == "ours" else []), *there.tables]
    taken = f" and takes in {', '.join(adopted)}" if adopted else ""
    return f"{names.stack}: none yet; 'stockctl provision' makes it{taken}"
