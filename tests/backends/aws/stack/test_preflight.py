"""The AWS checks of config check: identity, simulated permissions, buckets, stack."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.names import Names, names_of
from stockctl.backends.aws.stack.operator_policy import policy_of
from stockctl.backends.aws.stack.preflight import preflight
from stockctl.backends.base import Finding
from stockctl.config.schema import Settings
from support.aws.athena_server import connect, connect_to_ministack
from support.aws.loopback_server import Answer, Request, json_error, loopback
from support.aws.moto_account import ACCOUNT, CREDENTIALS, REGION

SETTINGS = Settings(target="aws")


def by_check(findings: Any) -> dict[str, Finding]:
    """Return the findings by what was looked at."""
    return {finding.check: finding for finding in findings}


def sts(arn: str) -> Answer:
    """Return the identity of the caller from STS."""
    body = (
        f"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>A</UserId>"
        f"<Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    return Answer(200, body.encode(), {"Content-Type": "text/xml"})


def query_error(code: str, message: str, status: int = 403) -> Answer:
    """Return an error as STS and IAM answer it."""
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Answer(status, body.encode(), {"Content-Type": "text/xml"})


def found(
    answers: Callable[[Request], Answer], monkeypatch: pytest.MonkeyPatch, settings: Settings = SETTINGS
) -> dict[str, Finding]:
    """Return what is found behind scripted answers."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with loopback(answers) as server:
        return by_check(preflight(settings, lambda: connect(server.url)))


def service(request: Request) -> str:
    """Return which service a request is for."""
    return request.headers["Authorization"].split("/")[3]


def as_caller(arn: str, iam: Answer, s3: Answer) -> Callable[[Request], Answer]:
    """Return answers for a caller."""
    answers = {"sts": sts(arn), "iam": iam, "s3": s3, "cloudformation": NO_STACK, "dynamodb": NO_TABLE}
    return lambda request: answers[service(request)]


ABSENT = Answer(404, b"")
NO_STACK = query_error("ValidationError", "Stack with id stockctl does not exist", 400)
NO_TABLE = json_error("ResourceNotFoundException", "Requested resource not found")
USER = f"arn:aws:iam::{ACCOUNT}:user/me"


# MiniStack allows this on every resource or on none.
MAY_SIMULATE = {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": "*"}


def user_with(policy: dict[str, Any], *more: dict[str, str]) -> Connection:
    """Return the connection of a new user of MiniStack with one policy."""
    iam = connect_to_ministack().client("iam")
    iam.create_user(UserName="operator")
    document = json.dumps(policy | {"Statement": [*policy["Statement"], *more]})
    iam.put_user_policy(UserName="operator", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        connection = connect_to_ministack()
        for name in ("sts", "iam", "s3"):
            connection.client(name)
    return connection


def names_in(account: str) -> Names:
    """Return the names of the default pipeline in an account of MiniStack."""
    return names_of(SETTINGS, account, REGION)


def test_the_operator_policy_is_all_that_is_needed(aws_account: str) -> None:
    """A user with the policy file, and nothing else, lacks nothing."""
    policy = policy_of(names_in(aws_account))
    for statement in policy["Statement"]:
        statement.pop("Condition", None)  # MiniStack does not look at the context that it is given

    findings = by_check(preflight(SETTINGS, lambda: user_with(policy, MAY_SIMULATE)))

    assert findings["identity"].found.endswith(":user/operator")
    assert findings["account"].found == aws_account
    assert findings["region"].found == REGION
    assert findings["permissions"] == Finding("permissions", "all that the commands need")
    assert [each for each in findings.values() if not each.ok] == []


def test_missing_permissions_are_named(aws_account: str) -> None:
    """What is taken out of the policy is what is missing."""
    policy = policy_of(names_in(aws_account))
    for statement in policy["Statement"]:
        if statement["Sid"] == "Stream":
            statement["Action"].remove("kinesis:PutRecords")
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "PassRoles"]

    findings = by_check(preflight(SETTINGS, lambda: user_with(policy, MAY_SIMULATE)))

    permissions = findings["permissions"]
    assert (permissions.found, permissions.ok) == ("missing: iam:PassRole, kinesis:PutRecords", False)
    assert "stockctl template --operator-policy" in permissions.hint


def test_a_service_that_is_missing_altogether_is_named_once(aws_account: str) -> None:
    """A caller with almost no permissions does not get a list of two hundred actions."""
    policy = policy_of(names_in(aws_account))
    wanted = ("Stream", "Tables", "AlertIndex", "TestAlert")
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] not in wanted]
    for statement in policy["Statement"]:
        statement.pop("Condition", None)

    permissions = by_check(preflight(SETTINGS, lambda: user_with(policy, MAY_SIMULATE)))["permissions"]

    assert permissions.found == "missing: all of dynamodb, all of kinesis"


def test_a_simulation_that_is_not_allowed_is_said(aws_account: str) -> None:
    """Without permission to simulate nothing is known, which is no failure; the permission is named."""
    policy = policy_of(names_in(aws_account))
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "CheckOwnPermissions"]

    permissions = by_check(preflight(SETTINGS, lambda: user_with(policy)))["permissions"]

    assert permissions.ok
    assert permissions.found.startswith("unknown: ")
    assert "iam:SimulatePrincipalPolicy" in permissions.found


def test_root_may_do_everything(aws_account: str) -> None:
    """IAM cannot simulate the root of an account, and need not."""
    assert by_check(preflight(SETTINGS, connect_to_ministack))["permissions"].found.startswith("all that")


def test_a_free_bucket_and_one_of_ours_are_told_apart(aws_account: str) -> None:
    """The data bucket is free until it is there."""
    name = names_in(aws_account).bucket
    before = by_check(preflight(SETTINGS, connect_to_ministack))

    connect_to_ministack().client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    after = by_check(preflight(SETTINGS, connect_to_ministack))
    assert before["bucket"] == Finding("bucket", f"{name}: free")
    assert after["bucket"] == Finding("bucket", f"{name}: exists in this account")
    assert after["code bucket"].found.endswith(": free")
    assert before["stack"] == Finding("stack", "stockctl: none yet; 'stockctl provision' creates it")
    assert after["stack"].found.endswith(f"creates it and adopts {name}")


def test_what_stands_in_the_way_of_a_stack_is_found(aws_account: str) -> None:
    """A foreign table with one of our names, as ``provision`` would find it."""
    connect_to_ministack().client("dynamodb").create_table(
        TableName=names_in(aws_account).table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )

    stack = by_check(preflight(SETTINGS, connect_to_ministack))["stack"]

    assert not stack.ok
    assert (
        stack.found == "The table stock-market-data exists, and stockctl did not create it: its key is (id)."
    )
    assert "project.name" in stack.hint


def stack_answer(status: str) -> Answer:
    """Return a stack as CloudFormation describes it."""
    fields = "".join(
        f"<{name}>{value}</{name}>"
        for name, value in {
            "StackName": "stockctl", "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/stockctl/1",
            "StackStatus": status, "CreationTime": "2026-01-05T15:00:00Z",
        }.items()
    )  # fmt: skip
    body = f"<R><DescribeStacksResult><Stacks><member>{fields}</member></Stacks></DescribeStacksResult></R>"
    return Answer(200, body.encode(), {"Content-Type": "text/xml"})


@pytest.mark.parametrize(
    ("status", "fine", "told"),
    [
        ("UPDATE_COMPLETE", True, "stockctl: UPDATE_COMPLETE"),
        ("UPDATE_ROLLBACK_COMPLETE", True, "stockctl: UPDATE_ROLLBACK_COMPLETE"),
        ("UPDATE_IN_PROGRESS", True, "stockctl: UPDATE_IN_PROGRESS; an operation is running"),
        ("ROLLBACK_COMPLETE", False, "stockctl: ROLLBACK_COMPLETE; it can only be deleted"),
        ("UPDATE_ROLLBACK_FAILED", False, "the rollback got stuck"),
    ],
)
def test_the_state_of_the_stack_is_told(
    monkeypatch: pytest.MonkeyPatch, status: str, fine: bool, told: str
) -> None:
    """A stack that blocks commands is an error, with a hint."""
    answers = as_caller(f"arn:aws:iam::{ACCOUNT}:root", ABSENT, ABSENT)

    stack = found(
        lambda request: stack_answer(status) if service(request) == "cloudformation" else answers(request),
        monkeypatch,
    )["stack"]

    assert stack.ok is fine
    assert told in stack.found
    assert ("stockctl provision" in stack.hint) is not fine


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"logs": {"retention_days": 15}}, "logs.retention_days = 15"),
        ({"functions": {"record_age_hours": 24}}, "functions.record_age_hours = 24"),
        ({"alerts": {"subscriptions": [{"protocol": "email", "endpoint": "a@example.com"}] * 2}}, "twice"),
    ],
)
def test_values_that_aws_does_not_take_are_found(
    monkeypatch: pytest.MonkeyPatch, sections: dict[str, Any], told: str
) -> None:
    """Errors of ``plan`` are found earlier, with a hint what to set."""
    settings = Settings.model_validate({"target": "aws", **sections})

    values = found(as_caller(f"arn:aws:iam::{ACCOUNT}:root", ABSENT, ABSENT), monkeypatch, settings)["values"]

    assert not values.ok
    assert told in values.found
    assert values.hint


def test_nothing_is_made(aws_account: str) -> None:
    """After a look the account holds no stack, no change set and no bucket."""
    assert all(finding.ok for finding in preflight(SETTINGS, connect_to_ministack))

    connection = connect_to_ministack()
    assert connection.client("cloudformation").list_stacks()["StackSummaries"] == []
    assert connection.client("s3").list_buckets()["Buckets"] == []


def test_somebody_elses_bucket_is_no_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket is named, and the key that names another one."""
    answers = as_caller(f"arn:aws:iam::{ACCOUNT}:root", ABSENT, Answer(403, b""))

    bucket = found(answers, monkeypatch)["bucket"]

    assert not bucket.ok
    assert "belongs to another account" in bucket.found
    assert "archive.bucket" in bucket.hint


def test_a_bucket_in_another_region_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The region that S3 names is the one to set."""
    moved = Answer(301, b"", {"x-amz-bucket-region": "us-west-2"})

    bucket = found(as_caller(f"arn:aws:iam::{ACCOUNT}:root", ABSENT, moved), monkeypatch)["bucket"]

    assert not bucket.ok
    assert "us-west-2" in bucket.found + bucket.hint


def test_a_session_is_simulated_as_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ARN of a session lacks the path of the role, which is requested from IAM."""
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/Operator"
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        body = request.body.decode()
        if service(request) == "iam" and "Action=GetRole" in body:
            fields = "".join(
                f"<{name}>{value}</{name}>"
                for name, value in {
                    "Path": "/", "RoleName": "Operator", "RoleId": "R", "Arn": role,
                    "CreateDate": "2026-01-05T15:00:00Z",
                }.items()
            )  # fmt: skip
            return Answer(200, f"<R><GetRoleResult><Role>{fields}</Role></GetRoleResult></R>".encode())
        if service(request) == "iam":
            asked.append(body)
            denied = "<EvalActionName>sns:Publish</EvalActionName><EvalDecision>implicitDeny</EvalDecision>"
            results = f"<EvaluationResults><member>{denied}</member></EvaluationResults>"
            body = f"<R><SimulatePrincipalPolicyResult>{results}</SimulatePrincipalPolicyResult></R>"
            return Answer(200, body.encode())
        return as_caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/Operator/me", ABSENT, ABSENT)(request)

    permissions = found(answer, monkeypatch)["permissions"]

    assert permissions.found == "missing: sns:Publish"
    assert asked
    passing = [body for body in asked if "iam%3APassRole" in body]
    assert len(passing) == 1
    assert "iam%3APassedToService" in passing[0]
    assert "lambda.amazonaws.com" in passing[0]
    assert all("aws-reserved%2Fsso.amazonaws.com%2FOperator" in body for body in asked)


@pytest.mark.parametrize(
    ("arn", "iam", "told"),
    [
        (f"arn:aws:sts::{ACCOUNT}:federated-user/me", ABSENT, "users and roles only"),
        (USER, query_error("NoSuchEntity", "no user", 404), "does not find"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/R/me", query_error("AccessDenied", "no"), "iam:GetRole"),
    ],
)
def test_who_cannot_be_simulated_is_told_so(
    monkeypatch: pytest.MonkeyPatch, arn: str, iam: Answer, told: str
) -> None:
    """Unknown permissions are reported with a reason, not as a failure."""
    permissions = found(as_caller(arn, iam, ABSENT), monkeypatch)["permissions"]

    assert permissions.ok
    assert permissions.found.startswith("unknown: ")
    assert told in permissions.found


def test_an_iam_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error of IAM is reported, and the other checks run."""
    findings = found(as_caller(USER, query_error("ServiceFailure", "broken", 400), ABSENT), monkeypatch)

    assert not findings["permissions"].ok
    assert "broken" in findings["permissions"].found
    assert findings["bucket"].ok


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ExpiredToken", "The AWS credentials have expired."),
        ("InvalidClientTokenId", "AWS does not accept the credentials"),
        ("SignatureDoesNotMatch", "secret access key does not belong"),
    ],
)
def test_bad_credentials_are_one_sentence(monkeypatch: pytest.MonkeyPatch, code: str, told: str) -> None:
    """Without an identity nothing else is looked at."""
    findings = found(lambda _: query_error(code, "The security token is bad"), monkeypatch)

    assert list(findings) == ["access"]
    assert not findings["access"].ok
    assert told in findings["access"].found + findings["access"].hint


def test_no_credentials_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint names where credentials can come from."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)

    [finding] = preflight(SETTINGS, lambda: Connection(REGION, attempts=1))

    assert finding.found == "No AWS credentials were found."
    assert "aws sso login" in finding.hint


def test_a_profile_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening the connection may fail too."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    [finding] = preflight(SETTINGS, lambda: Connection(REGION, "nobody"))

    assert "'nobody' does not exist" in finding.found


def test_no_region_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key to set is named."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    [finding] = preflight(SETTINGS, lambda: Connection(attempts=1))

    assert "No AWS region is set." in finding.found
    assert "aws.region" in finding.hint
