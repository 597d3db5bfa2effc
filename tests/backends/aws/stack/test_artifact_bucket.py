"""The bucket of the functions' code, and the wait for running invocations."""

import json
import time

import pytest

from stockctl.backends.aws.names import Names, names_of
from stockctl.backends.aws.stack.event_sources import wait_until_idle
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.lambda_code import Artifacts, Bundle, ownership
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.backends.aws.stack.retained_data import count_data, delete_contents
from stockctl.errors import AwsError
from support.aws.ministack_server import REGION, MiniStack, client_of
from support.aws.stacks import FAST, connect
from support.aws.template import settings

CODE = Bundle((("a.py", b"pass"),))


@pytest.fixture
def called(aws_account: str) -> Names:
    """The names in a fresh account."""
    return names_of(settings(), aws_account, REGION)


def test_a_zip_is_uploaded_once(called: Names) -> None:
    """Under its SHA-256; a second upload of the same code writes nothing."""
    s3 = connect().client("s3")
    artifacts = Artifacts(s3, called)

    assert [artifacts.upload(CODE), artifacts.upload(CODE)] == [True, False]

    versions = s3.list_object_versions(Bucket=called.artifacts)["Versions"]
    assert [version["Key"] for version in versions] == [f"functions/{CODE.sha256}.zip"]
    assert s3.get_object(Bucket=called.artifacts, Key=CODE.key)["Body"].read() == CODE.data


def test_the_bucket_is_private_over_tls_and_forgets_old_versions(called: Names) -> None:
    """Public access blocked, plain HTTP denied, versions kept for a while."""
    s3 = connect().client("s3")
    Artifacts(s3, called).prepare()
    bucket = {"Bucket": called.artifacts, "ExpectedBucketOwner": called.account}

    blocked = s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"]
    statement = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"][0]
    rule = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"][0]

    assert set(blocked.values()) == {True}
    assert len(blocked) == 4
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"][0] == f"arn:aws:s3:::{called.artifacts}"
    assert s3.get_bucket_versioning(**bucket)["Status"] == "Enabled"
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30


def test_a_bucket_of_another_account_is_refused_by_name(called: Names, ministack: MiniStack) -> None:
    """Code is never uploaded to, or run from, a bucket of another account with our name."""
    s3 = connect().client("s3")
    assert ownership(s3, called.artifacts, called.account) == "absent"
    client_of(ministack, "000000000009", "s3").create_bucket(
        Bucket=called.artifacts, CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    assert ownership(s3, called.artifacts, called.account) == "foreign"
    with pytest.raises(AwsError, match=f"The bucket {called.artifacts} belongs to another account"):
        Artifacts(s3, called).upload(CODE)


def test_every_call_names_the_owner(called: Names) -> None:
    """Each S3 request about the bucket carries the account that has to own it."""
    s3 = connect().client("s3")
    seen: dict[str, str | None] = {}

    def note(params: dict, model: object, **_: object) -> None:
        seen[model.name] = params["headers"].get("x-amz-expected-bucket-owner")

    s3.meta.events.register("before-call.s3", note)
    Artifacts(s3, called).upload(CODE)
    delete_contents(s3, called.artifacts, called.account, "", lambda number: None)

    assert seen.pop("CreateBucket") is None  # there is nobody to expect yet
    assert len(seen) == 9
    assert set(seen.values()) == {called.account}


def test_versions_and_markers_are_counted_and_deleted(called: Names) -> None:
    """More than one call takes; what lies beside the prefix stays."""
    s3 = connect().client("s3")
    Artifacts(s3, called).prepare()
    for number in range(6):
        s3.put_object(Bucket=called.artifacts, Key=f"in/{number % 3}", Body=b"")
    s3.delete_object(Bucket=called.artifacts, Key="in/0")
    s3.put_object(Bucket=called.artifacts, Key="out/0", Body=b"")
    deleted: list[int] = []

    assert count_data(s3, called.artifacts, called.account, "in/") == 7
    assert delete_contents(s3, called.artifacts, called.account, "in/", deleted.append) == 7
    assert sum(deleted) == 7
    assert count_data(s3, called.artifacts, called.account) == 1


def test_running_invocations_are_waited_for(called: Names) -> None:
    """One that has begun holds up the teardown until its report is in the log, as text or JSON."""
    logs = connect().client("logs")
    group, stream = f"/aws/lambda/{called.trend_function}", "s"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)

    def write(*lines: str) -> None:
        moment = int(time.time() * 1000)
        events = [{"timestamp": moment, "message": line} for line in lines]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    write(
        "START RequestId: one Version: $LATEST",
        "REPORT RequestId: one\tDuration: 5 ms",
        json.dumps({"type": "platform.start", "record": {"requestId": "two"}}),
        '{"message": "a line of the function about \\"platform.start\\""}',
    )
    waited: list[StackEvent] = []

    def report(progress: StackEvent) -> None:
        waited.append(progress)
        if len(waited) == 2:
            write(json.dumps({"type": "platform.report", "record": {"requestId": "two"}}))

    wait_until_idle(logs, called, 60.0, report, FAST)

    assert (
        waited == [StackEvent(called.trend_function, "still running", "waiting for the last invocations")] * 2
    )


def test_nothing_is_waited_for_longer_than_a_function_may_run(called: Names) -> None:
    """An invocation whose end was never written does not hold up a teardown for ever."""
    logs = connect().client("logs")
    group = f"/aws/lambda/{called.ingest_function}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    moment = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName=group, logStreamName="s",
        logEvents=[{"timestamp": moment, "message": "START RequestId: lost Version: 1"}],
    )  # fmt: skip
    waited: list[StackEvent] = []

    wait_until_idle(logs, called, 60.0, waited.append, PollInterval(20.0, lambda seconds: None))

    assert len(waited) == 3
