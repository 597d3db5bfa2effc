"""The permissions in the template, statement by statement: both roles, the topics, the bucket."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from support.aws.template import ACCOUNT, REGION, names, rendered, resources

STAGES = ("Ingest", "Trend")

# What AWS documents that a function's role needs for Lambda's own work: the managed policies
# AWSLambdaKinesisExecutionRole and AWSLambdaDynamoDBExecutionRole, and the two actions of an S3 on-failure
# destination of a stream mapping.
DOCUMENTED = {
    "Ingest": {
        "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords",
        "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:ListStreams", "kinesis:SubscribeToShard",
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
        "s3:PutObject", "s3:ListBucket",
    },
    "Trend": {
        "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
        "s3:PutObject", "s3:ListBucket",
    },
}  # fmt: skip
# Of those, what this template does without, and why.
NOT_NEEDED = {
    "kinesis:ListStreams": "names all streams of the account; the mapping knows its own",
    "kinesis:SubscribeToShard": "for a consumer with enhanced fan-out, which there is none of",
    "logs:CreateLogGroup": "the stack owns the groups; one that a function makes would outlive the stack",
}
# What the handlers themselves call.
CALLED = {
    "Ingest": {
        "s3:PutObject": {"DataBucket.Arn/raw-data/*", "DataBucket.Arn/quarantine/*"},
        "dynamodb:Query": {"QuotesTable.Arn"},
        "dynamodb:BatchWriteItem": {"QuotesTable.Arn"},
    },
    "Trend": {
        "dynamodb:PutItem": {"AlertsTable.Arn"},
        "dynamodb:UpdateItem": {"AlertsTable.Arn"},
        "sns:Publish": {"AlertTopic"},
    },
}


def listed(value: Any) -> list[Any]:
    """Return a value that may stand alone as a list."""
    return value if isinstance(value, list) else [value]


def granted(stage: str, policy: str) -> dict[str, set[str]]:
    """Return the resources that a policy of a role allows each action on."""
    role = rendered()[f"{stage}Role"]["Properties"]
    documents = {each["PolicyName"]: each["PolicyDocument"] for each in role["Policies"]}
    assert set(documents) == {"function", "lambda-service"}
    found: dict[str, set[str]] = {}
    for statement in documents[policy]["Statement"]:
        assert statement["Effect"] == "Allow"
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"}
        for action in listed(statement["Action"]):
            found.setdefault(action, set()).update(listed(statement["Resource"]))
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_role_allows_what_its_handler_calls_and_no_more(stage: str) -> None:
    """Action by action, each on the very resource."""
    assert granted(stage, "function") == CALLED[stage]


@pytest.mark.parametrize("stage", STAGES)
def test_a_role_allows_what_lambda_needs_for_itself(stage: str) -> None:
    """The documented actions, but for those that are not needed, each with its reason."""
    assert set(granted(stage, "lambda-service")) == DOCUMENTED[stage] - set(NOT_NEEDED)


@pytest.mark.parametrize("stage", STAGES)
def test_what_lambda_does_is_bound_to_our_resources(stage: str) -> None:
    """Stream, failed batches and log group are ours by ARN; only ListStreams knows no narrower resource."""
    service = granted(stage, "lambda-service")
    function = f"stock-market-{stage.lower()}"
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{function}:*"

    assert service["s3:PutObject"] == {"DataBucket.Arn/aws/lambda/*"}
    assert service["s3:ListBucket"] == {"DataBucket.Arn"}
    assert service["logs:CreateLogStream"] == service["logs:PutLogEvents"] == {group}
    assert service.get("dynamodb:ListStreams", {"*"}) == {"*"}
    reads = {action: on for action, on in service.items() if re.match("kinesis|dynamodb:[DG]", action)}
    assert set().union(*reads.values()) == {"Stream.Arn" if stage == "Ingest" else "QuotesTable.StreamArn"}


@pytest.mark.parametrize("stage", STAGES)
def test_no_action_is_a_pattern_and_no_resource_is_everything(stage: str) -> None:
    """A wildcard is only at the end of a path, never for a whole service or account."""
    for policy in ("function", "lambda-service"):
        for action, on in granted(stage, policy).items():
            assert "*" not in action
            if action != "dynamodb:ListStreams":
                assert all(re.fullmatch(r"[\w.:/-]*[\w.]([/:]\*)?", resource) for resource in on), on


@pytest.mark.parametrize("stage", STAGES)
def test_only_lambda_takes_a_role(stage: str) -> None:
    """Nobody else can act as a function, and no managed policy widens the role."""
    role = rendered()[f"{stage}Role"]["Properties"]

    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ]
    assert "ManagedPolicyArns" not in role
    assert "RoleName" not in role  # a generated name, so that the pipeline fits into several regions


def test_no_topic_has_an_open_principal() -> None:
    """Nobody is allowed by the topic of alerts; that of alarms allows our alarms, of this account."""
    policies = resources("AWS::SNS::TopicPolicy")
    assert len(policies) == len(resources("AWS::SNS::Topic")) == 2
    alerts = rendered()["AlertTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    operations = rendered()["OperationsTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert [(each["Effect"], each["Action"], each["Condition"]) for each in alerts] == [
        ("Deny", "sns:Publish", {"Bool": {"aws:SecureTransport": "false"}})
    ]
    alarm = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:stock-market"
    assert [each["Principal"] for each in operations] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert operations[0]["Action"] == "sns:Publish"
    assert operations[0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": [f"{alarm}-ingest-*", f"{alarm}-trend-*"]},
    }


def test_the_iam_linter_finds_nothing(tmp_path: Path) -> None:
    """The linter (parliament) knows every action with its resources, and has nothing to say."""
    for module in ("parliament", "pkg_resources"):
        if find_spec(module) is None:
            pytest.skip(f"the linter is not installed: there is no {module}")
    program = (
        "import json, sys, parliament\n"
        "for document in json.load(open(sys.argv[1])):\n"
        "    for finding in parliament.analyze_policy_string(json.dumps(document)).findings:\n"
        "        print(finding)\n"
    )
    documents = tmp_path / "policies.json"
    documents.write_text(json.dumps([_with_arns(document) for document in _documents()]))

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(documents)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def _documents() -> list[dict[str, Any]]:
    return [
        policy["PolicyDocument"]
        for stage in STAGES
        for policy in rendered()[f"{stage}Role"]["Properties"]["Policies"]
    ]


def _with_arns(document: dict[str, Any]) -> dict[str, Any]:
    """Return a policy with the ARNs that its references would become."""
    called = names()
    arns = {
        "DataBucket.Arn": f"arn:aws:s3:::{called.bucket}",
        "QuotesTable.StreamArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{called.table}/stream/2026",
        "QuotesTable.Arn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{called.table}",
        "AlertsTable.Arn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{called.alerts_table}",
        "AlertTopic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{called.alert_topic}",
        "Stream.Arn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{called.stream}",
    }
    text = json.dumps(document)
    for reference, arn in arns.items():
        text = text.replace(f'"{reference}', f'"{arn}')
    return json.loads(text)
