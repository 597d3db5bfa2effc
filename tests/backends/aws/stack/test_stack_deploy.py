"""Deploying code to the functions, and the status of the pipeline."""

import base64
import re

import pytest

from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.lambda_code import Bundle
from stockctl.errors import AwsError
from support.aws.stacks import connect, holdings, installed_code, open_pipeline, quiet, yes

pytestmark = [pytest.mark.usefixtures("aws_account"), pytest.mark.slow]

FUNCTIONS = ("stock-market-ingest", "stock-market-trend")


def changed_code() -> Bundle:
    """Return the code that is installed here, with one more file."""
    return Bundle((*installed_code().files, ("stockctl/note.txt", b"changed")))


def deployed() -> set[str]:
    """Return the SHA-256 of the code of both functions, from Lambda."""
    functions = connect().client("lambda")
    digests = [functions.get_function_configuration(FunctionName=name)["CodeSha256"] for name in FUNCTIONS]
    return {base64.b64decode(digest).hex() for digest in digests}


def test_changed_code_is_deployed_and_nothing_else() -> None:
    """Both functions get the zip of that SHA-256; a changed configuration waits for provision."""
    open_pipeline().provision(yes, quiet)
    assert deployed() == {installed_code().sha256}
    before = holdings(connect())

    outcome = open_pipeline(code=changed_code, anomaly={"threshold_percent": 1}).deploy(quiet)

    assert deployed() == {changed_code().sha256}
    changed = {change.resource: change.detail for change in outcome.steps if change.action == "update"}
    assert changed == {"IngestFunction": "new code", "TrendFunction": "new code"}
    function = connect().client("lambda").get_function_configuration(FunctionName=FUNCTIONS[0])
    assert function["Environment"]["Variables"]["THRESHOLD_PERCENT"] == "5"
    assert holdings(connect()) == before
    assert open_pipeline(code=changed_code).plan(quiet).steps == ()


def test_the_same_code_is_not_deployed_again() -> None:
    """Deploy returns no steps, and uploads nothing."""
    open_pipeline().provision(yes, quiet)
    seen: list[StackEvent] = []

    outcome = open_pipeline().deploy(seen.append)

    assert outcome.steps == []
    assert [progress.status for progress in seen] == ["up to date"]

    # A function that somebody gave other code by hand gets it back, and deploy says which.
    connect().client("lambda").update_function_code(FunctionName=FUNCTIONS[1], ZipFile=changed_code().data)
    assert len(deployed()) == 2
    outcome = open_pipeline().deploy(quiet)

    assert deployed() == {installed_code().sha256}
    assert [(change.resource, change.detail) for change in outcome.steps] == [
        (FUNCTIONS[1], "code as the stack has it")
    ]


def test_deploy_needs_a_pipeline() -> None:
    """Without a stack, the hint names the command to run first, and nothing is created."""
    with pytest.raises(AwsError) as refused:
        open_pipeline().deploy(quiet)

    assert refused.value.message == "There is no stack stockctl in eu-west-1 to deploy code to."
    assert refused.value.hint == "Run 'stockctl provision' first."
    assert not any(holdings(connect()).values())


def test_status_tells_how_the_parts_are(aws_account: str) -> None:
    """Stream, functions, code, alarms, subscriptions and what was set aside, each in one line."""
    subscription = {"protocol": "email", "endpoint": "somebody@example.com"}
    pipeline = open_pipeline(alerts={"subscriptions": [subscription]})
    pipeline.provision(yes, quiet)
    s3 = connect().client("s3")
    for key in ("quarantine/a.json", "quarantine/b.json", "aws/lambda/c"):
        s3.put_object(Bucket=pipeline.names.bucket, Key=key, Body=b"{}")

    facts = dict(pipeline.status().facts)

    assert facts.pop("quotes") == facts.pop("alerts") == "about 0 (DynamoDB counts every six hours)"
    assert facts == {
        "account": f"{aws_account}, eu-west-1",
        "stack": "stockctl: CREATE_COMPLETE",
        "drift": "none",
        "stream": "stock-market-stream: ACTIVE, provisioned, 1 shard, 24 hours",
        "ingest": "stock-market-ingest: trigger Enabled, code as installed here",
        "trend": "stock-market-trend: trigger Enabled, code as installed here",
        "alarms": "none",
        "subscriptions": "1 subscription",
        "quarantined": 2,
        "failed batches": 1,
    }

    # A part that somebody deleted does not hide the others, and drift names it.
    connect().client("kinesis").delete_stream(StreamName="stock-market-stream")
    connect().client("lambda").delete_function(FunctionName=FUNCTIONS[0])

    facts = dict(pipeline.status().facts)

    assert facts["ingest"] == "deleted outside of the stack"
    assert facts["stream"] == "deleted outside of the stack"
    assert facts["trend"].startswith("stock-market-trend: trigger Enabled")
    assert re.search(r"IngestFunction deleted.*Stream deleted", facts["drift"])


def test_status_of_nothing_says_what_to_do(aws_account: str) -> None:
    """Without a stack, the account and the region that were looked at are named."""
    with pytest.raises(AwsError) as refused:
        open_pipeline().status()

    assert refused.value.message == f"There is no stack stockctl in eu-west-1 (account {aws_account})."
    assert "stockctl provision" in (refused.value.hint or "")
