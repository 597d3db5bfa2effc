"""The whole pipeline on AWS, as a user drives it, on an emulator with IAM enforced."""

import json
import signal
from pathlib import Path

import boto3
import pytest
from command import Command, finish
from ministack_server import MiniStack, new_account

DEMO = Path(__file__).resolve().parent.parent.parent / "stockctl" / "demo" / "daily_2008_2009.csv"
SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT")
TOLD_LATER = ("created_at", "published_at")


class Cloud(Command):
    """The command line against one account of the emulator."""

    def __init__(self, folder: Path, ministack: MiniStack) -> None:
        super().__init__(folder)
        self._aws = {**ministack.environment(new_account()), "STOCKCTL_TARGET": "aws"}
        self._authority = str(ministack.authority)

    def environment(self, extra=None):
        """Return the environment of a child."""
        return super().environment({**self._aws, **(extra or {})})

    def client(self, service: str):
        """Return a client of the same account."""
        return boto3.client(
            service,
            endpoint_url=self._aws["STOCKCTL_AWS__ENDPOINT_URL"],
            region_name=self._aws["AWS_DEFAULT_REGION"],
            aws_access_key_id=self._aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="test",
            verify=self._authority,
        )


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred daily quotes."""
    file = tmp_path_factory.mktemp("rows") / "quotes.csv"
    file.write_text("\n".join(DEMO.read_text().splitlines()[:301]) + "\n")
    return file


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, rows: Path) -> Command:
    """The embedded pipeline after the same quotes."""
    command = Command(tmp_path_factory.mktemp("embedded"))
    command.ok("stream", "--quiet", "--file", str(rows))
    return command


@pytest.fixture(scope="module")
def cloud(
    tmp_path_factory: pytest.TempPathFactory, ministack: MiniStack, rows: Path, embedded: Command
) -> Cloud:
    """The pipeline on AWS after those quotes, its alerts followed to the last one."""
    expected = len(embedded.rows("alerts", "list", "--limit", "0"))
    command = Cloud(tmp_path_factory.mktemp("cloud"), ministack)
    made = command.run("provision", "--yes", "-o", "json")
    assert made.returncode == 0, made.stderr
    assert {step["action"] for step in json.loads(made.stdout)} == {"create"}
    tail = command.start("alerts", "tail", "--since", "1h", "-o", "json")
    assert tail.stdout is not None
    sent = command.run("stream", "--file", str(rows))
    assert "300 quotes sent; the pipeline goes on with them." in sent.stderr, sent.stderr
    command.tailed = []
    for line in tail.stdout:
        command.tailed.append(json.loads(line)["alert_id"])
        if len(command.tailed) == expected:
            break
    assert finish(tail, signal.SIGINT)[0] == 130
    return command


def without(rows: list[dict], names: tuple[str, ...]) -> list[dict]:
    """Return rows without the fields that depend on the moment, in order of their identity."""
    kept = [{name: value for name, value in row.items() if name not in names} for row in rows]
    return sorted(kept, key=lambda row: row["alert_id"])


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_stored_quotes_equal_the_embedded_ones(cloud: Cloud, embedded: Command, symbol: str) -> None:
    """The same input gives the same stored quotes, figure by figure."""
    command = ("query", "history", symbol, "--limit", "0")
    assert cloud.rows(*command) == embedded.rows(*command)


def test_alerts_equal_the_embedded_ones_and_are_tailed_once(cloud: Cloud, embedded: Command) -> None:
    """The same alerts are logged, each came out of the tail once."""
    there, here = (side.rows("alerts", "list", "--limit", "0") for side in (cloud, embedded))
    assert without(there, TOLD_LATER) == without(here, TOLD_LATER)
    assert sorted(cloud.tailed) == sorted(alert["alert_id"] for alert in here)


def test_raw_objects_equal_the_embedded_files(cloud: Cloud, embedded: Command) -> None:
    """The archive holds the same objects under the same keys, byte for byte."""
    s3 = cloud.client("s3")
    (bucket,) = [
        each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("stock-market-data")
    ]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="raw-data/")
    there = {
        item["Key"]: s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        for page in pages
        for item in page["Contents"]
    }
    files = (embedded.home / "raw-data").rglob("*.json")
    assert there == {str(path.relative_to(embedded.home)): path.read_bytes() for path in files}


def test_a_second_provision_changes_nothing(cloud: Cloud) -> None:
    """Neither plan nor provision nor deploy finds anything to do."""
    assert cloud.rows("plan") == []
    done = cloud.run("provision", "--yes", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    assert "Nothing to do" in done.stderr
    assert "Nothing changed" in cloud.run("deploy").stderr


def test_status_tells_of_every_part(cloud: Cloud) -> None:
    """Stack, stream, functions and the newest quotes are shown."""
    (status,) = cloud.rows("status")
    assert status["stack"] == "stockctl: CREATE_COMPLETE"
    assert "code as installed here" in status["ingest"]
    assert status["quarantined"] == 0
    assert [quote["symbol"] for quote in status["latest"]] == list(SYMBOLS)


def test_a_test_alert_is_published(cloud: Cloud) -> None:
    """It is logged and marked as published through the real topic."""
    cloud.ok("alerts", "test")
    (alert,) = cloud.rows("alerts", "list", "--limit", "1")
    assert alert["alert_id"].startswith("TEST|")


def test_nothing_that_costs_money_is_made_without_consent(tmp_path: Path, ministack: MiniStack) -> None:
    """Without a terminal and without --yes, provision shows the plan and ends with 2."""
    cloud = Cloud(tmp_path, ministack)
    done = cloud.run("provision")
    assert done.returncode == 2
    assert "Pass --yes" in done.stderr
    assert "Kinesis stream" in done.stdout
    stacks = cloud.client("cloudformation").list_stacks()["StackSummaries"]
    assert {stack["StackStatus"] for stack in stacks} <= {"DELETE_COMPLETE"}
    assert cloud.client("kinesis").list_streams()["StreamNames"] == []


def test_teardown_leaves_nothing(tmp_path: Path, ministack: MiniStack) -> None:
    """Made, torn down and looked for: there is no pipeline any more, and a second teardown says so."""
    cloud = Cloud(tmp_path, ministack)
    cloud.ok("provision", "--yes")
    cloud.ok("teardown", "--yes")
    assert "There is no stack" in cloud.refused("status", code=1)
    assert "Nothing to tear down" in cloud.run("teardown", "--yes").stderr
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
