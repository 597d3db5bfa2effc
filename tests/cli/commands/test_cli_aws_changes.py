"""The life of a pipeline on AWS as a user drives it: new code, a failure, new settings, data kept, the end.

Each step goes on from the one before and notes what it saw; the tests read the notes, in any order.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest

import stockctl
from support.aws.ministack_cli import Row
from support.aws.ministack_server import MiniStack, stop_polling
from support.aws.stacks import holdings
from support.both_backends import Account, Answers, Sides
from support.cli.fork_client import Forks

pytestmark = pytest.mark.slow

PACKAGE = Path(stockctl.__file__).parent
OLD_WORDS, NEW_WORDS = "moved more than", "jumped more than"
BEFORE = """
[[alerts.subscriptions]]
protocol = "email"
endpoint = "somebody@example.com"
"""
AFTER = f"""{BEFORE}
[stream]
shards = 2
retention_hours = 48

[anomaly]
threshold_percent = 2.5
"""
FAILING = f"""{AFTER}
[analytics]
workgroup = "taken"
"""
# Lines of the demo's file that hold some days of four symbols each.
FIRST, SECOND, THIRD = slice(161, 261), slice(261, 301), slice(301, 313)


Done = CompletedProcess[str]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, ministack: MiniStack) -> Iterator[Sides]:
    """Both pipelines after a hundred quotes."""
    both = Sides(tmp_path_factory.mktemp("changes"), ministack)
    both.configure(BEFORE)
    both.cloud.ok("provision", "--yes")
    both.replay(FIRST)
    yield both
    stop_polling(ministack, both.cloud.account)


class Deployment(NamedTuple):
    """New code brought to the functions, twice."""

    before: Account
    done: Done
    after: Account
    again: Done


@pytest.fixture(scope="module")
def deployment(sides: Sides, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A package whose alerts have other words is run from now on, and deployed."""
    before = sides.look()
    place = tmp_path_factory.mktemp("package")
    shutil.copytree(PACKAGE, place / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    source = place / PACKAGE.name / "market" / "alert.py"
    text = source.read_text()
    assert OLD_WORDS in text
    source.write_text(text.replace(OLD_WORDS, NEW_WORDS))
    sides.cloud.package = place
    with closing(Forks(sides.cloud.environment())) as sides.cloud.forks:
        done = sides.cloud.run("deploy", "-o", "json")
        yield Deployment(before, done, sides.look(), sides.cloud.run("deploy", "-o", "json"))


def test_changed_code_is_deployed_and_nothing_else(deployment: Deployment) -> None:
    """Both functions run another zip, of which the stack knows the key; all else is as it was."""
    before, done, after, _ = deployment
    assert done.returncode == 0, done.stderr
    assert {
        row["resource"]: row["detail"] for row in json.loads(done.stdout) if row["action"] == "update"
    } == {
        "IngestFunction": "new code",
        "TrendFunction": "new code",
    }
    assert len(after.code) == 1
    assert after.code != before.code
    changed = {name for name in after.parameters if after.parameters[name] != before.parameters[name]}
    assert {after.parameters[name] for name in changed} == {f"functions/{next(iter(after.code))}.zip"}
    assert (after.resources, after.held) == (before.resources, before.held)


def test_the_same_code_is_not_deployed_again(deployment: Deployment) -> None:
    """A second deploy says that nothing changed."""
    again = deployment.again
    assert (again.returncode, json.loads(again.stdout)) == (0, [])
    assert "Nothing changed." in again.stderr


class Failure(NamedTuple):
    """An update that failed."""

    before: Account
    done: Done
    after: Account


@pytest.fixture(scope="module")
def failure(sides: Sides, deployment: Deployment) -> Failure:
    """New settings with a name in them that somebody else has."""
    athena = sides.cloud.client("athena")
    athena.create_work_group(Name="taken")
    before = sides.look()
    sides.configure(FAILING)
    done = sides.cloud.run("provision", "--yes")
    after = sides.look()
    athena.delete_work_group(WorkGroup="taken")
    return Failure(before, done, after)


def test_a_failing_update_is_explained(failure: Failure) -> None:
    """Which resource failed, why, what became of the rest, what to do; and no traceback."""
    message = failure.done.stderr
    assert failure.done.returncode == 1
    assert "error: The stack stockctl could not be updated. Workgroup: " in message
    assert "already exists" in message
    assert "Everything is as it was before." in message
    assert "run the command again" in message
    assert "Traceback" not in message
    assert "this is a bug" not in message


def test_a_failing_update_is_rolled_back(failure: Failure) -> None:
    """Settings, code, names and data are those of before."""
    before, _, after = failure
    assert after.stack == "UPDATE_ROLLBACK_COMPLETE"
    assert after._replace(stack="") == before._replace(stack="")
    assert after.rules["THRESHOLD_PERCENT"] == "5"


class Change(NamedTuple):
    """New settings, planned and applied."""

    before: Account
    planned: Done
    after_plan: Account
    done: Done
    after: Account
    answers: Answers


@pytest.fixture(scope="module")
def change(sides: Sides, failure: Failure) -> Change:
    """The name put right, the other settings are provisioned, and quotes sent through."""
    before = sides.look()
    sides.configure(AFTER)
    planned = sides.cloud.run("plan")
    after_plan = sides.look()
    done = sides.cloud.run("provision", "--yes")
    after = sides.look()
    sides.replay(SECOND)
    return Change(before, planned, after_plan, done, after, sides.answers())


def test_a_changed_configuration_is_planned_as_a_table(change: Change) -> None:
    """Action, resource, kind and what changes, with the cost; nothing is touched yet, nothing left behind."""
    assert change.planned.returncode == 0
    header, *rows = change.planned.stdout.splitlines()
    assert header.split() == ["ACTION", "RESOURCE", "KIND", "WHAT"]
    stream, ingest = (
        next(row for row in rows if row.split()[1] == name) for name in ("Stream", "IngestFunction")
    )
    assert stream.startswith("update")
    assert "Kinesis stream" in stream
    assert "ShardCount 1 → 2" in stream
    assert "StreamRetentionHours 24 → 48" in stream
    assert "ThresholdPercent 5 → 2.5" in ingest
    # Two shards at $0.015 an hour, and as long as they keep more than a day at $0.020 more; alarms $0.001.
    assert "Cost: $0.071 per hour" in change.planned.stderr
    assert change.after_plan == change.before


def test_a_changed_configuration_is_applied(change: Change) -> None:
    """After a failed update too; the account has what the plan has shown.

    MiniStack takes over all but a changed number of shards; a stream that it makes anew has it, further down.
    """
    assert change.done.returncode == 0, change.done.stderr
    assert change.done.stdout == change.planned.stdout
    assert change.after.stack == "UPDATE_COMPLETE"
    assert change.after.parameters["ShardCount"] == "2"
    assert change.after.stream["RetentionPeriodHours"] == 48
    assert change.after.rules["THRESHOLD_PERCENT"] == "2.5"
    assert (change.after.resources, change.after.code) == (change.before.resources, change.before.code)


def test_quotes_are_judged_by_new_settings_and_new_code(change: Change) -> None:
    """Moves below the old threshold raise alerts, in the words of the deployed code, as on the other side."""
    answers = change.answers
    assert answers.alerts_there == answers.alerts_here
    assert answers.latest_there == answers.latest_here != []
    anomalies = [alert for alert in answers.alerts_there if alert["kind"] == "anomaly"]
    new = [alert for alert in anomalies if NEW_WORDS in alert["message"]]
    assert {abs(alert["change_percent"]) < 5 for alert in new} == {True, False}
    assert all(abs(alert["change_percent"]) > 2.5 for alert in new)
    assert all(abs(alert["change_percent"]) > 5 for alert in anomalies if OLD_WORDS in alert["message"])
    assert all("older than" in alert["not_published"] for alert in answers.alerts_there)


class Keeping(NamedTuple):
    """A teardown that kept the data, and a pipeline made again over it."""

    before: Account
    done: Done
    left: Mapping[str, list[str]]
    planned: list[Row]
    made: Done
    latest: list[Row]
    after: Account
    answers: Answers


@pytest.fixture(scope="module")
def keeping(sides: Sides, change: Change) -> Keeping:
    """Taken down but for the data, made again, asked at once, and sent quotes again."""
    before = sides.look()
    done = sides.cloud.run("teardown", "--keep-data", "--yes")
    left = holdings(sides.cloud)
    planned = sides.cloud.rows("plan")
    made = sides.cloud.run("provision", "--yes")
    latest, after = sides.cloud.rows("query", "latest"), sides.look()
    sides.replay(THIRD)
    return Keeping(before, done, left, planned, made, latest, after, sides.answers())


def test_a_teardown_can_keep_bucket_and_tables(keeping: Keeping) -> None:
    """They are shown as kept, and nothing else is left of any service."""
    assert keeping.done.returncode == 0, keeping.done.stderr
    data = [keeping.before.resources[name] for name in ("AlertsTable", "QuotesTable", "DataBucket")]
    kept = [line for line in keeping.done.stdout.splitlines() if line.startswith("keep")]
    assert sorted(line.split()[1] for line in kept) == sorted(data)
    assert "Done. The data was kept (the steps above with the action keep)." in keeping.done.stderr
    held = {service: names for service, names in keeping.left.items() if names}
    assert held == {"dynamodb": data[:2], "s3": data[2:]}


def test_what_was_kept_is_adopted(keeping: Keeping, change: Change) -> None:
    """The plan says so, the new stack owns it, and the quotes are still there."""
    adopted = {row["resource"]: row["detail"] for row in keeping.planned if row["action"] == "adopt"}
    assert adopted == {
        name: f"adds the existing {keeping.before.resources[name]} to the stack"
        for name in ("DataBucket", "QuotesTable", "AlertsTable")
    }
    assert keeping.made.returncode == 0, keeping.made.stderr
    assert keeping.after.stack in ("CREATE_COMPLETE", "IMPORT_COMPLETE")
    assert set(keeping.after.resources) == set(keeping.before.resources)
    assert {keeping.after.resources[name] for name in adopted} == {
        keeping.before.resources[name] for name in adopted
    }
    assert keeping.latest == change.answers.latest_there


def test_a_pipeline_over_kept_data_goes_on_where_it_was(keeping: Keeping) -> None:
    """Over two shards now, history reaches back before the teardown, and no alert is logged twice."""
    answers = keeping.answers
    assert keeping.after.stream["OpenShardCount"] == 2
    assert answers.latest_there == answers.latest_here
    assert None not in {quote["sma_long"] for quote in answers.latest_there}
    assert answers.alerts_there == answers.alerts_here


class End(NamedTuple):
    """The teardown of everything."""

    before: Account
    declined: Done
    after_declining: Account
    done: Done
    left: Mapping[str, list[str]]
    again: Done
    status: Done


@pytest.fixture(scope="module")
def end(sides: Sides, keeping: Keeping) -> End:
    """Taken down with old versions in the bucket: declined first, then agreed to, then asked for again."""
    cloud = sides.cloud
    s3, bucket = cloud.client("s3"), cloud.data_bucket()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="athena-results/a.csv", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="athena-results/a.csv")
    before = sides.look()
    declined = cloud.run("teardown", stdin="something else\n")
    after_declining = sides.look()
    done = cloud.run("teardown", stdin="stockctl\n")
    left = holdings(cloud)
    return End(
        before, declined, after_declining, done, left, cloud.run("teardown", "--yes"), cloud.run("status")
    )


def test_a_teardown_shows_what_goes_and_asks_for_the_name(end: End) -> None:
    """Objects are counted, and another name deletes nothing."""
    assert end.declined.returncode == 1
    assert "Nothing was deleted" in end.declined.stderr
    assert "Type stockctl to continue" in end.declined.stderr
    assert end.after_declining == end.before
    bucket = next(line for line in end.declined.stdout.splitlines() if "S3 bucket" in line)
    assert bucket.startswith("delete")
    assert "152 raw quotes, 0 quarantined records, 0 failed batches, 2 query results" in bucket
    assert "1 subscription" in end.declined.stdout


def test_a_teardown_leaves_an_empty_account(end: End) -> None:
    """Service by service nothing is left, and before there was something of each but a queue."""
    assert end.done.returncode == 0, end.done.stderr
    assert [service for service, names in end.left.items() if names] == []
    assert {service for service, names in end.before.held.items() if not names} == {"sqs", "change sets"}
    assert "Not deleted in" not in end.done.stderr


def test_a_second_teardown_finds_nothing(end: End) -> None:
    """It says so and ends well; status says what to do first."""
    assert (end.again.returncode, end.again.stdout) == (0, "")
    assert "Nothing to tear down" in end.again.stderr
    assert end.status.returncode == 1
    assert "There is no stack" in end.status.stderr
