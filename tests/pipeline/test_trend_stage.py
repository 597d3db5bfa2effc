"""The trend stage over a real alert log: who is told, once, and what a failure on the way leaves."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from stockctl.backends.local.alerts import SqliteAlertLog, SqliteAlertReader
from stockctl.backends.local.database import Database
from stockctl.market.alert import Alert
from stockctl.market.quote import EnrichedQuote, decode_record
from stockctl.market.rules import AnalysisRules
from stockctl.pipeline.trend import TrendStage
from support.malformed_records import good_record

NOW = datetime(2019, 2, 11, 15, 0, tzinfo=UTC)


class People:
    """Subscribers who remember what they were told, and cannot be reached for some alerts."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.unreachable_for = ""

    def publish(self, alert: Alert) -> None:
        """Take one alert."""
        if alert.alert_id == self.unreachable_for:
            raise ConnectionError(alert.alert_id)
        self.told.append(alert.alert_id)


@pytest.fixture
def people() -> People:
    """Subscribers who were told nothing yet."""
    return People()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database, in which each statement is committed at once."""
    Database.create(tmp_path / "stockctl.db")
    with closing(Database(tmp_path / "stockctl.db")) as opened:
        yield opened


@pytest.fixture
def stage(database: Database, people: People) -> TrendStage:
    """The stage, at three in the afternoon of 11 February 2019."""
    log = SqliteAlertLog(database._connection)
    return TrendStage(log, people, AnalysisRules(), timedelta(hours=1), lambda: NOW)


def turned(minute: int) -> EnrichedQuote:
    """Return a quote that crossed downwards."""
    quote = decode_record(good_record(timestamp=f'"2019-02-11T14:{minute:02}:00.000Z"')).quote
    two = Decimal(2), Decimal(3)
    return EnrichedQuote(*quote, None, None, *two, "down", "up", False, False, None, None)


def alert_id(minute: int) -> str:
    """Return the id of that quote's alert."""
    return f"AAPL|2019-02-11T14:{minute:02}:00.000Z|trend_down"


def test_alerts_are_raised_in_order_of_time(stage: TrendStage, people: People, database: Database):
    """Whatever the order of the quotes, people and log get their alerts by time."""
    raised = stage.run([turned(3), turned(1), turned(2)])
    expected = [alert_id(minute) for minute in (1, 2, 3)]
    assert [alert.alert_id for alert in raised] == people.told == expected
    log = SqliteAlertReader(database).recent()
    assert [alert.alert_id for alert in reversed(log)] == expected
    assert {alert.published_at for alert in log} == {"2019-02-11T15:00:00.000Z"}


def test_the_same_quotes_again_tell_nobody(stage: TrendStage, people: People):
    """Delivered twice, in whole or in part, an alert is new and published once."""
    stage.run([turned(1), turned(2)])
    assert list(stage.run([turned(2), turned(1)])) == []
    assert [alert.alert_id for alert in stage.run([turned(2), turned(3)])] == [alert_id(3)]
    assert people.told == [alert_id(1), alert_id(2), alert_id(3)]


def test_nothing_to_tell(stage: TrendStage, people: People):
    """Quotes without a turn or an anomaly, and no quotes at all, raise nothing."""
    assert list(stage.run([])) == list(stage.run([turned(1)._replace(previous_trend="down")])) == []
    assert people.told == []


def test_an_alert_that_could_not_be_published_is_published_with_the_next_delivery(
    stage: TrendStage, people: People, database: Database
):
    """The failure is raised, so that the batch comes again; then everyone is told, and nothing is lost."""
    people.unreachable_for = alert_id(2)
    with pytest.raises(ConnectionError):
        stage.run([turned(1), turned(2), turned(3)])
    waiting = {alert.alert_id for alert in SqliteAlertReader(database).recent() if not alert.published_at}
    assert {alert_id(2), alert_id(3)} <= waiting
    people.unreachable_for = ""
    assert list(stage.run([turned(1), turned(2), turned(3)])) == []
    assert set(people.told) == {alert_id(1), alert_id(2), alert_id(3)}
    assert people.told.count(alert_id(2)) == people.told.count(alert_id(3)) == 1
    assert all(alert.published_at for alert in SqliteAlertReader(database).recent())


def test_old_quotes_are_logged_with_the_reason_and_tell_nobody(
    stage: TrendStage, people: People, database: Database
):
    """A replay of the past e-mails nobody, now or when it comes again."""
    old = turned(1)._replace(timestamp="2008-10-07T20:00:00.000Z")
    stage.run([old, turned(2)])
    stage.run([old])
    assert people.told == [alert_id(2)]
    reasons = {alert.timestamp: alert.not_published for alert in SqliteAlertReader(database).recent()}
    assert reasons[old.timestamp] == "its quote is older than 1h"
    assert reasons[turned(2).timestamp] is None
