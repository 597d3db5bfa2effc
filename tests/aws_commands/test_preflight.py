"""What config check finds on AWS: identity, permissions as IAM simulates them, and the buckets."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_account import ACCOUNT, CREDENTIALS, REGION
from aws_athena import connect, connect_to_ministack
from aws_loopback import Answer, Request, loopback

from stockctl.aws.clients import Connection
from stockctl.aws.names import Names, names_of
from stockctl.aws.operator_policy import policy_of
from stockctl.aws.preflight import Finding, preflight
from stockctl.config import Settings

SETTINGS = Settings(target="aws")


def by_check(findings: Any) -> dict[str, Finding]:
    """Return the findings by what was looked at."""
    return {finding.check: finding for finding in findings}


def sts(arn: str) -> Answer:
    """Return who STS says that the caller is."""
    body = (
        f"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>A</UserId>"
        f"<Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    return Answer(200, body.encode(), {"Content-Type": "text/xml"})


def query_error(code: str, message: str, status: int = 403) -> Answer:
    """Return an error as STS and IAM answer it."""
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Answer(status, body.encode(), {"Content-Type": "text/xml"})


def found(answers: Callable[[Request], Answer], monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """Return what is found behind scripted answers."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with loopback(answers) as server:
        return by_check(preflight(SETTINGS, lambda: connect(server.url)))


def service(request: Request) -> str:
    """Return which service a request is for."""
    return request.headers["Authorization"].split("/")[3]


def as_caller(arn: str, iam: Answer, s3: Answer) -> Callable[[Request], Answer]:
    """Return answers for a caller."""
    return lambda request: {"sts": sts(arn), "iam": iam, "s3": s3}[service(request)]


ABSENT = Answer(404, b"")
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
    assert findings["permissions"] == Finding("permissions", "all that the commands need", True)


def test_missing_permissions_are_named(aws_account: str) -> None:
    """What is taken out of the policy is what is missing."""
    policy = policy_of(names_in(aws_account))
    for statement in policy["Statement"]:
        if statement["Sid"] == "Stream":
            statement["Action"].remove("kinesis:PutRecords")
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "PassRoles"]

    findings = by_check(preflight(SETTINGS, lambda: user_with(policy, MAY_SIMULATE)))

    assert findings["permissions"] == Finding(
        "permissions", "missing: iam:PassRole, kinesis:PutRecords", False
    )


def test_a_simulation_that_is_not_allowed_is_said(aws_account: str) -> None:
    """Without permission to simulate nothing is known, which is no failure; the permission is named."""
    policy = policy_of(names_in(aws_account))
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "CheckOwnPermissions"]

    permissions = by_check(preflight(SETTINGS, lambda: user_with(policy)))["permissions"]

    assert permissions.fine
    assert permissions.found.startswith("not known: ")
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
    assert before["bucket"] == Finding("bucket", f"{name}: free", True)
    assert after["bucket"] == Finding("bucket", f"{name}: there, and of this account", True)
    assert after["artifact bucket"].found.endswith(": free")


def test_somebody_elses_bucket_is_no_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket is named, and the key that names another one."""
    answers = as_caller(f"arn:aws:iam::{ACCOUNT}:root", ABSENT, Answer(403, b""))

    bucket = found(answers, monkeypatch)["bucket"]

    assert not bucket.fine
    assert "belongs to another account" in bucket.found
    assert "archive.bucket" in bucket.found


def test_a_bucket_in_another_region_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The region that S3 names is the one to set."""
    moved = Answer(301, b"", {"x-amz-bucket-region": "us-west-2"})

    bucket = found(as_caller(f"arn:aws:iam::{ACCOUNT}:root", ABSENT, moved), monkeypatch)["bucket"]

    assert not bucket.fine
    assert "us-west-2" in bucket.found


def test_a_session_is_simulated_as_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ARN of a session lacks the path of the role; IAM is asked for the role's own."""
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

    assert permissions == Finding("permissions", "missing: sns:Publish", False)
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
    """Not to know is said with its reason, and is no failure."""
    permissions = found(as_caller(arn, iam, ABSENT), monkeypatch)["permissions"]

    assert permissions.fine
    assert permissions.found.startswith("not known: ")
    assert told in permissions.found


def test_an_iam_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other fault of IAM is told, and the rest is looked at all the same."""
    findings = found(as_caller(USER, query_error("ServiceFailure", "broken", 400), ABSENT), monkeypatch)

    assert not findings["permissions"].fine
    assert "broken" in findings["permissions"].found
    assert findings["bucket"].fine


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

    assert list(findings) == ["identity"]
    assert not findings["identity"].fine
    assert told in findings["identity"].found


def test_no_credentials_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has none is told where they come from."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)

    [finding] = preflight(SETTINGS, lambda: Connection(REGION, attempts=1))

    assert finding.found.startswith("No AWS credentials were found.")
    assert "aws sso login" in finding.found


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
    assert "aws.region" in finding.found
