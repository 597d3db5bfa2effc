"""What ``config check`` asks AWS: access, permissions, names in use."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.connection import Connection, Identity, identify
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names, names_of
from stockctl.backends.aws.stack import retained_data
from stockctl.backends.aws.stack.cloudformation import STUCK, Stack
from stockctl.backends.aws.stack.events import in_progress
from stockctl.backends.aws.stack.lambda_code import foreign_bucket, ownership
from stockctl.backends.aws.stack.operator_policy import OPTIONAL, Grant, grants
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.backends.aws.stack.template import parameters, render
from stockctl.backends.base import Finding
from stockctl.config.schema import Settings
from stockctl.errors import AwsError, StockctlError

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_ABSENT = ("NoSuchEntity", "NoSuchEntityException")
EXAMPLES: Mapping[str, Sequence[str]] = {
    "cloudformation:Describe*": ("cloudformation:DescribeStacks", "cloudformation:DescribeChangeSet"),
    "dynamodb:Describe*": ("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"),
    "iam:GetRole*": ("iam:GetRole", "iam:GetRolePolicy"),
    "iam:UpdateRole*": ("iam:UpdateRole",),
    "iam:List*RolePolicies": ("iam:ListRolePolicies", "iam:ListAttachedRolePolicies"),
    "kinesis:ListTagsFor*": ("kinesis:ListTagsForStream",),
    "lambda:GetFunction*": ("lambda:GetFunction", "lambda:GetFunctionConfiguration"),
    "s3:Get*Configuration": ("s3:GetLifecycleConfiguration", "s3:GetEncryptionConfiguration"),
    "s3:ListBucket*": ("s3:ListBucket", "s3:ListBucketVersions"),
    "s3:GetBucket*": ("s3:GetBucketPolicy", "s3:GetBucketLocation"),
}
"""Actions to ask about in place of a pattern, which IAM does not simulate."""


class Simulation(NamedTuple):
    """What IAM says about the caller; service control and resource policies are not part of it."""

    missing: Sequence[str]
    """Actions that are not allowed on some resource that they are needed on."""
    unknown: str
    """Why nothing can be said; empty when it can."""


def find_missing_permissions(connection: Connection, identity: Identity, names: Names) -> Simulation:
    """Return which permissions of the operator's policy the caller lacks.

    Raises:
        AwsError: IAM cannot be asked.
    """
    iam = connection.client("iam")
    try:
        source = _principal(iam, identity.arn)
        if source is None:
            return Simulation([], f"IAM simulates users and roles only, not {identity.arn}")
        if source.endswith(":root"):
            return Simulation([], "")
        with translate_errors():
            found = [
                action
                for grant in grants(names)
                if grant.sid != OPTIONAL
                for action in _missing(iam, source, grant)
            ]
    except AwsError as error:
        if (unknown := _not_to_be_known(error)) is None:
            raise
        return Simulation([], unknown)
    return Simulation(sorted(set(found)), "")


def summarize_actions(missing: Sequence[str], names: Names) -> list[str]:
    """Return actions with ``all of s3`` in place of those of a service of which nothing is allowed."""
    asked = {action for grant in grants(names) if grant.sid != OPTIONAL for action in _asked(grant)}
    needed = Counter(map(_service, asked))
    lacking = Counter(map(_service, missing))
    whole = [service for service in lacking if lacking[service] == needed[service]]
    single = [action for action in missing if _service(action) not in whole]
    return [*(f"all of {service}" for service in sorted(whole)), *single]


def _not_to_be_known(error: AwsError) -> str | None:
    cause = error.__cause__
    code = error_code(cause) if isinstance(cause, ClientError) else ""
    if code in _DENIED:
        return error.message.rstrip(".")
    return "IAM does not find the caller" if code in _ABSENT else None


def _principal(iam: Client, arn: str) -> str | None:
    """Return the user or role behind the caller, or None when there is none."""
    kind, _, rest = arn.split(":", 5)[5].partition("/")
    if kind in ("user", "root"):
        return arn
    if kind != "assumed-role":
        return None
    with translate_errors():
        # The path of the role is not part of the session's ARN.
        role: str = iam.get_role(RoleName=rest.split("/")[0])["Role"]["Arn"]
    return role


def _asked(grant: Grant) -> list[str]:
    return [name for action in grant.actions for name in EXAMPLES.get(action, (action,))]


def _service(action: str) -> str:
    return action.partition(":")[0]


def _missing(iam: Client, source: str, grant: Grant) -> list[str]:
    pages = iam.get_paginator("simulate_principal_policy").paginate(**_request(source, grant))
    results: list[Mapping[str, Any]] = [result for page in pages for result in page["EvaluationResults"]]
    return [result["EvalActionName"] for result in results if not _allowed(result)]


def _request(source: str, grant: Grant) -> dict[str, Any]:
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in grant.context.items()
    ]
    # A pattern would be taken for a name; what is asked about is some name that the pattern fits.
    resources = [resource if resource == "*" else resource.replace("*", "x") for resource in grant.resources]
    return {
        "PolicySourceArn": source,
        "ActionNames": _asked(grant),
        "ResourceArns": resources,
        **({"ContextEntries": entries} if entries else {}),
    }


def _allowed(result: Mapping[str, Any]) -> bool:
    specific = result.get("ResourceSpecificResults") or []
    decisions = [each["EvalResourceDecision"] for each in specific] or [result["EvalDecision"]]
    return all(decision == "allowed" for decision in decisions)


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
    found = find_missing_permissions(connection, identity, names)
    if found.unknown:
        return f"not known: {found.unknown}"
    if found.missing:
        raise AwsError(
            f"missing: {', '.join(summarize_actions(found.missing, names))}",
            f"'stockctl template --operator-policy' prints the policy that {identity.arn} needs.",
        )
    return "all that the commands need"


def _bucket(connection: Connection, names: Names, bucket: str, key: str) -> str:
    owner = ownership(connection.client("s3"), bucket, names.account)
    if owner == "foreign":
        raise foreign_bucket(bucket, key)
    return f"{bucket}: {'free' if owner == 'absent' else 'there, and of this account'}"


def _stack(connection: Connection, names: Names) -> str:
    found = Stack(connection.client("cloudformation"), names.stack, PollInterval()).describe()
    if found is None:
        return _without_stack(connection, names)
    if found.status == STUCK:
        raise AwsError(
            f"{names.stack}: {STUCK}; its last update failed, and the rollback got stuck",
            "Run 'stockctl provision': it finishes the rollback first.",
        )
    if found.must_be_deleted:
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
    there = retained_data.find_retained(connection, names)
    if there.bucket == "foreign":  # a finding of its own
        there = there._replace(bucket="absent")
    retained_data.check_adoptable(connection, names, there)
    adopted = [*([names.bucket] if there.bucket == "ours" else []), *there.tables]
    taken = f" and takes in {', '.join(adopted)}" if adopted else ""
    return f"{names.stack}: none yet; 'stockctl provision' makes it{taken}"
