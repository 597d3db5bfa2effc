"""The policy of the person who runs the commands, against what the commands call.

What the program calls itself is read off its source: each method of an AWS client that it names. What
CloudFormation calls for it is in a table here, and each entry of that is held against the permissions that
AWS publishes for the handlers of the resource type.
"""

import ast
import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest
import yaml
from botocore import xform_name
from botocore.loaders import Loader

import stockctl.backends.aws
from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.names import Names, names_of
from stockctl.backends.aws.stack.operator_policy import (
    OperatorPolicy,
    grants,
    policy_for,
    policy_of,
    policy_text,
)
from stockctl.backends.aws.stack.preflight import EXAMPLES
from stockctl.backends.aws.stack.template import template_text
from stockctl.config.schema import Settings
from stockctl.errors import AwsError
from support.aws.moto_account import ACCOUNT, REGION

PACKAGE = Path(stockctl.backends.aws.__file__).parent
SERVICES = (
    "athena", "cloudformation", "cloudwatch", "dynamodb", "iam", "kinesis", "lambda", "logs", "s3", "sns",
    "sts",
)  # fmt: skip
# The permission of a call that is not named as the call is.
PERMISSION = {
    "s3:DeleteObjects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "s3:HeadBucket": {"s3:ListBucket"},
    "s3:HeadObject": {"s3:GetObject"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
    "s3:PutBucketLifecycleConfiguration": {"s3:PutLifecycleConfiguration"},
    "s3:PutPublicAccessBlock": {"s3:PutBucketPublicAccessBlock"},
    "s3:CreateBucket": {"s3:CreateBucket", "s3:PutBucketOwnershipControls"},
    # With tags, on the stack and on all that it makes.
    "cloudformation:CreateChangeSet": {
        "cloudformation:CreateChangeSet", "cloudformation:TagResource", "cloudformation:UntagResource",
    },
    "sts:GetCallerIdentity": set(),  # needs none
}  # fmt: skip
# Calls that only the functions make, in modules that they share with nobody.
BY_FUNCTIONS = {"dynamodb:BatchWriteItem"}
# What PyAthena calls, and what Athena then does on behalf of the caller.
BY_ATHENA = {
    "athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults",
    "athena:StopQueryExecution", "glue:GetDatabase", "glue:GetTable", "s3:GetBucketLocation",
    "s3:GetObject", "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload", "s3:PutObject",
}  # fmt: skip
# What CloudFormation calls on behalf of the caller, for the properties that the template has.
BY_STACK = {
    "AWS::Kinesis::Stream": """
        CreateStream DescribeStreamSummary DeleteStream UpdateShardCount UpdateStreamMode
        IncreaseStreamRetentionPeriod DecreaseStreamRetentionPeriod StartStreamEncryption
        AddTagsToStream RemoveTagsFromStream TagResource UntagResource ListTagsForStream
        ListTagsForResource
    """,
    "AWS::S3::Bucket": """
        CreateBucket DeleteBucket ListBucket PutBucketPublicAccessBlock PutBucketTagging
        PutBucketOwnershipControls PutEncryptionConfiguration PutLifecycleConfiguration TagResource
        UntagResource GetBucketPublicAccessBlock GetEncryptionConfiguration
        GetLifecycleConfiguration GetBucketOwnershipControls GetBucketTagging ListTagsForResource
    """,
    "AWS::S3::BucketPolicy": "GetBucketPolicy PutBucketPolicy DeleteBucketPolicy",
    "AWS::DynamoDB::Table": """
        CreateTable DescribeTable UpdateTable DeleteTable DescribeTimeToLive UpdateTimeToLive
        DescribeContinuousBackups UpdateContinuousBackups DescribeContributorInsights
        DescribeKinesisStreamingDestination GetResourcePolicy TagResource UntagResource
        ListTagsOfResource
    """,
    "AWS::Logs::LogGroup": """
        CreateLogGroup DeleteLogGroup DescribeLogGroups PutRetentionPolicy TagResource UntagResource
        ListTagsForResource GetDataProtectionPolicy DescribeIndexPolicies DescribeResourcePolicies
    """,
    "AWS::IAM::Role": """
        CreateRole DeleteRole GetRole PutRolePolicy GetRolePolicy DeleteRolePolicy UpdateRole
        UpdateRoleDescription UpdateAssumeRolePolicy ListAttachedRolePolicies ListRolePolicies
        TagRole UntagRole
    """,
    "AWS::Lambda::Function": """
        CreateFunction DeleteFunction GetFunction UpdateFunctionCode UpdateFunctionConfiguration
        TagResource UntagResource GetFunctionCodeSigningConfig GetFunctionRecursionConfig
        GetRuntimeManagementConfig iam:PassRole s3:GetObject
    """,
    "AWS::Lambda::EventSourceMapping": """
        CreateEventSourceMapping DeleteEventSourceMapping GetEventSourceMapping
        UpdateEventSourceMapping TagResource UntagResource ListTags
    """,
    "AWS::SNS::Topic": """
        CreateTopic DeleteTopic GetTopicAttributes SetTopicAttributes TagResource UntagResource
        ListTagsForResource ListSubscriptionsByTopic GetDataProtectionPolicy
    """,
    "AWS::SNS::TopicPolicy": "SetTopicAttributes",
    "AWS::SNS::Subscription": """
        Subscribe Unsubscribe GetSubscriptionAttributes SetSubscriptionAttributes
    """,
    "AWS::Glue::Database": "CreateDatabase GetDatabase UpdateDatabase DeleteDatabase",
    "AWS::Glue::Table": "CreateTable GetTable UpdateTable DeleteTable GetDatabase",
    "AWS::Athena::WorkGroup": """
        CreateWorkGroup GetWorkGroup UpdateWorkGroup DeleteWorkGroup TagResource UntagResource
        ListTagsForResource
    """,
    "AWS::CloudWatch::Alarm": """
        PutMetricAlarm DescribeAlarms DeleteAlarms TagResource UntagResource ListTagsForResource
    """,
}


@cache
def operations() -> dict[str, set[str]]:
    """Return the calls that each name of a client's method may mean."""
    found: dict[str, set[str]] = {}
    for service in SERVICES:
        model = Loader().load_service_model(service, "service-2")
        for operation in model["operations"]:
            found.setdefault(xform_name(operation), set()).add(f"{service}:{operation}")
    return found


def called() -> set[str]:
    """Return the calls that the source of ``aws`` names: methods of clients, paginators, waiters."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                found |= operations().get(node.attr, set())
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("get_paginator"):
                argument = node.args[0]
                assert isinstance(argument, ast.Constant), f"{path}: the operation must be written out"
                found |= operations()[argument.value]
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "wait_for":
                argument = node.args[1]
                assert isinstance(argument, ast.Constant), f"{path}: the waiter must be written out"
                found |= waiters()[argument.value]
    return found


@cache
def waiters() -> dict[str, set[str]]:
    """Return the calls that each waiter may mean."""
    found: dict[str, set[str]] = {}
    for service in ("cloudformation", "dynamodb", "lambda"):
        for name, waiter in Loader().load_service_model(service, "waiters-2")["waiters"].items():
            found.setdefault(xform_name(name), set()).add(f"{service}:{waiter['operation']}")
    return found


def needed() -> set[str]:
    """Return every permission that the commands need."""
    own = set().union(*(PERMISSION.get(call, {call}) for call in called())) - BY_FUNCTIONS
    return own | BY_ATHENA | {action for actions in by_stack().values() for action in actions}


def by_stack() -> dict[str, set[str]]:
    """Return what CloudFormation calls, by type of resource."""
    prefix = {"AWS::S3::BucketPolicy": "s3"}
    return {
        kind: {
            action if ":" in action else f"{prefix.get(kind, kind.split('::')[1].lower())}:{action}"
            for action in actions.split()
        }
        for kind, actions in BY_STACK.items()
    }


def allowed() -> set[str]:
    """Return the actions of the policy, some of them patterns."""
    names = names_of(Settings(), ACCOUNT, REGION)
    return {action for grant in grants(names) for action in grant.actions}


def test_calls_are_found() -> None:
    """The walk over the source sees calls, paginators and what is called on a client made in place."""
    assert {"kinesis:PutRecords", "s3:ListObjectVersions", "kinesis:DescribeStreamSummary"} <= called()
    assert len(called()) > 40


def test_every_call_is_allowed() -> None:
    """What the program calls, what Athena and CloudFormation call for it: nothing is missing."""
    patterns = allowed()
    assert {action for action in needed() if not any(fnmatchcase(action, each) for each in patterns)} == set()


def test_nothing_more_is_allowed() -> None:
    """Each action, and each pattern, is there for something that is called."""
    actions = needed()
    assert {each for each in allowed() if not any(fnmatchcase(action, each) for action in actions)} == set()


def test_patterns_only_read() -> None:
    """A wildcard only covers read actions, and some actions of each are simulated."""
    patterns = {action for action in allowed() if "*" in action}
    assert {each for each in patterns if not each.split(":")[1].startswith(("Describe", "Get", "List"))} == {
        "iam:UpdateRole*"
    }
    assert patterns == set(EXAMPLES)
    assert all(fnmatchcase(example, pattern) for pattern in EXAMPLES for example in EXAMPLES[pattern])


def test_each_type_of_the_template_is_covered() -> None:
    """A new resource in the template needs its permissions here."""

    class Loose(yaml.SafeLoader):
        """Reads CloudFormation's short forms as nothing."""

    Loose.add_multi_constructor("!", lambda *_: None)
    template = yaml.load(template_text(), Loose)
    types = {resource["Type"] for resource in template["Resources"].values()}
    assert types | {"AWS::SNS::Subscription"} == set(BY_STACK)


@cache
def published() -> dict[str, set[str]]:
    """Return the permissions that AWS publishes for the handlers of each type, as cfn-lint carries them."""
    found: dict[str, set[str]] = {}
    for path in (Path(cfnlint.__file__).parent / "data" / "schemas" / "resources").glob("*.json"):
        schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if schema.get("typeName") in BY_STACK:
            for handler in schema.get("handlers", {}).values():
                found.setdefault(schema["typeName"], set()).update(handler["permissions"])
    return found


@pytest.mark.parametrize("kind", BY_STACK)
def test_what_cloudformation_calls_is_what_aws_publishes(kind: str) -> None:
    """No permission of the table is made up."""
    assert by_stack()[kind] - published()[kind] == set()


def test_the_policy_fits_into_a_managed_one() -> None:
    """IAM takes 6,144 characters, white space not counted."""
    assert len(json.dumps(json.loads(policy_text()), separators=(",", ":"))) <= 6144


def everywhere(names: Names) -> list[str]:
    """Return every resource of the policy."""
    return [resource for grant in grants(names) for resource in grant.resources]


def test_by_default_the_file_is_the_policy() -> None:
    """Rendered for every account and region, nothing changes."""
    assert policy_of(names_of(Settings(), "*", "*")) == json.loads(policy_text())


def test_the_policy_follows_the_names() -> None:
    """Every resource is one of this pipeline, in this account and region."""
    settings = Settings.model_validate(
        {"project": {"name": "desk"}, "analytics": {"workgroup": "sql"}, "archive": {"bucket": "my-quotes"}}
    )
    names = names_of(settings, ACCOUNT, "cn-north-1", "aws-cn")

    resources = [each for each in everywhere(names) if each != "*"]

    general = (":event-source-mapping:", ":catalog", ":user/", ":role/*")
    assert all(each.startswith("arn:aws-cn:") for each in resources)
    assert [
        each for each in resources if "desk" not in each and not any(part in each for part in general)
    ] == []
    assert "arn:aws-cn:s3:::desk-my-quotes/*" in resources
    assert f"arn:aws-cn:athena:cn-north-1:{ACCOUNT}:workgroup/desk-sql" in resources
    assert f"arn:aws-cn:glue:cn-north-1:{ACCOUNT}:table/desk_stock_data_db/*" in resources
    assert f"arn:aws-cn:cloudformation:cn-north-1:{ACCOUNT}:stack/desk-stockctl-preview/*" in resources
    assert not any(":*:*:" in each for each in resources)


def test_without_an_account_the_policy_is_the_file() -> None:
    """Without credentials and region, the names come from the configuration, the rest is a wildcard."""
    policy = policy_for(Settings(), no_credentials)

    assert policy.document == json.loads(policy_text())
    assert policy.scope == "any account, any region (No AWS credentials were found)"


def test_without_an_account_the_region_still_counts() -> None:
    """A region of the configuration closes the policy to others, in the partition that has it."""
    policy = policy_for(Settings.model_validate({"aws": {"region": "cn-north-1"}}), no_credentials)

    assert policy.document == policy_of(names_of(Settings(), "*", "cn-north-1", "aws-cn"))


def test_with_an_account_the_policy_holds_there(empty_account: Connection) -> None:
    """Account and region of the credentials stand in every resource."""
    policy = policy_for(Settings(), lambda: empty_account)

    assert policy.document == policy_of(names_of(Settings(), ACCOUNT, REGION))
    assert policy.scope == f"account {ACCOUNT}, {REGION}"


@pytest.mark.parametrize("project", ["", "longername"])
def test_a_policy_too_long_for_a_managed_one_comes_in_parts(project: str) -> None:
    """Each part fits, and together they have each statement once."""
    names = names_of(Settings.model_validate({"project": {"name": project}}), ACCOUNT, "ap-southeast-2")
    policy = OperatorPolicy(policy_of(names), "there")

    sizes = [len(json.dumps(part, separators=(",", ":"))) for part in policy.parts]

    assert len(sizes) > 1
    assert max(sizes) <= 6144
    assert [each for part in policy.parts for each in part["Statement"]] == policy.document["Statement"]
    assert {part["Version"] for part in policy.parts} == {"2012-10-17"}


def test_a_policy_that_fits_is_one() -> None:
    """The file as it is, is a managed policy."""
    policy = OperatorPolicy(json.loads(policy_text()), "anywhere")

    assert policy.parts == [policy.document]


def no_credentials() -> Connection:
    """Fail as a connection without credentials does."""
    raise AwsError("No AWS credentials were found.", "Run 'aws configure'.")
