"""The IAM policy of the person who runs the commands.

``operator-policy.json`` can be used as it stands for a pipeline with the names that come by default.
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


MOST_CHARACTERS = 6144
"""What IAM takes for a managed policy, white space not counted; inline, a role takes 10,240."""


class OperatorPolicy(NamedTuple):
    """The policy, and for a person where it holds."""

    document: Mapping[str, Any]
    holds: str

    @property
    def parts(self) -> Sequence[Mapping[str, Any]]:
        """The policy as managed policies: itself, or if it is too long for one, several that add up to it."""
        parts: list[dict[str, Any]] = []
        for statement in self.document["Statement"]:
            if parts and _size(longer := _and(parts[-1], statement)) <= MOST_CHARACTERS:
                parts[-1] = longer
            else:
                parts.append({**self.document, "Statement": [statement]})
        return parts


class Grant(NamedTuple):
    """One statement: actions, the resources that each of them is needed on, and what the request holds."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    context: Mapping[str, str]
    """Keys of the statement's condition with a value that meets it."""


def policy_text() -> str:
    """Return the policy as it is in the package."""
    return resources.files("stockctl.backends.aws.stack").joinpath("operator-policy.json").read_text("utf-8")


def policy_of(names: Names) -> dict[str, Any]:
    """Return the policy for the pipeline that ``names`` call, and for no other account or region."""
    policy: dict[str, Any] = json.loads(policy_text())
    for statement in policy["Statement"]:
        found = [_renamed(resource, names) for resource in _several(statement["Resource"])]
        statement["Resource"] = found if isinstance(statement["Resource"], list) else found[0]
    return policy


def policy_for(settings: Settings, connect: Callable[[], Connection]) -> OperatorPolicy:
    """Return the policy for the pipeline of ``settings``, in the account that the credentials belong to.

    Where nobody can be asked it holds in any account, and in any region unless one is set.

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
        holds = f"account {caller.account}, {caller.region}"
    except AwsError as error:
        names = names_of(settings, "*", region or "*", partition_of(region or "*"))
        holds = f"any account, {region or 'any region'} ({error.message.rstrip('.')})"
    return OperatorPolicy(policy_of(names), holds)


def grants(names: Names) -> Sequence[Grant]:
    """Return what the commands need in the account, statement by statement."""
    return [
        Grant(
            statement["Sid"],
            _several(statement["Action"]),
            _several(statement["Resource"]),
            {
                key: _several(value)[0]
                for test in statement.get("Condition", {}).values()
                for key, value in test.items()
            },
        )
        for statement in policy_of(names)["Statement"]
    ]


def _and(policy: Mapping[str, Any], statement: Mapping[str, Any]) -> dict[str, Any]:
    return {**policy, "Statement": [*policy["Statement"], statement]}


def _size(policy: Mapping[str, Any]) -> int:
    return len(json.dumps(policy, separators=(",", ":")))


def _renamed(resource: str, names: Names) -> str:
    for old, new in zip(_fragments(_BY_DEFAULT), _fragments(names), strict=True):
        if old in resource:
            resource = resource.replace(old, new, 1)
            break
    head, star, tail = resource.partition(":*:*:")
    if star:
        resource = f"{head}:{names.region}:{names.account}:{tail}"
    resource = resource.replace(":iam::*:", f":iam::{names.account}:")
    return resource.replace("arn:aws:", f"arn:{names.partition}:", 1)


def _fragments(names: Names) -> Sequence[str]:
    """Return the parts of ARNs that hold a name, in the same order for all names."""
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


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


_BY_DEFAULT = names_of(Settings(), "*", "*")
