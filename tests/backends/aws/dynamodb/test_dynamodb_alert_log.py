"""The alert log: each alert is written once with a conditional write, also after a lost response."""

from decimal import Decimal

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.dynamodb.alerts import DynamoAlertLog
from stockctl.backends.aws.parallel import Parallel
from stockctl.market.alert import Alert
from support.aws.call_log import noted_calls
from support.aws.memory_services import LOST, Memory
from support.aws.moto_account import ALERTS

ALERT = Alert(
    "AAPL|anomaly|up|2019-02-11", "AAPL", "2019-02-11T14:31:00.000Z", "anomaly", None, Decimal("105.5"), None,
    None, None, "a message", "2026-01-05T15:00:00.000Z", None, None,
)  # fmt: skip


@pytest.fixture
def log(connection: Connection, parallel: Parallel) -> DynamoAlertLog:
    """An empty log."""
    return DynamoAlertLog(connection.client("dynamodb"), ALERTS, parallel)


def test_a_claim_is_one_call_whether_new_or_not(log: DynamoAlertLog, connection: Connection):
    """The write that is refused brings the logged alert back: nothing is read."""
    with noted_calls(connection.client("dynamodb")) as calls:
        log.claim([ALERT])
        log.claim([ALERT])
        log.mark([ALERT.alert_id], "2026-01-05T15:00:01.000Z")
        log.claim([ALERT])
    assert [call.operation for call in calls] == ["PutItem", "PutItem", "UpdateItem", "PutItem"]


def test_an_alert_that_is_in_a_claim_twice_is_written_once(log: DynamoAlertLog, connection: Connection):
    """The first one counts; two threads never fight for one key."""
    with noted_calls(connection.client("dynamodb")) as calls:
        claim = log.claim([ALERT, ALERT._replace(message="other")])
    assert claim == ([ALERT], [ALERT])
    assert len(calls) == 1


def test_marking_never_makes_an_alert(log: DynamoAlertLog, connection: Connection):
    """An id that is not in the log is an error, not a half-empty item."""
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        log.mark(["nobody"], "2026-01-05T15:00:01.000Z")
    assert connection.client("dynamodb").scan(TableName=ALERTS)["Items"] == []


def test_a_claim_whose_answer_was_lost_is_handed_out_again(connection: Connection, parallel: Parallel):
    """The alert was written but the response was lost: the next claim publishes it."""
    answers = iter([LOST, None])
    memory = Memory(lambda operation, about: next(answers))
    client = connection.client("dynamodb")
    with memory.behind(client):
        log = DynamoAlertLog(client, ALERTS, parallel)
        with pytest.raises(ReadTimeoutError):
            log.claim([ALERT])
        assert log.claim([ALERT]) == ([], [ALERT])
