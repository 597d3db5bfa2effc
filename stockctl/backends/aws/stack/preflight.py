"""The AWS checks of ``config check``: access, values, permissions, buckets, stack."""

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

_DENIED_CODES = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_NOT_FOUND_CODES = ("NoSuchEntity", "NoSuchEntityException")
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
"""Actions to simulate in place of a pattern, because IAM does not simulate patterns."""


class Simulation(NamedTuple):
    """The result of IAM's policy simulation; it ignores service control and resource policies."""

    missing: Sequence[str]
    """Actions that are denied on a resource where they are needed."""
    unknown: str
    """Why the permissions are unknown; empty if they are known."""


def find_missing_permissions(connection: Connection, identity: Identity, names: Names) -> Simulation:
    """Return the permissions of the operator policy that the caller does not have.

    Raises:
        AwsError: a request to IAM fails.
    """
    iam = connection.client("iam")
    try:
        source = _principal(iam, identity.arn)
        if source is None:
            return Simulation([], f"IAM simulates users and roles only, not {identity.arn}")
        if source.endswith(":root"):
            return Simulation([], "")
        with translate_errors():
            missing = [
                action
                for grant in grants(names)
                if grant.sid != OPTIONAL
                for action in _missing(iam, source, grant)
            ]
    except AwsError as error:
        if (unknown := _unknown_reason(error)) is None:
            raise
        return Simulation([], unknown)
    return Simulation(sorted(set(missing)), "")


def summarize_actions(missing: Sequence[str], names: Names) -> list[str]:
    """Return the actions; if all actions of a service are missing, return ``all of s3`` instead."""
    simulated = {action for grant in grants(names) if grant.sid != OPTIONAL for action in _actions(grant)}
    needed_count = Counter(map(_service, simulated))
    missing_count = Counter(map(_service, missing))
    whole = [service for service in missing_count if missing_count[service] == needed_count[service]]
    single = [action for action in missing if _service(action) not in whole]
    return [*(f"all of {service}" for service in sorted(whole)), *single]


def _unknown_reason(error: AwsError) -> str | None:
    cause = error.__cause__
    code = error_code(cause) if isinstance(cause, ClientError) else ""
    if code in _DENIED_CODES:
        return error.message.rstrip(".")
    return "IAM does not find the caller" if code in _NOT_FOUND_CODES else None


def _principal(iam: Client, arn: str) -> str | None:
    """Return the ARN of the user or role behind the caller; None if there is none."""
    kind, _, rest = arn.split(":", 5)[5].partition("/")
    if kind in ("user", "root"):
        return arn
    if kind != "assumed-role":
        return None
    with translate_errors():
        # The ARN of a session does not contain the path of its role.
        role: str = iam.get_role(RoleName=rest.split("/")[0])["Role"]["Arn"]
    return role


def _actions(grant: Grant) -> list[str]:
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
    # IAM would take a pattern for a name, so a name that matches the pattern is simulated.
    resources = [resource if resource == "*" else resource.replace("*", "x") for resource in grant.resources]
    return {
        "PolicySourceArn": source,
        "ActionNames": _actions(grant),
        "ResourceArns": resources,
        **({"ContextEntries": entries} if entries else {}),
    }


def _allowed(result: Mapping[str, Any]) -> bool:
    specific = result.get("ResourceSpecificResults") or []
    decisions = [each["EvalResourceDecision"] for each in specific] or [result["EvalDecision"]]
    return all(decision == "allowed" for decision in decisions)


def preflight(settings: Settings, connect: Callable[[], Connection]) -> Sequence[Finding]:
    """Return the results of the checks, in display order; without valid credentials only the reason.

    Args:
        settings: the configuration.
        connect: opens the connection to the account.
    """
    try:
        connection = connect()
        identity = identify(connection)
    except AwsError as error:
        return [_failed("access", error)]
    names = names_of(settings, identity.account, identity.region, identity.partition)
    return [
        Finding("identity", identity.arn),
        Finding("account", identity.account),
        Finding("region", identity.region),
        _run_check("values", lambda: _values(settings, names)),
        _run_check("permissions", lambda: _permissions(connection, identity, names)),
        _run_check("bucket", lambda: _bucket(connection, names, names.bucket, "archive.bucket")),
        _run_check("code bucket", lambda: _bucket(connection, names, names.artifacts, "project.name")),
        _run_check("stack", lambda: _stack(connection, names)),
    ]


def _run_check(name: str, check: Callable[[], str]) -> Finding:
    """Return the result of a check, or its error, with which a command would fail too."""
    try:
        return Finding(name, check())
    except StockctlError as error:
        return _failed(name, error)


def _failed(name: str, error: StockctlError) -> Finding:
    return Finding(name, error.message, ok=False, hint=error.hint or "")


def _values(settings: Settings, names: Names) -> str:
    parameters(settings, names, code_key="")
    render(names, settings.alerts.subscriptions)
    return "AWS accepts all values of the configuration"


def _permissions(connection: Connection, identity: Identity, names: Names) -> str:
    simulation = find_missing_permissions(connection, identity, names)
    if simulation.unknown:
        return f"unknown: {simulation.unknown}"
    if simulation.missing:
        raise AwsError(
            f"missing: {', '.join(summarize_actions(simulation.missing, names))}",
            f"Run 'stockctl template --operator-policy' to print the policy that {identity.arn} needs.",
        )
    return "all that the commands need"


def _bucket(connection: Connection, names: Names, bucket: str, key: str) -> str:
    owner = ownership(connection.client("s3"), bucket, names.account)
    if owner == "foreign":
        raise foreign_bucket(bucket, key)
    return f"{bucket}: {'free' if owner == 'absent' else 'exists in this account'}"


def _stack(connection: Connection, names: Names) -> str:
    stack = Stack(connection.client("cloudformation"), names.stack, PollInterval()).describe()
    if stack is None:
        return _without_stack(connection, names)
    if stack.status == STUCK:
        raise AwsError(
            f"{names.stack}: {STUCK}; its last update failed, and the rollback got stuck",
            "Run 'stockctl provision': it finishes the rollback first.",
        )
    if stack.must_be_deleted:
        raise AwsError(
            f"{names.stack}: {stack.status}; it can only be deleted",
            "Run 'stockctl provision', which deletes it first, or 'stockctl teardown'.",
        )
    return f"{names.stack}: {stack.status}" + (
        "; an operation is running" if in_progress(stack.status) else ""
    )


def _without_stack(connection: Connection, names: Names) -> str:
    """Return what ``provision`` would create and adopt.

    Raises:
        AwsError: a resource with one of the pipeline's names prevents it.
    """
    retained = retained_data.find_retained(connection, names)
    if retained.bucket == "foreign":  # the check of the bucket reports it
        retained = retained._replace(bucket="absent")
    retained_data.check_adoptable(connection, names, retained)
    adopted = [*([names.bucket] if retained.bucket == "ours" else []), *retained.tables]
    with_data = f" and adopts {', '.join(adopted)}" if adopted else ""
    return f"{names.stack}: none yet; 'stockctl provision' creates it{with_data}"
