"""config check and template --operator-policy: what a person sees, at home and on AWS."""

import json
import os

import pytest

from stockctl.backends.aws.names import names_of
from stockctl.backends.aws.stack.operator_policy import policy_of, policy_text
from stockctl.config.schema import Settings
from support.aws.loopback_server import Answer, loopback
from support.aws.ministack_server import REGION, MiniStack, client_of, new_account
from support.cli.command import Command

NO_AWS = {
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}
KEYS = {**NO_AWS, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ON_AWS = {"STOCKCTL_TARGET": "aws", "STOCKCTL_AWS__REGION": REGION}


def checked(stockctl: Command, code: int, extra: dict[str, str] | None = None) -> tuple[dict[str, str], str]:
    """Return what was found, by check, and what was said; insist on the exit code."""
    done = stockctl.run("config", "check", "-o", "json", extra=extra)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return {row["check"]: row["found"] for row in json.loads(done.stdout)}, done.stderr


def test_a_home_that_is_not_there_yet_is_fine(stockctl: Command) -> None:
    """The command that makes it is named, and it is not made."""
    found, _ = checked(stockctl, 0)

    assert found["configuration"] == "no file; built-in defaults"
    assert found["place"] == str(stockctl.home)
    assert found["provisioned"] == "no: run 'stockctl provision'"
    assert not stockctl.home.exists()


def test_a_home_that_is_there_is_counted(stockctl: Command) -> None:
    """What it holds is told."""
    stockctl.ok("provision")

    found, _ = checked(stockctl, 0)

    assert (found["provisioned"], found["quotes"], found["quarantined"]) == ("yes", "0", "0")


def test_a_home_that_cannot_be_made_is_a_fault(stockctl: Command) -> None:
    """A file in its way: exit 1, the file and the key named, in the table too."""
    (stockctl.folder / "file").write_text("")
    extra = {"STOCKCTL_LOCAL__PATH": str(stockctl.folder / "file" / "home")}

    found, said = checked(stockctl, 1, extra)

    file = stockctl.folder / "file"
    assert found["provisioned"] == f"no, and the data folder cannot be created: {file} is not a folder"
    assert "local.path" in said
    assert "✗ no, and the data folder" in stockctl.run("config", "check", extra=extra).stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_home_in_a_closed_folder_is_a_fault(stockctl: Command) -> None:
    """A folder that may not be written to is told."""
    closed = stockctl.folder / "closed"
    closed.mkdir(mode=0o500)

    found, _ = checked(stockctl, 1, {"STOCKCTL_LOCAL__PATH": str(closed / "home")})

    assert found["provisioned"].endswith(f"{closed} is not writable")


def test_a_damaged_home_is_a_fault(stockctl: Command) -> None:
    """What is wrong with the database is a finding among the others."""
    stockctl.ok("provision")
    (stockctl.home / "stockctl.db").write_bytes(b"not SQLite" * 100)

    found, said = checked(stockctl, 1)

    assert found["place"] == str(stockctl.home)
    assert "stockctl.db" in found["provisioned"]
    assert "→ provisioned: " in said


def test_nothing_on_aws_yet_is_fine(stockctl: Command, ministack: MiniStack) -> None:
    """Identity, region, permissions, buckets and the stack that is to come; nothing is made for it."""
    account = new_account()

    found, said = checked(stockctl, 0, {**ministack.environment(account), **ON_AWS})

    assert found["identity"] == f"arn:aws:iam::{account}:root"
    assert (found["account"], found["region"]) == (account, REGION)
    assert found["permissions"] == "all that the commands need"
    assert found["bucket"] == f"stock-market-data-bucket-{account}-{REGION}: free"
    assert found["stack"] == "stockctl: none yet; 'stockctl provision' creates it"
    assert said == ""
    assert client_of(ministack, account, "cloudformation").list_stacks()["StackSummaries"] == []
    assert client_of(ministack, account, "s3").list_buckets()["Buckets"] == []


def test_a_caller_who_may_too_little_is_told_where_the_policy_is(
    stockctl: Command, ministack: MiniStack
) -> None:
    """Exit 1; what is missing is listed, and the command that prints the policy is named."""
    account = new_account()
    iam = client_of(ministack, account, "iam")
    iam.create_user(UserName="reader")
    allowed = {"Effect": "Allow", "Action": ["iam:Simulate*", "s3:*", "cloudformation:*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    caller = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    found, said = checked(stockctl, 1, {**ministack.environment(account), **ON_AWS, **caller})

    assert "all of kinesis" in found["permissions"]
    assert "s3" not in found["permissions"]
    assert "Commands will fail because of: permissions, stack." in said
    assert "Run 'stockctl template --operator-policy' to print the policy" in said


EXPIRED = (
    b"<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token included in the request "
    b"is expired</Message></Error></ErrorResponse>"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "told", "way_out"),
    [
        (NO_AWS, "No AWS credentials were found.", "aws sso login"),
        ({**KEYS, "STOCKCTL_AWS__REGION": ""}, "No AWS region is set.", "aws.region"),
        ({**KEYS, "AWS_PROFILE": "nobody"}, "The AWS profile 'nobody' does not exist.", "list-profiles"),
        (
            {**KEYS, "STOCKCTL_AWS__ENDPOINT_URL": "http://127.0.0.1:9"},
            "The endpoint http://127.0.0.1:9 cannot be reached.",
            "aws.endpoint_url",
        ),
        ({**KEYS, "STOCKCTL_AWS__ENDPOINT_URL": "nowhere"}, "is not a URL", "Set it to a URL"),
    ],
)
def test_without_access_the_reason_is_told(
    stockctl: Command, extra: dict[str, str], told: str, way_out: str
) -> None:
    """One finding with the reason, after what is known without AWS; what to do is said; exit 1."""
    found, said = checked(stockctl, 1, {**ON_AWS, **extra})

    assert list(found) == ["configuration", "target", "access"]
    assert told in found["access"]
    assert way_out in said


def test_an_expired_token_is_told(stockctl: Command) -> None:
    """As AWS answers it."""
    with loopback(lambda _: Answer(403, EXPIRED, {"Content-Type": "text/xml"})) as server:
        extra = {**ON_AWS, **KEYS, "STOCKCTL_AWS__ENDPOINT_URL": server.url}
        found, said = checked(stockctl, 1, extra)

    assert found["access"] == "The AWS credentials have expired."
    assert "→ access: " in said


def test_the_policy_is_printed_for_the_names_of_the_configuration(
    stockctl: Command, ministack: MiniStack
) -> None:
    """In the caller's account and region; too long for one managed policy it comes in parts, too."""
    account = new_account()
    extra = {**ministack.environment(account), "STOCKCTL_PROJECT__NAME": "desk"}
    settings = Settings.model_validate({"project": {"name": "desk"}})

    whole = stockctl.run("template", "--operator-policy", extra=extra)
    parts = [
        json.loads(stockctl.ok("template", "--operator-policy", "--part", part, extra=extra))
        for part in ("1", "2")
    ]

    document = policy_of(names_of(settings, account, REGION))
    assert json.loads(whole.stdout) == document
    assert f"account {account}, {REGION}" in whole.stderr
    assert "--part 1 to --part 2" in whole.stderr
    assert [each for part in parts for each in part["Statement"]] == document["Statement"]


def test_the_policy_needs_no_account(stockctl: Command) -> None:
    """Without credentials it is the one of the package, and why is said."""
    done = stockctl.run("template", "--operator-policy", extra=NO_AWS)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(policy_text())
    assert "any account, any region (No AWS region is set)" in done.stderr


def test_the_region_counts_without_an_account(stockctl: Command) -> None:
    """What boto3's own chain has of it closes the policy to other regions."""
    done = stockctl.run("template", "--operator-policy", extra={**NO_AWS, "AWS_DEFAULT_REGION": REGION})

    assert json.loads(done.stdout) == policy_of(names_of(Settings(), "*", REGION))
    assert f"any account, {REGION} (No AWS credentials were found)" in done.stderr


def test_a_part_of_the_template_is_refused(stockctl: Command) -> None:
    """Only the policy comes in parts."""
    assert "--operator-policy" in stockctl.refused("template", "--part", "1", code=2)


def test_a_part_that_is_not_there_is_refused(stockctl: Command) -> None:
    """The number of parts is told."""
    message = stockctl.refused("template", "--operator-policy", "--part", "2", extra=NO_AWS, code=2)

    assert "--part = 2 is too high: the policy has 1 part." in message
