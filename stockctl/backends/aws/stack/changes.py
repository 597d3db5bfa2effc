"""Describes the changes of a CloudFormation change set for the user."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.template import CODE_KEY
from stockctl.backends.base import Step

_Action = Literal["create", "update", "maybe", "replace", "delete", "adopt"]

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
_DATA_LOSS = {
    "AWS::Athena::WorkGroup": "its query history is lost",
    "AWS::DynamoDB::Table": "kept: the table remains outside of the stack",
    "AWS::Kinesis::Stream": "records that were not read yet are lost",
    "AWS::Logs::LogGroup": "its log lines are lost",
    "AWS::S3::Bucket": "kept: the bucket remains outside of the stack",
    "AWS::SNS::Topic": "subscriptions made by hand are lost",
}
_ACTIONS: Mapping[str, _Action] = {"Add": "create", "Modify": "update", "Remove": "delete", "Import": "adopt"}
# Parameters that make data expire earlier when they become smaller; 0 means never.
_EXPIRY = {
    "Stream": ("StreamRetentionHours", "records older than {} hours are lost"),
    "DataBucket": ("RawRetentionDays", "raw quotes older than {} days are deleted"),
    "QuotesTable": ("TtlDays", "quotes stored from now on are deleted after {} days"),
    "IngestLogs": ("LogRetentionDays", "log lines older than {} days are deleted"),
    "TrendLogs": ("LogRetentionDays", "log lines older than {} days are deleted"),
}


def to_steps(
    resource_changes: Sequence[Mapping[str, Any]],
    names: Names,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> list[Step]:
    """Return the changes of a change set as steps, in the same order.

    Args:
        resource_changes: the ``ResourceChange`` objects, as CloudFormation returns them.
        names: names of the resources.
        before: the parameters of the stack.
        after: the parameters of the change set.
    """
    physical_names = _physical_names(names)
    return [
        _step(change, physical_names.get(change["LogicalResourceId"], ""), before, after)
        for change in resource_changes
    ]


def _physical_names(names: Names) -> Mapping[str, str]:
    """Return the names of the resources that users see elsewhere, by logical id."""
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


def _step(change: Mapping[str, Any], name: str, before: Mapping[str, str], after: Mapping[str, str]) -> Step:
    action = _action(change)
    logical_id, resource_type = change["LogicalResourceId"], change["ResourceType"]
    if action == "create":
        detail = name
    elif action == "adopt":
        detail = f"adds the existing {change.get('PhysicalResourceId') or name} to the stack"
    else:
        detail = _detail(change, before, after)
    is_removed = action in ("replace", "delete")
    data = _DATA_LOSS.get(resource_type, "") if is_removed else _expiry(logical_id, before, after)
    return Step(action, logical_id, _KINDS.get(resource_type, resource_type), detail, data)


def _action(change: Mapping[str, Any]) -> _Action:
    action = _ACTIONS.get(change["Action"], "update")
    if action != "update":
        return action
    if change.get("Replacement") == "True":
        return "replace"
    details = change.get("Details", [])
    return "maybe" if details and all(each.get("Evaluation") == "Dynamic" for each in details) else "update"


def _detail(change: Mapping[str, Any], before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return what changes: parameters with old and new value, or else the names of properties."""
    changed = dict.fromkeys(_changed_parameters(change))
    expiry, _ = _EXPIRY.get(change["LogicalResourceId"], ("", ""))
    if expiry in after and before.get(expiry) != after[expiry]:
        changed[expiry] = None
    details = [_difference(name, before, after) for name in changed] or list(
        dict.fromkeys(_changed_properties(change))
    )
    replacement = "; may be replaced" if change.get("Replacement") == "Conditional" else ""
    return ", ".join(details) + replacement


def _changed_parameters(change: Mapping[str, Any]) -> Iterator[str]:
    """Yield the template parameters that cause the change."""
    for detail in change.get("Details", []):
        if detail.get("ChangeSource") == "ParameterReference" and detail.get("CausingEntity"):
            yield detail["CausingEntity"]


def _changed_properties(change: Mapping[str, Any]) -> Iterator[str]:
    for detail in change.get("Details", []):
        target = detail.get("Target", {})
        yield target.get("Name") or target.get("Attribute", "")


def _difference(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name == CODE_KEY:
        return "new code"
    return f"{name} {before.get(name, 'unset')} → {after.get(name, 'unset')}"


def _expiry(logical_id: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return what expires earlier than before; empty if nothing does."""
    parameter, text = _EXPIRY.get(logical_id, ("", ""))
    if parameter not in before or parameter not in after:
        return ""
    is_earlier = _retention(after[parameter]) < _retention(before[parameter])
    return text.format(after[parameter]) if is_earlier else ""


def _retention(value: str) -> float:
    return float(value) or float("inf")
