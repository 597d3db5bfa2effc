"""What a CloudFormation change set would do, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.template import CODE_KEY

Action = Literal["create", "update", "maybe", "replace", "delete", "adopt", "keep"]
"""``maybe``: only if what it refers to is replaced."""


class Change(NamedTuple):
    """One thing that an operation does, or would do."""

    action: Action
    resource: str
    """Its logical id in the template, or its name."""
    kind: str
    """Such as ``Kinesis stream``."""
    detail: str
    """What changes."""
    data: str = ""
    """What becomes of data; empty when none is touched."""


_KINDS = {
    "AWS::Athena::WorkGroup": "Athena workgroup",
    "AWS::CloudWatch::Alarm": "CloudWatch alarm",
    "AWS::DynamoDB::Table": "DynamoDB table",
    "AWS::Glue::Database": "Glue database",
    "AWS::Glue::Table": "Glue table",
    "AWS::IAM::Role": "IAM role",
    "AWS::Kinesis::Stream": "Kinesis stream",
    "AWS::Lambda::EventSourceMapping": "Lambda trigger",
    "AWS::Lambda::Function": "Lambda function",
    "AWS::Logs::LogGroup": "log group",
    "AWS::S3::Bucket": "S3 bucket",
    "AWS::S3::BucketPolicy": "S3 bucket policy",
    "AWS::SNS::Subscription": "SNS subscription",
    "AWS::SNS::Topic": "SNS topic",
    "AWS::SNS::TopicPolicy": "SNS topic policy",
}
_GONE = {
    "AWS::Athena::WorkGroup": "the history of its queries is lost",
    "AWS::DynamoDB::Table": "kept: the table stays, outside of the stack",
    "AWS::Kinesis::Stream": "records that were not read yet are lost",
    "AWS::Logs::LogGroup": "its log lines are lost",
    "AWS::S3::Bucket": "kept: the bucket stays, outside of the stack",
    "AWS::SNS::Topic": "subscriptions made by hand are lost",
}
_ACTIONS: Mapping[str, Action] = {"Add": "create", "Modify": "update", "Remove": "delete", "Import": "adopt"}
# Parameters that make data of a resource expire when they become smaller; 0 means never.
_EXPIRY = {
    "Stream": ("StreamRetentionHours", "records older than {} hours are lost"),
    "DataBucket": ("RawRetentionDays", "raw quotes older than {} days are deleted"),
    "QuotesTable": ("TtlDays", "quotes stored from now on are deleted after {} days"),
    "IngestLogs": ("LogRetentionDays", "log lines older than {} days are deleted"),
    "TrendLogs": ("LogRetentionDays", "log lines older than {} days are deleted"),
}


def describe(
    resource_changes: Sequence[Mapping[str, Any]],
    names: Names,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> list[Change]:
    """Return the changes of a change set, in its order.

    Args:
        resource_changes: the ``ResourceChange`` of each, as CloudFormation describes it.
        names: what things are called.
        before: the parameters that the stack has.
        after: those of the change set.
    """
    called = _called(names)
    return [
        _described(change, called.get(change["LogicalResourceId"], ""), before, after)
        for change in resource_changes
    ]


def kind_of(resource_type: str) -> str:
    """Return what people call a resource of this CloudFormation type."""
    return _KINDS.get(resource_type, resource_type)


def _called(names: Names) -> Mapping[str, str]:
    """Return the names of the resources that people meet elsewhere."""
    return {
        "Stream": names.stream,
        "DataBucket": names.bucket,
        "QuotesTable": names.table,
        "AlertsTable": names.alerts_table,
        "IngestFunction": names.ingest_function,
        "TrendFunction": names.trend_function,
        "AlertTopic": names.alert_topic,
        "OperationsTopic": names.operations_topic,
        "Database": names.database,
        "SqlTable": names.sql_table,
        "Workgroup": names.workgroup,
    }


def _described(
    change: Mapping[str, Any], name: str, before: Mapping[str, str], after: Mapping[str, str]
) -> Change:
    action = _action(change)
    logical_id, resource_type = change["LogicalResourceId"], change["ResourceType"]
    if action == "create":
        detail = name
    elif action == "adopt":
        detail = f"takes {change.get('PhysicalResourceId') or name} into the stack as it is"
    else:
        detail = _detail(change, before, after)
    gone = action in ("replace", "delete")
    data = _GONE.get(resource_type, "") if gone else _expiry(logical_id, before, after)
    return Change(action, logical_id, kind_of(resource_type), detail, data)


def _action(change: Mapping[str, Any]) -> Action:
    action = _ACTIONS.get(change["Action"], "update")
    if action != "update":
        return action
    if change.get("Replacement") == "True":
        return "replace"
    details = change.get("Details", [])
    return "maybe" if details and all(each.get("Evaluation") == "Dynamic" for each in details) else "update"


def _detail(change: Mapping[str, Any], before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return what of a resource changes: parameters with both values, else names of properties."""
    causes = dict.fromkeys(_causes(change))
    own, _ = _EXPIRY.get(change["LogicalResourceId"], ("", ""))
    if own in after and before.get(own) != after[own]:
        causes[own] = None
    shown = [_difference(name, before, after) for name in causes] or list(dict.fromkeys(_properties(change)))
    maybe = "; may be replaced" if change.get("Replacement") == "Conditional" else ""
    return ", ".join(shown) + maybe


def _causes(change: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parameters that change the resource."""
    for detail in change.get("Details", []):
        if detail.get("ChangeSource") == "ParameterReference" and detail.get("CausingEntity"):
            yield detail["CausingEntity"]


def _properties(change: Mapping[str, Any]) -> Iterator[str]:
    for detail in change.get("Details", []):
        target = detail.get("Target", {})
        yield target.get("Name") or target.get("Attribute", "")


def _difference(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name == CODE_KEY:
        return "new code"
    return f"{name} {before.get(name, 'unset')} → {after.get(name, 'unset')}"


def _expiry(logical_id: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    parameter, words = _EXPIRY.get(logical_id, ("", ""))
    if parameter not in before or parameter not in after:
        return ""
    return (
        words.format(after[parameter])
        if _format_duration(after[parameter]) < _format_duration(before[parameter])
        else ""
    )


def _format_duration(text: str) -> float:
    return float(text) or float("inf")
