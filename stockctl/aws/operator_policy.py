"""The IAM policy of the person who runs the commands.

``operator-policy.json`` can be used as it stands for a pipeline with the names that come by default.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from stockctl.aws.names import Names, names_of
from stockctl.config import Settings

OPTIONAL = "CheckOwnPermissions"
"""The statement that only ``config check`` needs."""


class Grant(NamedTuple):
    """One statement: actions, the resources that each of them is needed on, and what the request holds."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    context: Mapping[str, str]
    """Keys of the statement's condition with a value that meets it."""


def policy_text() -> str:
    """Return the policy as it is in the package."""
    return resources.files("stockctl.aws").joinpath("operator-policy.json").read_text("utf-8")


def policy_of(names: Names) -> dict[str, Any]:
    """Return the policy for the pipeline that ``names`` call, and for no other account or region."""
    policy: dict[str, Any] = json.loads(policy_text())
    for statement in policy["Statement"]:
        found = [_renamed(resource, names) for resource in _several(statement["Resource"])]
        statement["Resource"] = found if isinstance(statement["Resource"], list) else found[0]
    return policy


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
