"""Which permissions are missing, as far as IAM tells."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from stockctl.aws.account import Identity
from stockctl.aws.clients import Client, Connection
from stockctl.aws.faults import explained
from stockctl.aws.names import Names
from stockctl.aws.operator_policy import OPTIONAL, Grant, grants
from stockctl.aws.refused import error_code
from stockctl.errors import AwsError

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


def missing_permissions(connection: Connection, identity: Identity, names: Names) -> Simulation:
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
        with explained():
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


def in_short(missing: Sequence[str], names: Names) -> list[str]:
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
    with explained():
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
