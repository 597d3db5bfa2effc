"""The pipeline on AWS as a user drives it, on an emulator with IAM enforced: from quotes to answers."""

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.aws.athena_proxy import Relay, relay
from support.aws.ministack_cli import Cloud, OnTerminal, Subscribed, comparable, followed
from support.aws.ministack_server import MiniStack, stop_polling
from support.cli.command import SECONDS, Command, finish
from support.cli.running_stream import seen, streaming
from support.paths import DEMO

pytestmark = pytest.mark.slow

SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT")
CONFIGURATION = """
[alerts]
max_age = 0
"""
PRICE = r"\d[\d.]* (B|kB|MB) scanned, \$0\.0+5 "
# A project of its own: MiniStack stops functions of one name in all accounts when one of them is changed, and
# a function that is stopped while it publishes does so again.
PROJECT = """
[project]
name = "fund"
"""
SUBSCRIPTION = """
[[alerts.subscriptions]]
protocol = "sqs"
endpoint = "{}"
"""


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
    (command.folder / "stockctl.toml").write_text(CONFIGURATION)
    command.ok("stream", "--quiet", "--file", str(rows))
    return command


@pytest.fixture(scope="module")
def cloud(
    tmp_path_factory: pytest.TempPathFactory, ministack: MiniStack, rows: Path, embedded: Command
) -> Iterator[Subscribed]:
    """The pipeline on AWS after those quotes, its alerts followed to the last one."""
    expected = len(embedded.rows("alerts", "list", "--limit", "0"))
    command = Subscribed(tmp_path_factory.mktemp("cloud"), ministack)
    for queue in (command.all_queue, command.some_queue):
        command.client("sqs").create_queue(QueueName=queue)
    configuration = CONFIGURATION + PROJECT + SUBSCRIPTION.format(command.arn(command.all_queue))
    (command.folder / "stockctl.toml").write_text(configuration)
    made = command.run("provision", "--yes", "-o", "json")
    assert made.returncode == 0, made.stderr
    assert {step["action"] for step in json.loads(made.stdout)} == {"create"}
    subscribe(command)
    tail = command.follow()
    sent = command.run("stream", "--file", str(rows))
    assert "300 quotes sent; the pipeline is processing them." in sent.stderr, sent.stderr
    command.tailed = followed(tail, expected)
    await_published(command)
    yield command
    stop_polling(ministack, command.account)


def await_published(cloud: Cloud) -> None:
    """Return once somebody was told of every alert: it is logged before, and marked after that."""
    deadline = time.monotonic() + SECONDS
    while any(alert["published_at"] is None for alert in cloud.rows("alerts", "list", "--limit", "0")):
        assert time.monotonic() < deadline, "alerts were not published"


def subscribe(cloud: Subscribed) -> None:
    """Subscribe the second queue, and give both the policy that is printed for it."""
    arn = cloud.arn(cloud.some_queue)
    chosen = ("--symbols", "aapl", "--kind", "anomaly")
    policy = cloud.ok("alerts", "subscribe", "sqs", arn, *chosen)
    for queue in (cloud.all_queue, cloud.some_queue):
        cloud.client("sqs").set_queue_attributes(
            QueueUrl=cloud.url(queue), Attributes={"Policy": policy.replace(arn, cloud.arn(queue))}
        )


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_stored_quotes_equal_the_embedded_ones(cloud: Cloud, embedded: Command, symbol: str) -> None:
    """The same input gives the same stored quotes, figure by figure."""
    command = ("query", "history", symbol, "--limit", "0")
    assert cloud.rows(*command) == embedded.rows(*command)


def test_alerts_equal_the_embedded_ones_and_are_tailed_once(cloud: Cloud, embedded: Command) -> None:
    """The same alerts are logged, each came out of the tail once."""
    there, here = (side.rows("alerts", "list", "--limit", "0") for side in (cloud, embedded))
    assert comparable(there) == comparable(here)
    assert comparable(cloud.tailed) == comparable(here)


@pytest.mark.parametrize("what", ["signals", "anomalies"])
def test_queries_of_the_alert_log_equal_the_embedded_ones(cloud: Cloud, embedded: Command, what: str) -> None:
    """Crossings and jumps are the same on both sides."""
    command = ("query", what, "--limit", "0")
    assert comparable(cloud.rows(*command)) == comparable(embedded.rows(*command)) != []


def test_latest_quotes_equal_the_embedded_ones(cloud: Cloud, embedded: Command) -> None:
    """One of each symbol that is asked for, in the same order."""
    command = ("query", "latest", "--symbols", "msft,ibm,aapl", "--limit", "2")
    assert cloud.rows(*command) == embedded.rows(*command) != []


def test_raw_objects_equal_the_embedded_files(cloud: Cloud, embedded: Command) -> None:
    """The archive holds the same objects under the same keys, byte for byte."""
    s3, bucket = cloud.client("s3"), cloud.data_bucket()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="raw-data/")
    there = {
        item["Key"]: s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        for page in pages
        for item in page["Contents"]
    }
    files = (embedded.home / "raw-data").rglob("*.json")
    assert there == {str(path.relative_to(embedded.home)): path.read_bytes() for path in files}


def test_a_subscribed_queue_gets_what_the_alert_log_has(cloud: Subscribed) -> None:
    """Every alert arrives once, as it was logged; symbol and kind stand beside it, to filter by.

    The test alert comes along the same way; a queue with a filter gets what passes it and nothing else.
    """
    sent = cloud.run("alerts", "test")
    assert sent.returncode == 0
    log = {alert["alert_id"]: alert for alert in cloud.rows("alerts", "list", "--limit", "0")}
    assert None not in {alert["published_at"] for alert in log.values()}
    (test_id,) = [alert_id for alert_id in log if alert_id.startswith("TEST|")]
    assert f"Sent {test_id}." in sent.stderr

    messages = cloud.received(cloud.all_queue, len(log))

    alerts = [json.loads(message["Message"]) for message in messages]
    assert sorted(alert["alert_id"] for alert in alerts) == sorted(log)
    for message, alert in zip(messages, alerts, strict=True):
        assert alert == {**log[alert["alert_id"]], "published_at": None}
        assert message["MessageAttributes"] == {
            name: {"Type": "String", "Value": alert[name]} for name in ("symbol", "kind")
        }
        assert message["Subject"].startswith(f"{alert['symbol']}: ")
    chosen = {alert_id for alert_id in log if alert_id.startswith("AAPL|anomaly|")}
    some = [json.loads(each["Message"]) for each in cloud.received(cloud.some_queue, len(chosen))]
    assert sorted(alert["alert_id"] for alert in some) == sorted(chosen)
    assert 0 < len(chosen) < len(log)


def test_subscribers_are_listed_and_those_of_the_configuration_stay(cloud: Subscribed) -> None:
    """Who was subscribed how is told; what the configuration made can be ended only there."""
    found = {each["endpoint"]: each for each in cloud.rows("alerts", "subscriptions")}
    every, some = cloud.arn(cloud.all_queue), cloud.arn(cloud.some_queue)
    assert [(found[each]["owner"], found[each]["state"]) for each in (every, some)] == [
        ("configuration", "confirmed"),
        ("by hand", "confirmed"),
    ]
    assert (found[some]["symbols"], found[some]["kinds"]) == (["AAPL"], ["anomaly"])
    assert (found[every]["symbols"], found[every]["kinds"]) == ([], [])

    refused = cloud.refused("alerts", "unsubscribe", every, code=1)

    assert "comes from the configuration" in refused


@pytest.fixture(scope="module")
def athena(ministack: MiniStack) -> Iterator[Relay]:
    """A way to MiniStack on which statements get their parameters."""
    with relay(ministack) as way:
        yield way


@pytest.mark.parametrize("options", [(), ("--by", "change", "--direction", "down", "--limit", "2")])
def test_top_movers_equal_the_embedded_ones(
    cloud: Cloud, embedded: Command, athena: Relay, options: tuple[str, ...]
) -> None:
    """Athena answers what DuckDB answers; values go beside the statement, results below athena-results/."""
    command = ("query", "top-movers", *options, "-o", "json")
    done = cloud.run(*command, extra=athena.environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(embedded.ok(*command))
    execution = cloud.client("athena").get_query_execution(QueryExecutionId=athena.query_id)["QueryExecution"]
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location.startswith(f"s3://{cloud.data_bucket()}/athena-results/")
    asked = athena.asked("StartQueryExecution")[-1]
    assert len(asked["ExecutionParameters"]) == asked["QueryString"].count("?") == 3
    assert asked["WorkGroup"] == "fund-stockctl"


def test_sql_of_ones_own_equals_the_embedded_answer(cloud: Cloud, embedded: Command) -> None:
    """A statement without parameters runs on MiniStack as it stands, and gives the same figures."""
    statement = (
        "SELECT symbol, count(*) AS quotes, min(price) AS lowest, sum(volume) AS volume "
        "FROM stock_data_table WHERE price > 50 GROUP BY symbol ORDER BY symbol"
    )
    assert cloud.rows("query", "sql", statement) == embedded.rows("query", "sql", statement) != []


def test_only_data_is_on_stdout_and_the_price_beside_it(cloud: Cloud) -> None:
    """On a terminal something turns while Athena works; what it read, and its price, are told at the end."""
    statement = "SELECT count(*) AS quotes FROM stock_data_table"
    watched = OnTerminal(cloud, "query", "sql", statement, "-o", "json")

    code, out, shown = watched.end()

    assert (code, json.loads(out)) == (0, [{"quotes": 300}])
    assert "querying" in shown
    assert re.search(PRICE, shown)
    assert shown.rindex("querying") < shown.rindex("scanned")
    assert_cursor_is_back(shown)
    piped = cloud.run("query", "sql", statement, "-o", "json")
    assert piped.stdout == out
    assert re.fullmatch(rf"\({PRICE}.*\)\n", piped.stderr)


@pytest.mark.parametrize(("number", "code", "looks"), [(signal.SIGINT, 130, 2), (signal.SIGTERM, 0, 0)])
def test_an_interrupted_query_is_cancelled_in_athena(
    cloud: Cloud, ministack: MiniStack, number: int, code: int, looks: int
) -> None:
    """Ctrl-C stops the query there, says so and ends; no traceback, no data, and the terminal as it was.

    So does an end by SIGTERM, even before the first look at the query was answered.
    """
    with relay(ministack, looks_until_stopped=looks) as way:
        watched = OnTerminal(cloud, "query", "top-movers", extra=way.environment)
        assert way.looked_at.wait(SECONDS)

        ended = watched.end(number)

    assert ended[:2] == (code, "")
    assert way.asked("StopQueryExecution") == [{"QueryExecutionId": way.query_id}]
    assert "(cancelled: " in ended[2]
    assert "Traceback" not in ended[2]
    assert_cursor_is_back(ended[2])


def test_a_statement_that_is_no_query_never_leaves(cloud: Cloud, athena: Relay) -> None:
    """The check of the embedded side stands before Athena too."""
    before = len(athena.calls)
    message = cloud.refused("query", "sql", "DROP TABLE stock_data_table", code=1, extra=athena.environment)
    assert "SELECT" in message
    assert len(athena.calls) == before


def assert_cursor_is_back(shown: str) -> None:
    """Insist that a terminal's cursor, hidden while something turned, is seen again."""
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") > -1


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
    assert status["stack"] == "fund-stockctl: CREATE_COMPLETE"
    assert "code as installed here" in status["ingest"]
    assert status["quarantined"] == 0
    assert [quote["symbol"] for quote in status["latest"]] == list(SYMBOLS)


def test_status_tells_of_the_stream_that_runs(cloud: Cloud) -> None:
    """Its figures lie beside its outbox on this machine, and are shown with the stack's."""
    with streaming(cloud, "--source", "ndjson", "--file", "-") as child:
        facts = seen(cloud, child, lambda found: found.get("producer") == "running")
        code, _, err = finish(child, signal.SIGTERM)
    assert code == 0, err
    assert (facts["producer_pid"], facts["producer_source"]) == (child.pid, "ndjson")
    assert facts["stack"] == "fund-stockctl: CREATE_COMPLETE"
    assert "producer" not in cloud.rows("status")[0]


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
