"""Teardown of a pipeline with or without its data, and a new pipeline with the kept data."""

import time

import pytest

from stockctl.backends.aws.backend import AwsBackend
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.teardown import DeletedObjects
from stockctl.errors import AwsError
from support.aws.ministack_server import REGION
from support.aws.stacks import connect, holdings, open_pipeline, quiet, yes
from support.cli.command import SECONDS

pytestmark = [pytest.mark.usefixtures("aws_account"), pytest.mark.slow]

KEYS = ("raw-data/A/1.json", "raw-data/A/2.json", "quarantine/a.json", "aws/lambda/x", "athena-results/q.csv")


@pytest.fixture
def pipeline() -> AwsBackend:
    """A provisioned pipeline with an object of each kind and one quote."""
    made = open_pipeline(functions={"timeout_seconds": 20})  # one that hangs is soon begun anew
    made.provision(yes, quiet)
    s3 = connect().client("s3")
    for key in KEYS:
        s3.put_object(Bucket=made.names.bucket, Key=key, Body=b"{}")
    connect().client("dynamodb").put_item(
        TableName=made.names.table, Item={"symbol": {"S": "A"}, "timestamp": {"S": "2008"}}
    )
    await_trend()
    return made


def await_trend() -> None:
    """Wait until the trend function has taken the quote, and left it out for want of a price.

    MiniStack logs what runs only when it has run. An invocation that took too long is logged as well, and
    begun anew.
    """
    group, deadline = "/aws/lambda/stock-market-trend", time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        events = connect().client("logs").filter_log_events(logGroupName=group)["events"]
        if any("item skipped" in event["message"] for event in events):
            return
        time.sleep(0.05)
    mappings = connect().client("lambda").list_event_source_mappings()["EventSourceMappings"]
    raise AssertionError(f"the trend function did not end well: {events}, {mappings}")


def take_down(pipeline: AwsBackend, *, keep_data: bool = False) -> list[str]:
    """Take it down and return what was left."""
    return list(pipeline.teardown(keep_data=keep_data, report=quiet))


def test_teardown_leaves_an_empty_account(pipeline: AwsBackend) -> None:
    """Old versions, failed batches, subscriptions made by hand: service by service nothing is left."""
    s3 = connect().client("s3")
    bucket = pipeline.names.bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key=KEYS[0], Body=b"another version")
    s3.delete_object(Bucket=bucket, Key=KEYS[1])
    sns = connect().client("sns")
    topic = next(arn for arn in holdings(connect())["sns"] if arn.endswith("stock-market-alerts"))
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="somebody@example.com")
    seen: list[object] = []

    left = pipeline.teardown(keep_data=False, report=seen.append)

    assert left == []
    assert {service: held for service, held in holdings(connect()).items() if held} == {}
    counts = [event.total for event in seen if isinstance(event, DeletedObjects)]
    assert counts == sorted(counts)
    assert counts[-1] == len(KEYS) + 2 + 1  # another version, a deletion marker, and the code
    assert StackEvent("stock-market-ingest", "trigger", "Enabled → Disabled") in seen
    # Run again, it finds nothing to show and nothing to do.
    assert pipeline.plan_teardown(keep_data=False) == ()
    assert take_down(pipeline) == []


def test_the_plan_counts_what_would_go(pipeline: AwsBackend) -> None:
    """Objects by kind, items, zips; data is marked as lost or kept."""
    gone = {change.resource: change for change in pipeline.plan_teardown(keep_data=False)}
    kept = {change.resource: change for change in pipeline.plan_teardown(keep_data=True)}

    assert gone["stockctl"].detail == "28 resources; status CREATE_COMPLETE"
    bucket, table = pipeline.names.bucket, pipeline.names.table
    held = "2 raw quotes, 1 quarantined records, 1 failed batches, 1 query results"
    assert gone[bucket][:1] + gone[bucket][3:] == ("delete", held, "lost")
    assert kept[bucket][:1] + kept[bucket][3:] == ("keep", held, "kept")
    assert (gone[table].action, kept[table].action) == ("delete", "keep")
    assert gone[table].detail.startswith("about 1 items")
    assert gone[pipeline.names.artifacts].detail == "1 zip of code"
    assert holdings(connect())["cloudformation"] == ["stockctl"]


def test_kept_data_is_adopted_by_the_next_pipeline(pipeline: AwsBackend) -> None:
    """The bucket and the tables remain; a later provision plans to adopt them, and does."""
    left = take_down(pipeline, keep_data=True)
    names = pipeline.names
    held = {service: found for service, found in holdings(connect()).items() if found}
    assert left == []
    assert held == {"dynamodb": [names.alerts_table, names.table], "s3": [names.bucket]}
    assert pipeline.plan_teardown(keep_data=True) == ()

    changes = pipeline.plan(quiet).steps
    adopted = {change.resource: change.detail for change in changes if change.action == "adopt"}
    pipeline.provision(yes, quiet)

    assert set(adopted) == {"DataBucket", "QuotesTable", "AlertsTable"}
    assert adopted["DataBucket"] == f"adds the existing {names.bucket} to the stack"
    resources = connect().client("cloudformation").list_stack_resources(StackName="stockctl")
    owned = {each["PhysicalResourceId"] for each in resources["StackResourceSummaries"]}
    assert {names.bucket, names.table, names.alerts_table} <= owned
    listed = connect().client("s3").list_objects_v2(Bucket=names.bucket)["Contents"]
    assert sorted(each["Key"] for each in listed) == sorted(KEYS)
    assert connect().client("dynamodb").scan(TableName=names.table)["Count"] == 1
    assert pipeline.plan(quiet).steps == ()
    await_trend()  # The new trigger reads the kept table's stream from its beginning.
    take_down(pipeline)
    assert not any(holdings(connect()).values())


def test_kept_data_can_be_removed_later(pipeline: AwsBackend) -> None:
    """Without a stack, teardown finds the data that an earlier one kept."""
    take_down(pipeline, keep_data=True)

    planned = [change.resource for change in pipeline.plan_teardown(keep_data=False)]
    take_down(pipeline)

    names = pipeline.names
    assert planned == [names.bucket, names.table, names.alerts_table]
    assert not any(holdings(connect()).values())


def test_what_stockctl_did_not_write_is_left_and_named(pipeline: AwsBackend) -> None:
    """A bucket with a stranger's object in it loses ours and stays."""
    bucket = pipeline.names.bucket
    connect().client("s3").put_object(Bucket=bucket, Key="thesis/final.pdf", Body=b"years of work")

    planned = pipeline.plan_teardown(keep_data=False)
    left = take_down(pipeline)

    assert ("keep", "stockctl did not create all of it: it holds thesis/") in {
        (c.action, c.detail) for c in planned
    }
    assert left == [f"{bucket} (it holds thesis/)"]
    assert {service: held for service, held in holdings(connect()).items() if held} == {"s3": [bucket]}
    listed = connect().client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert [each["Key"] for each in listed] == ["thesis/final.pdf"]
    with pytest.raises(AwsError, match="holds objects that stockctl did not write: thesis/"):
        pipeline.plan(quiet)


def test_an_interrupted_teardown_can_be_undone(pipeline: AwsBackend) -> None:
    """Ctrl-C after the triggers were disabled: provision enables them again."""

    def interrupt(progress: StackEvent) -> None:
        if progress.status == "trigger":
            switched.append(progress.resource)
        if len(switched) == 2:
            raise KeyboardInterrupt

    switched: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        pipeline.teardown(keep_data=False, report=interrupt)

    changes = pipeline.provision(yes, quiet).steps

    assert [(change.resource, change.detail) for change in changes] == [
        ("stock-market-ingest", "Disabled → Enabled")
    ]
    mappings = connect().client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert {mapping["State"] for mapping in mappings} == {"Enabled"}


def test_a_table_of_somebody_else_is_not_adopted() -> None:
    """A table with another key under our name stops provisioning before it begins."""
    connect().client("dynamodb").create_table(
        TableName="stock-market-data",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )

    with pytest.raises(AwsError) as refused:
        open_pipeline().provision(yes, quiet)

    assert refused.value.message == (
        "The table stock-market-data exists, and stockctl did not create it: its key is (id)."
    )
    assert holdings(connect())["cloudformation"] == []


def test_without_a_stack_only_what_looks_ours_is_removed() -> None:
    """A table with another key and a bucket with other objects are not changed."""
    connect().client("dynamodb").create_table(
        TableName="stock-market-alerts",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    pipeline = open_pipeline()
    bucket, s3 = pipeline.names.bucket, connect().client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for key in ("raw-data/theirs.json", "notes.txt"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"theirs")

    assert pipeline.plan_teardown(keep_data=False) == ()
    left = take_down(pipeline)

    assert left == ["stock-market-alerts (its key is (id))", f"{bucket} (it holds notes.txt)"]
    assert holdings(connect())["dynamodb"] == ["stock-market-alerts"]
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 2


def test_teardown_takes_what_the_stack_has_not_what_the_configuration_says() -> None:
    """Names that were changed in the configuration since do not hide what is there."""
    open_pipeline(table={"name": "old"}, archive={"bucket": "old-bucket-of-a-test"}).provision(yes, quiet)

    take_down(open_pipeline())

    assert not any(holdings(connect()).values())
