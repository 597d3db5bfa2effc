"""The trend function: alerts from new items of the table, and the response to Lambda."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stockctl.backends.aws.dynamodb.items import read_alert
from support.aws.lambda_functions import (
    Context,
    Functions,
    clients_of,
    event_of,
    kinesis_record,
    metrics_of,
    table_records,
    walk_of,
)
from support.aws.memory_services import LOST, REFUSED, Memory
from support.aws.moto_account import ALERTS, TOPIC, account
from support.real_data import wire
from support.reference_figures import book_of

Logged = Callable[[str], list[dict[str, Any]]]
QUOTES = [*walk_of("AAPL"), *walk_of("MSFT")]


@pytest.fixture(scope="module")
def changes(functions: Functions) -> list[dict[str, Any]]:
    """The changes that two symbols leave in the stream of the table."""
    records = [kinesis_record(wire(quote), number) for number, quote in enumerate(QUOTES)]
    memory = Memory()
    with memory.behind(*clients_of(functions)):
        functions.ingest.handler(event_of(records), Context())
    return [dict(record.event) for record in table_records(memory.inserted)]


def alerting(changes: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return the positions of quotes that raise alerts, each with the id of one alert."""
    book = book_of(QUOTES)
    positions = {}
    for alert_id, alert in book.alerts.items():
        for position, change in enumerate(changes):
            image = change["dynamodb"]["NewImage"]
            if (image["symbol"]["S"], image["timestamp"]["S"]) == (alert["symbol"], alert["timestamp"]):
                positions[position] = alert_id
    return sorted(positions.items())


def test_alerts_are_logged_published_and_reported(
    functions: Functions,
    memory: Memory,
    changes: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    logged: Logged,
):
    """What the reference raises is in the log, marked, and was sent once."""
    capsys.readouterr()
    assert functions.trend.handler({"Records": changes}, Context()) == {"batchItemFailures": []}
    book = book_of(QUOTES)
    alerts = {alert_id: read_alert(item) for alert_id, item in memory.alerts.items()}
    assert {key: alert.message for key, alert in alerts.items()} == {
        key: alert["message"] for key, alert in book.alerts.items()
    }
    assert all(alert.published_at for alert in alerts.values())
    sent = [json.loads(message["Message"])["alert_id"] for message in memory.published]
    assert sorted(sent) == sorted(book.alerts)
    assert {message["TopicArn"] for message in memory.published} == {TOPIC}
    metrics = metrics_of(capsys.readouterr().out)
    assert metrics.pop("oldest_quote_age") > 6 * 365 * 86400
    assert metrics == {"records": len(changes), "alerts": len(book.alerts), "failed": 0}
    (line,) = logged("batch processed")
    assert (line["quotes"], line["alerts"], line["failed"]) == (len(changes), len(book.alerts), 0)


def test_a_symbols_alerts_go_out_in_order_of_time(
    functions: Functions, memory: Memory, changes: list[dict[str, Any]]
):
    """However the changes are shuffled in the batch."""
    functions.trend.handler({"Records": changes[::-1]}, Context())
    for symbol in ("AAPL", "MSFT"):
        sent = [json.loads(message["Message"]) for message in memory.published]
        times = [message["timestamp"] for message in sent if message["symbol"] == symbol]
        assert len(times) > 2
        assert times == sorted(times)


def test_the_same_changes_again_tell_nobody_again(
    functions: Functions, memory: Memory, changes: list[dict[str, Any]]
):
    """A repeated delivery claims, finds every alert marked, and is done."""
    functions.trend.handler({"Records": changes}, Context())
    published = len(memory.published)
    assert functions.trend.handler({"Records": changes}, Context()) == {"batchItemFailures": []}
    assert len(memory.published) == published


def test_changed_and_removed_items_are_left_out(
    functions: Functions, memory: Memory, changes: list[dict[str, Any]]
):
    """Expiry and corrections by hand raise no alert, should the filter of the mapping not be there."""
    modified = [{**change, "eventName": "MODIFY"} for change in changes]
    removed = [
        {"eventName": "REMOVE", "dynamodb": {"Keys": change["dynamodb"]["Keys"]}} for change in changes
    ]
    others = [*modified, *removed]
    assert functions.trend.handler({"Records": others}, Context()) == {"batchItemFailures": []}
    assert not memory.calls


def test_an_item_that_is_no_quote_blocks_nothing(
    functions: Functions,
    memory: Memory,
    changes: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    logged: Logged,
):
    """It is named in the log, counted, and left out; the quotes around it raise their alerts."""
    capsys.readouterr()
    image = {"symbol": {"S": "NOTE"}, "timestamp": {"S": "by hand"}}
    odd = {"eventName": "INSERT", "dynamodb": {"NewImage": image, "SequenceNumber": "0"}}
    assert functions.trend.handler({"Records": [odd, *changes]}, Context()) == {"batchItemFailures": []}
    assert len(memory.published) == len(book_of(QUOTES).alerts)
    assert metrics_of(capsys.readouterr().out)["unreadable"] == 1
    (line,) = logged("item skipped")
    assert "NOTE by hand" in line["reason"]


def test_a_fault_at_one_quote_holds_up_no_other(
    functions: Functions,
    memory: Memory,
    changes: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    logged: Logged,
):
    """The answer names the first quote that failed; all others are done with."""
    places = alerting(changes)
    (first, first_id), (_, second_id) = places[2], places[4]
    assert first > 0
    memory.choose = lambda operation, about: REFUSED if about in (first_id, second_id) else None
    capsys.readouterr()
    answer = functions.trend.handler({"Records": changes}, Context())
    number = changes[first]["dynamodb"]["SequenceNumber"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": number}]}
    sent = {json.loads(message["Message"])["alert_id"] for message in memory.published}
    assert sent == set(book_of(QUOTES).alerts) - {first_id, second_id}
    assert metrics_of(capsys.readouterr().out)["failed"] == 2
    lines = logged("quote will be retried")
    assert {line["symbol"] for line in lines} <= {"AAPL", "MSFT"}
    assert all("ThrottlingException" in line["reason"] for line in lines)


def test_a_fault_at_the_first_record_is_raised(
    functions: Functions, memory: Memory, changes: list[dict[str, Any]]
):
    """A stage that gets nowhere fails loudly: alarms count errors, not partial answers."""
    first, alert_id = alerting(changes)[0]
    memory.choose = lambda operation, about: REFUSED if about == alert_id else None
    with pytest.raises(ClientError, match="ThrottlingException"):
        functions.trend.handler({"Records": changes[first:]}, Context())


def test_an_alert_whose_publication_got_no_answer_comes_again(
    functions: Functions, memory: Memory, changes: list[dict[str, Any]]
):
    """Nobody knows whether it went out: it is sent again rather than lost."""
    first, alert_id = alerting(changes)[1]
    faults = iter([LOST])
    memory.choose = lambda operation, about: (
        next(faults, None) if (operation, about) == ("Publish", alert_id) else None
    )
    answer = functions.trend.handler({"Records": changes}, Context())
    (failure,) = answer["batchItemFailures"]
    rest = [change for change in changes if change["dynamodb"]["SequenceNumber"] >= failure["itemIdentifier"]]
    assert len(rest) == len(changes) - first
    assert functions.trend.handler({"Records": rest}, Context()) == {"batchItemFailures": []}
    sent = [json.loads(message["Message"])["alert_id"] for message in memory.published]
    assert sent.count(alert_id) == 2
    assert len(sent) == len(set(sent)) + 1


def test_without_time_left_nothing_is_begun(
    functions: Functions, memory: Memory, changes: list[dict[str, Any]]
):
    """What cannot be finished is not started, and comes again."""
    with pytest.raises(TimeoutError, match="time limit"):
        functions.trend.handler({"Records": changes}, Context(seconds=1.5))
    assert not memory.calls


def test_it_works_with_what_moto_makes_of_aws(functions: Functions, changes: list[dict[str, Any]]):
    """Real clients, real threads: log and topic hold what they should, also when delivered twice."""
    with account() as connection:
        for _ in range(2):
            assert functions.trend.handler({"Records": changes}, Context()) == {"batchItemFailures": []}
        logged = connection.client("dynamodb").scan(TableName=ALERTS)["Items"]
    assert {read_alert(item).alert_id for item in logged} == set(book_of(QUOTES).alerts)
    assert all(read_alert(item).published_at for item in logged)
