"""The IAM policy that the user of the commands needs.

``operator-policy.json`` is this policy for a pipeline with the default names.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from stockctl.backends.aws.connection import Connection, identify, partition_of
from stockctl.backends.aws.names import Names, names_of
from stockctl.config.schema import Settings
from stockctl.errors import AwsError

OPTIONAL = "CheckOwnPermissions"
"""The statement that only ``config check`` needs."""
MAX_CHARACTERS = 6144
"""Maximum size of a managed policy without white space; the inline policies of a role may have 10,240."""


class OperatorPolicy(NamedTuple):
    """The policy, and where it is valid, as text for the user."""

    document: Mapping[str, Any]
    scope: str

    @property
    def parts(self) -> Sequence[Mapping[str, Any]]:
        """The policy as managed policies: one, or several if it is too long for one."""
        parts: list[dict[str, Any]] = []
        for statement in self.document["Statement"]:
            if parts and _size(longer := _append(parts[-1], statement)) <= MAX_CHARACTERS:
                parts[-1] = longer
            else:
                parts.append({**self.document, "Statement": [statement]})
        return parts


class Grant(NamedTuple):
    """One statement: actions, the resources on which they are needed, and the condition."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    context: Mapping[str, str]
    """Condition keys, each with a value that meets the condition."""


def policy_text() -> str:
    """Return the policy file of the package."""
    return resources.files("stockctl.backends.aws.stack").joinpath("operator-policy.json").read_text("utf-8")


def policy_of(names: Names) -> dict[str, Any]:
    """Return the policy for the pipeline with these names, limited to its account and region."""
    policy: dict[str, Any] = json.loads(policy_text())
    for statement in policy["Statement"]:
        resources_ = [_rename(resource, names) for resource in _as_list(statement["Resource"])]
        statement["Resource"] = resources_ if isinstance(statement["Resource"], list) else resources_[0]
    return policy


def policy_for(settings: Settings, connect: Callable[[], Connection]) -> OperatorPolicy:
    """Return the policy for the pipeline of ``settings``, in the account of the credentials.

    Without valid credentials it is valid in any account, and in any region unless one is set.

    Args:
        settings: the configuration.
        connect: opens the connection to the account.
    """
    region = settings.aws.region
    try:
        connection = connect()
        region = connection.region
        caller = identify(connection)
        names = names_of(settings, caller.account, caller.region, caller.partition)
        scope = f"account {caller.account}, {caller.region}"
    except AwsError as error:
        names = names_of(settings, "*", region or "*", partition_of(region or "*"))
        scope = f"any account, {region or 'any region'} ({error.message.rstrip('.')})"
    return OperatorPolicy(policy_of(names), scope)


def grants(names: Names) -> Sequence[Grant]:
    """Return the permissions that the commands need, statement by statement."""
    return [
        Grant(
            statement["Sid"],
            _as_list(statement["Action"]),
            _as_list(statement["Resource"]),
            {
                key: _as_list(value)[0]
                for test in statement.get("Condition", {}).values()
                for key, value in test.items()
            },
        )
        for statement in policy_of(names)["Statement"]
    ]


def _append(policy: Mapping[str, Any], statement: Mapping[str, Any]) -> dict[str, Any]:
    return {**policy, "Statement": [*policy["Statement"], statement]}


def _size(policy: Mapping[str, Any]) -> int:
    return len(json.dumps(policy, separators=(",", ":")))


def _rename(resource: str, names: Names) -> str:
    for old, new in zip(_fragments(_DEFAULT_NAMES), _fragments(names), strict=True):
        if old in resource:
            resource = resource.replace(old, new, 1)
            break
    head, star, tail = resource.partition(":*:*:")
    if star:
        resource = f"{head}:{names.region}:{names.account}:{tail}"
    resource = resource.replace(":iam::*:", f":iam::{names.account}:")
    return resource.replace("arn:aws:", f"arn:{names.partition}:", 1)


def _fragments(names: Names) -> Sequence[str]:
    """Return the parts of ARNs that contain a name, always in the same order."""
    functions = [
        f"{before}{function}"
        for before in (":function:", ":alarm:", ":/aws/lambda/")
        for function in names.functions
    ]
    return [
        f":stack/{names.stack}/",
        f":stack/{names.stack}-preview/",
        f":role/{names.stack}-",
        f":::{names.artifacts}",
        f":::{names.bucket}",
        f":stream/{names.stream}",
        f":table/{names.table}",
        f":table/{names.alerts_table}",
        f":{names.alert_topic}",
        f":{names.operations_topic}",
        f":database/{names.database}",
        f":table/{names.database}/",
        f":userDefinedFunction/{names.database}/",
        f":workgroup/{names.workgroup}",
        *functions,
    ]


def _as_list(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


_DEFAULT_NAMES = names_of(Settings(), "*", "*")
