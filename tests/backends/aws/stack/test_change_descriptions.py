"""The steps of a plan, from the changes of a CloudFormation change set."""

from typing import Any

import pytest

from stockctl.backends.aws.stack.changes import to_steps
from stockctl.backends.base import Step
from support.aws.template import names


def change(action: str, logical_id: str, kind: str, **more: Any) -> dict[str, Any]:
    """Return a change as CloudFormation describes it."""
    return {"Action": action, "LogicalResourceId": logical_id, "ResourceType": kind, **more}


def detail(
    name: str, *, cause: str = "", evaluation: str = "Static", recreation: str = "Never"
) -> dict[str, Any]:
    """Return a detail of a change: a property, and the parameter that it follows, if any."""
    target = {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}
    source = {"ChangeSource": "ParameterReference", "CausingEntity": cause} if cause else {}
    return {"Target": target, "Evaluation": evaluation, **({"ChangeSource": "DirectModification"} | source)}


def described(one: dict[str, Any], before: dict[str, str], after: dict[str, str]) -> Step:
    """Return the description of a single change."""
    (only,) = to_steps([one], names(), before, after)
    return only


def test_a_changed_parameter_shows_both_values() -> None:
    """Once, however many properties follow it."""
    one = change(
        "Modify", "IngestFunction", "AWS::Lambda::Function", Replacement="False",
        Details=[detail("MemorySize", cause="MemoryMb"), detail("Environment", cause="SmaShort"),
                 detail("Environment", cause="SmaShort")],
    )  # fmt: skip

    found = described(one, {"MemoryMb": "512", "SmaShort": "5"}, {"MemoryMb": "1024", "SmaShort": "3"})

    assert found == Step("update", "IngestFunction", "Lambda function", "MemoryMb 512 → 1024, SmaShort 5 → 3")


def test_new_code_is_called_new_code() -> None:
    """The key with its SHA-256 does not help the user."""
    one = change(
        "Modify", "TrendFunction", "AWS::Lambda::Function", Replacement="False",
        Details=[detail("Code", cause="CodeKey")],
    )  # fmt: skip

    assert described(one, {"CodeKey": "functions/a.zip"}, {"CodeKey": "functions/b.zip"}).detail == "new code"


def test_what_only_may_follow_is_kept_apart() -> None:
    """A role whose policy names a resource that changes in place will not change."""
    one = change(
        "Modify", "IngestRole", "AWS::IAM::Role", Replacement="False",
        Details=[{**detail("Policies", evaluation="Dynamic"), "ChangeSource": "ResourceAttribute",
                  "CausingEntity": "Stream.Arn"}],
    )  # fmt: skip

    assert described(one, {}, {}) == Step("maybe", "IngestRole", "IAM role", "Policies")


@pytest.mark.parametrize(
    ("kind", "fate"),
    [
        ("AWS::Kinesis::Stream", "records that were not read yet are lost"),
        ("AWS::DynamoDB::Table", "kept: the table remains outside of the stack"),
        ("AWS::S3::Bucket", "kept: the bucket remains outside of the stack"),
        ("AWS::Logs::LogGroup", "its log lines are lost"),
        ("AWS::SNS::Topic", "subscriptions made by hand are lost"),
        ("AWS::Athena::WorkGroup", "its query history is lost"),
        ("AWS::IAM::Role", ""),
    ],
)
def test_what_is_replaced_or_deleted_says_what_becomes_of_data(kind: str, fate: str) -> None:
    """Both ways of going."""
    replaced = change("Modify", "X", kind, Replacement="True", Details=[detail("Name", recreation="Always")])
    deleted = change("Remove", "X", kind)

    assert described(replaced, {}, {})[0] == "replace"
    assert described(replaced, {}, {}).data == fate
    assert described(deleted, {}, {})[0] == "delete"
    assert described(deleted, {}, {}).data == fate


@pytest.mark.parametrize(
    ("before", "after", "data"),
    [
        ("0", "30", "raw quotes older than 30 days are deleted"),
        ("30", "7", "raw quotes older than 7 days are deleted"),
        ("7", "30", ""),
        ("30", "0", ""),
        ("7", "7", ""),
    ],
)
def test_a_retention_that_begins_or_shortens_loses_data(before: str, after: str, data: str) -> None:
    """0 is for ever."""
    one = change(
        "Modify", "DataBucket", "AWS::S3::Bucket", Replacement="False",
        Details=[detail("LifecycleConfiguration")],
    )  # fmt: skip

    assert described(one, {"RawRetentionDays": before}, {"RawRetentionDays": after}).data == data


def test_what_is_adopted_and_what_is_new_is_named() -> None:
    """An adopted resource is named; a new one shows its name if users see it elsewhere."""
    adopted = change("Import", "QuotesTable", "AWS::DynamoDB::Table", PhysicalResourceId="stock-market-data")
    new = change("Add", "Stream", "AWS::Kinesis::Stream")
    unnamed = change("Add", "IngestRole", "AWS::IAM::Role")

    assert described(adopted, {}, {}).detail == "adds the existing stock-market-data to the stack"
    assert described(new, {}, {}) == Step("create", "Stream", "Kinesis stream", "stock-market-stream")
    assert described(unnamed, {}, {}).detail == ""


def test_a_resource_that_may_be_replaced_says_so() -> None:
    """CloudFormation does not always know beforehand."""
    one = change(
        "Modify", "Stream", "AWS::Kinesis::Stream", Replacement="Conditional",
        Details=[detail("ShardCount", cause="ShardCount", recreation="Conditionally")],
    )  # fmt: skip

    assert described(one, {"ShardCount": "1"}, {"ShardCount": "2"}).detail == (
        "ShardCount 1 → 2; may be replaced"
    )
