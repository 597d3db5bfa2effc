"""The template of the pipeline, read and resolved in tests."""

import re
from functools import cache
from typing import Any

from cfnlint.decode import decode_str

from stockctl.backends.aws.names import Names, names_of
from stockctl.backends.aws.stack.template import parameters, render, template_text
from stockctl.config.schema import Settings

ACCOUNT = "123456789012"
REGION = "eu-west-1"


def settings(**sections: object) -> Settings:
    """Return the configuration for AWS, with ``sections`` of it."""
    return Settings.model_validate({"target": "aws", **sections})


def names(**sections: object) -> Names:
    """Return the names that such a configuration gives."""
    return names_of(settings(**sections), ACCOUNT, REGION)


@cache
def template() -> dict[str, Any]:
    """Return the template as it is in the package."""
    return decoded(template_text())


def decoded(text: str) -> dict[str, Any]:
    """Return the YAML of a template, short forms of its functions written out."""
    parsed, problems = decode_str(text)
    assert not problems
    return parsed


def resources(kind: str) -> dict[str, Any]:
    """Return the properties of all resources of a type."""
    return {
        name: resource["Properties"]
        for name, resource in template()["Resources"].items()
        if resource["Type"] == kind
    }


def rendered(**sections: object) -> dict[str, Any]:
    """Return the resources of the rendered template with all parameters and conditions worked out.

    A reference to a resource becomes its logical id, an attribute ``id.Attribute``.
    """
    chosen = settings(**sections)
    called = names_of(chosen, ACCOUNT, REGION)
    parsed = decoded(render(called, chosen.alerts.subscriptions))
    values: dict[str, Any] = {
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": REGION,
        "AWS::Partition": "aws",
        "AWS::StackName": called.stack,
        **{name: each.get("Default") for name, each in parsed["Parameters"].items()},
        **parameters(chosen, called, "functions/0.zip"),
    }
    conditions: dict[str, bool] = {}
    for name, condition in parsed["Conditions"].items():
        conditions[name] = _resolved(condition, values, conditions)
    return {name: _resolved(each, values, conditions) for name, each in parsed["Resources"].items()}


_NO_VALUE = object()


def _resolved(node: Any, values: dict[str, Any], conditions: dict[str, bool]) -> Any:
    if isinstance(node, list):
        items = [_resolved(item, values, conditions) for item in node]
        return [item for item in items if item is not _NO_VALUE]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        name, argument = next(iter(node.items()))
        if name in ("Ref", "Condition") or name.startswith("Fn::"):
            return _called(name, argument, values, conditions)
    members = {key: _resolved(value, values, conditions) for key, value in node.items()}
    return {key: value for key, value in members.items() if value is not _NO_VALUE}


def _called(name: str, argument: Any, values: dict[str, Any], conditions: dict[str, bool]) -> Any:
    if name == "Ref":
        return _NO_VALUE if argument == "AWS::NoValue" else values.get(argument, argument)
    if name == "Fn::GetAtt":
        return ".".join(argument)
    if name == "Fn::Sub":
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(values.get(match[1], match[1])), argument)
    if name == "Fn::If":
        condition, yes, no = argument
        return _resolved(yes if conditions[condition] else no, values, conditions)
    inner = _resolved(argument, values, conditions)
    if name == "Fn::Equals":
        return str(inner[0]) == str(inner[1])
    if name == "Fn::Not":
        return not inner[0]
    raise AssertionError(f"{name} is not worked out here")
