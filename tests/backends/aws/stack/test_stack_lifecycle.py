"""The life of a stack: plan, create, update, recover from a failure or an interrupt."""

import time

import pytest
from botocore.exceptions import ClientError

from stockctl.backends.aws.backend import AwsBackend
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.errors import AwsError
from support.aws.ministack_server import REGION, MiniStack, client_of
from support.aws.stacks import connect, holdings, open_pipeline, quiet, yes
from support.cli.command import SECONDS

pytestmark = [pytest.mark.usefixtures("aws_account"), pytest.mark.slow]


@pytest.fixture
def pipeline() -> AwsBackend:
    """A pipeline with the settings as they come."""
    return open_pipeline()


def test_a_plan_shows_everything_and_leaves_nothing(pipeline: AwsBackend) -> None:
    """Neither stack, change set nor upload remains of a plan for an empty account."""
    before = holdings(connect())

    plan = pipeline.plan(quiet)

    created = {change.resource: change for change in plan.steps}
    assert {change.action for change in plan.steps} == {"create"}
    assert created["Stream"].kind == "Kinesis stream"
    assert created["Stream"].detail == "stock-market-stream"
    assert created["DataBucket"].detail == pipeline.names.bucket
    assert len(created) == 28
    assert holdings(connect()) == before
    assert not any(before.values())


def test_provision_makes_what_the_outputs_name(pipeline: AwsBackend) -> None:
    """Every output is the name of something that is there, and progress named each resource."""
    seen: list[StackEvent] = []

    outcome = pipeline.provision(yes, seen.append)

    held = holdings(connect())
    outputs = outcome.outputs
    assert held["kinesis"] == [outputs["StreamName"]]
    assert held["dynamodb"] == sorted([outputs["QuotesTableName"], outputs["AlertsTableName"]])
    assert held["lambda"] == [outputs["IngestFunctionName"], outputs["TrendFunctionName"]]
    assert held["sns"] == [outputs["AlertTopicArn"], outputs["OperationsTopicArn"]]
    assert held["s3"] == sorted([outputs["BucketName"], pipeline.names.artifacts])
    assert held["athena"] == [outputs["Workgroup"]]
    assert len(held["cloudwatch"]) == 8
    complete = {progress.resource for progress in seen if progress.status == "CREATE_COMPLETE"}
    assert {change.resource for change in outcome.steps} <= complete
    assert seen[0].status == "uploaded"


def test_provision_again_changes_nothing(pipeline: AwsBackend) -> None:
    """A second run asks for no confirmation and changes nothing."""
    first = pipeline.provision(yes, quiet)
    seen: list[StackEvent] = []

    def never(plan: object) -> bool:
        raise AssertionError("asked about nothing")

    second = pipeline.provision(never, seen.append)

    assert second.steps == []
    assert second.outputs == first.outputs
    assert seen == []
    assert pipeline.plan(quiet).steps == ()


def test_who_does_not_agree_gets_nothing(pipeline: AwsBackend) -> None:
    """Declined, nothing is left: no change set, no stack under review, no upload."""
    asked = []

    def no(plan: object) -> bool:
        asked.append(plan)
        return False

    assert pipeline.provision(no, quiet).steps == ()
    assert len(asked) == 1
    assert not any(holdings(connect()).values())


def test_an_interrupt_while_asking_leaves_nothing(pipeline: AwsBackend) -> None:
    """Ctrl-C at the question is as good as no."""

    def interrupted(plan: object) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.provision(interrupted, quiet)

    assert not any(holdings(connect()).values())


def test_an_interrupt_under_way_is_picked_up(pipeline: AwsBackend) -> None:
    """CloudFormation goes on after Ctrl-C; the next run finds all done."""

    def interrupt(progress: StackEvent) -> None:
        if progress.status == "CREATE_IN_PROGRESS":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.provision(yes, interrupt)
    outcome = pipeline.provision(yes, quiet)

    assert outcome.outputs["StreamName"] == "stock-market-stream"
    assert pipeline.plan(quiet).steps == ()


def test_a_changed_configuration_is_planned_applied_and_seen(pipeline: AwsBackend) -> None:
    """Shards and threshold: the plan names old and new value, the account has the new one."""
    pipeline.provision(yes, quiet)
    changed = open_pipeline(
        stream={"shards": 2, "retention_hours": 48},
        anomaly={"threshold_percent": 2.5},
        table={"ttl_days": 30},
    )

    planned = {change.resource: change for change in changed.plan(quiet).steps}
    outcome = changed.provision(yes, quiet)

    assert planned["Stream"].action == "update"
    assert "ShardCount 1 → 2" in planned["Stream"].detail
    assert planned["IngestFunction"].detail == "ThresholdPercent 5 → 2.5, TtlDays 0 → 30"
    assert planned["QuotesTable"].data == "quotes stored from now on are deleted after 30 days"
    assert [change.resource for change in outcome.steps] == list(planned)
    function = connect().client("lambda").get_function_configuration(FunctionName="stock-market-ingest")
    assert function["Environment"]["Variables"]["THRESHOLD_PERCENT"] == "2.5"
    assert changed.plan(quiet).steps == ()


def test_a_shorter_retention_is_said_to_lose_data() -> None:
    """The plan warns if records, raw quotes or logs will expire earlier."""
    open_pipeline(
        stream={"retention_hours": 48}, archive={"retention_days": 30}, logs={"retention_days": 30}
    ).provision(yes, quiet)

    plan = open_pipeline(archive={"retention_days": 10}, logs={"retention_days": 7}).plan(quiet)

    data = {change.resource: change.data for change in plan.steps if change.data}
    assert data == {
        "Stream": "records older than 24 hours are lost",
        "DataBucket": "raw quotes older than 10 days are deleted",
        "IngestLogs": "log lines older than 7 days are deleted",
        "TrendLogs": "log lines older than 7 days are deleted",
    }


def test_renaming_what_holds_data_keeps_the_old_one(pipeline: AwsBackend) -> None:
    """A new name creates a new table; the old one remains, and the plan says so."""
    pipeline.provision(yes, quiet)
    renamed = open_pipeline(table={"name": "prices"})

    planned = {change.resource: change for change in renamed.plan(quiet).steps}
    renamed.provision(yes, quiet)

    assert planned["QuotesTable"].action == "replace"
    assert planned["QuotesTable"].data == "kept: the table remains outside of the stack"
    assert holdings(connect())["dynamodb"] == ["prices", "stock-market-alerts", "stock-market-data"]


def test_two_projects_share_an_account() -> None:
    """Prefixed names keep two pipelines apart, and one goes without the other."""
    one, two = open_pipeline(), open_pipeline(project={"name": "beta"})
    one.provision(yes, quiet)
    alone = holdings(connect())

    two.provision(yes, quiet)
    assert holdings(connect())["kinesis"] == ["beta-stock-market-stream", "stock-market-stream"]
    two.teardown(keep_data=False, report=quiet)

    assert holdings(connect()) == alone


def test_provision_waits_for_what_is_under_way(pipeline: AwsBackend) -> None:
    """Provisioning waits for an update that another person has started."""
    pipeline.provision(yes, quiet)
    begin_an_update_that_waits(pipeline.names.stack)
    seen: list[StackEvent] = []

    def report(progress: StackEvent) -> None:
        if not seen:
            let_the_update_fail(pipeline.names.stack)
        seen.append(progress)

    outcome = open_pipeline(anomaly={"threshold_percent": 3}).provision(yes, report)

    assert seen[0] == StackEvent("stockctl", "UPDATE_IN_PROGRESS", "waiting for the running operation")
    assert "IngestFunction" in {change.resource for change in outcome.steps}


def test_a_stack_that_failed_to_come_to_life_is_made_anew(pipeline: AwsBackend) -> None:
    """From ROLLBACK_COMPLETE: the plan shows the deletion, and the run deletes it by itself."""
    athena = connect().client("athena")
    athena.create_work_group(Name="stockctl")
    with pytest.raises(AwsError) as failed:
        pipeline.provision(yes, quiet)
    assert "The stack stockctl could not be created. Workgroup: " in failed.value.message
    athena.delete_work_group(WorkGroup="stockctl")

    plan = pipeline.plan(quiet)
    outcome = pipeline.provision(yes, quiet)

    assert plan.steps[0][:2] == ("delete", "stockctl")
    assert plan.steps[0].detail == "status ROLLBACK_COMPLETE"
    assert {change.action for change in plan.steps[1:]} == {"create", "adopt"}
    assert outcome.outputs["Workgroup"] == "stockctl"
    assert holdings(connect())["cloudformation"] == ["stockctl"]


def test_a_failing_update_is_undone_and_explained(pipeline: AwsBackend) -> None:
    """The message names the resource and the reason, and everything is as it was."""
    pipeline.provision(yes, quiet)
    connect().client("athena").create_work_group(Name="taken")

    with pytest.raises(AwsError) as failed:
        open_pipeline(analytics={"workgroup": "taken"}, anomaly={"threshold_percent": 9}).provision(
            yes, quiet
        )

    assert failed.value.message.startswith("The stack stockctl could not be updated. Workgroup: ")
    assert "taken" in failed.value.message or "already" in failed.value.message
    assert failed.value.hint is not None
    assert failed.value.hint.startswith("Everything is as it was before.")
    function = connect().client("lambda").get_function_configuration(FunctionName="stock-market-ingest")
    assert function["Environment"]["Variables"]["THRESHOLD_PERCENT"] == "5"
    assert pipeline.plan(quiet).steps == ()


def test_a_bucket_name_of_another_account_is_refused_by_name(ministack: MiniStack, aws_account: str) -> None:
    """Nothing is created if the bucket name belongs to another account."""
    name = f"theirs-not-{aws_account}"
    client_of(ministack, "999999999999", "s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )

    with pytest.raises(AwsError, match=f"The bucket {name} belongs to another account"):
        open_pipeline(archive={"bucket": name}).provision(yes, quiet)

    assert not any(holdings(connect()).values())


def begin_an_update_that_waits(stack: str) -> None:
    """Begin to update a stack with a condition that nothing fulfils for a long time."""
    cloudformation = connect().client("cloudformation")
    template = cloudformation.get_template(StackName=stack)["TemplateBody"]
    waiting = (
        "Resources:\n  Handle:\n    Type: AWS::CloudFormation::WaitConditionHandle\n"
        "  Wait:\n    Type: AWS::CloudFormation::WaitCondition\n    Properties:\n"
        "      Handle: !Ref Handle\n      Timeout: '600'\n\n"
    )
    parameters = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Parameters"]
    cloudformation.update_stack(
        StackName=stack,
        TemplateBody=template.replace("Resources:\n", waiting, 1),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": each["ParameterKey"], "UsePreviousValue": True} for each in parameters],
    )


def let_the_update_fail(stack: str) -> None:
    """Tell the condition, as soon as it is waited for, that it will never hold: the update is undone."""
    deadline = time.monotonic() + SECONDS
    while not is_told_of_failure(stack):
        assert time.monotonic() < deadline


def is_told_of_failure(stack: str) -> bool:
    """Signal a failure to the wait condition, and return whether it existed."""
    try:
        connect().client("cloudformation").signal_resource(
            StackName=stack, LogicalResourceId="Wait", UniqueId="test", Status="FAILURE"
        )
    except ClientError:
        return False
    return True
