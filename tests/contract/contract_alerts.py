"""What every alert log promises, to the trend stage and to the commands.

A backend's test class derives from these and provides the fixtures that raise NotImplementedError.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from stockctl.market.alert import Alert, sample_alert
from stockctl.pipeline.ports import AlertLog, AlertReader

Logged = Callable[[], Sequence[Alert]]
LogAlerts = Callable[[Sequence[Alert]], None]
PUBLISHED = "2026-01-05T15:00:01.000Z"


def alert(number: int, **fields: Any) -> Alert:
    """Return an alert with an id and a second of its own."""
    plain = Alert(
        f"MSFT|{number:04}|trend_down", "MSFT", "2008-10-07T20:00:00.000Z", "trend_down", "sell",
        Decimal("23.23"), Decimal("-6.74427941"), Decimal("25.442"), Decimal("25.9255"), f"message {number}",
        f"2026-01-05T15:{number // 60:02}:{number % 60:02}.000Z", None, None,
    )  # fmt: skip
    return plain._replace(**fields)


OLD = "its quote is older than 1h"


class AlertLogContract:
    """The log as the trend stage uses it: claim, publish, mark."""

    @pytest.fixture
    def log(self) -> AlertLog:
        """An empty log."""
        raise NotImplementedError

    @pytest.fixture
    def logged(self) -> Logged:
        """Read everything back, in any order."""
        raise NotImplementedError

    def test_a_new_alert_is_logged_and_to_be_published(self, log: AlertLog, logged: Logged):
        """The first claim hands it out, with every field as it was."""
        first = alert(1, change_percent=None, sma_long=Decimal("123456789012345.12345678"), signal=None)
        assert log.claim([first]) == ([first], [first])
        assert list(logged()) == [first]

    def test_claiming_nothing(self, log: AlertLog, logged: Logged):
        """An empty claim is no error."""
        assert log.claim([]) == ([], [])
        log.mark([], PUBLISHED)
        assert list(logged()) == []

    def test_an_alert_is_logged_once(self, log: AlertLog, logged: Logged):
        """Claimed again, in one claim or another, with other words or not, the first one stays."""
        first, again = alert(1), alert(1, message="other words", created_at="2026-01-06T00:00:00.000Z")
        assert log.claim([first, again]).logged == [first]
        assert log.claim([again]).logged == []
        assert list(logged()) == [first]

    def test_what_was_claimed_and_never_marked_is_handed_out_again(self, log: AlertLog):
        """Whoever died between claim and mark leaves an alert that is published by the next."""
        log.claim([alert(1)])
        assert log.claim([alert(1), alert(2)]) == ([alert(2)], [alert(1), alert(2)])

    def test_what_was_marked_is_not_handed_out_again(self, log: AlertLog, logged: Logged):
        """A published alert is done, and says when."""
        log.claim([alert(1), alert(2)])
        log.mark([alert(1).alert_id], PUBLISHED)
        assert log.claim([alert(1), alert(2)]) == ([], [alert(2)])
        assert sorted(logged()) == [alert(1, published_at=PUBLISHED), alert(2)]

    def test_what_is_not_to_be_published_is_logged_alone(self, log: AlertLog, logged: Logged):
        """An alert with a reason against publishing is never handed out, now or later."""
        old = alert(1, not_published=OLD)
        assert log.claim([old, alert(2)]) == ([old, alert(2)], [alert(2)])
        assert log.claim([old]) == ([], [])
        assert log.claim([alert(1)]) == ([], [])
        assert old in logged()

    def test_a_claim_of_hundreds(self, log: AlertLog, logged: Logged):
        """Many alerts at once are logged in their order, and marked at once."""
        many = [alert(number) for number in range(150)]
        assert log.claim(many) == (many, many)
        log.mark([item.alert_id for item in many], PUBLISHED)
        assert log.claim(many) == ([], [])
        assert sorted(logged()) == [item._replace(published_at=PUBLISHED) for item in many]


class AlertReaderContract:
    """The log as the commands show it, and the tail that follows it."""

    @pytest.fixture
    def reader(self) -> AlertReader:
        """A reader of an empty log."""
        raise NotImplementedError

    @pytest.fixture
    def log_alerts(self) -> LogAlerts:
        """Put alerts into that log."""
        raise NotImplementedError

    def test_an_empty_log_has_nothing_to_show(self, reader: AlertReader):
        """Without alerts there is nothing recent, and a tail waits."""
        assert list(reader.recent()) == list(reader.recent(kinds=["anomaly"], since=PUBLISHED, limit=3)) == []
        assert list(reader.follow().read()) == list(reader.follow(PUBLISHED).read()) == []

    def test_recent_is_newest_first(self, reader: AlertReader, log_alerts: LogAlerts):
        """All, the newest few, or from a moment on, that moment included."""
        alerts = [alert(number, published_at=PUBLISHED) for number in range(5)]
        log_alerts(alerts)
        newest_first = alerts[::-1]
        assert list(reader.recent()) == newest_first
        assert list(reader.recent(limit=2)) == newest_first[:2]
        assert list(reader.recent(since=alerts[2].created_at)) == newest_first[:3]
        assert list(reader.recent(since=alerts[1].created_at, limit=2)) == newest_first[:2]
        assert list(reader.recent(since="2030-01-01T00:00:00.000Z")) == []

    def test_recent_of_some_kinds(self, reader: AlertReader, log_alerts: LogAlerts):
        """A limit counts what is shown, not what is left out."""
        kinds = ["anomaly", "trend_up", "trend_down", "anomaly", "trend_up"]
        alerts = [alert(number, kind=kind) for number, kind in enumerate(kinds)]
        log_alerts(alerts)
        assert list(reader.recent(kinds=["anomaly"])) == [alerts[3], alerts[0]]
        assert list(reader.recent(kinds=["anomaly"], limit=1)) == [alerts[3]]
        assert list(reader.recent(kinds=["trend_up", "trend_down"], limit=2)) == [alerts[4], alerts[2]]

    def test_a_test_alert_is_of_no_kind(self, reader: AlertReader, log_alerts: LogAlerts):
        """It is in the log, and never among the signals; a symbol called TEST is one like any other."""
        test, real = (
            sample_alert("2026-01-05T15:00:02.000Z"),
            alert(1, symbol="TEST", alert_id="TEST|x|trend_down"),
        )
        log_alerts([real, test])
        assert list(reader.recent()) == [test, real]
        assert list(reader.recent(kinds=["trend_up", "trend_down"], limit=1)) == [real]

    def test_a_tail_begins_after_what_is_there(self, reader: AlertReader, log_alerts: LogAlerts):
        """Without a beginning it shows what comes from now on, each alert once, oldest first."""
        log_alerts([alert(0), alert(1)])
        tail = reader.follow()
        assert list(tail.read()) == []
        log_alerts([alert(2), alert(3)])
        assert list(tail.read()) == [alert(2), alert(3)]
        assert list(tail.read()) == []
        log_alerts([alert(4)])
        assert list(tail.read()) == [alert(4)]

    def test_a_tail_with_a_beginning_shows_history_first(self, reader: AlertReader, log_alerts: LogAlerts):
        """From a moment on, that moment included, then what comes."""
        log_alerts([alert(0), alert(1), alert(2)])
        tail = reader.follow(alert(1).created_at)
        assert list(tail.read()) == [alert(1), alert(2)]
        log_alerts([alert(3)])
        assert list(tail.read()) == [alert(3)]
        assert list(tail.read()) == []

    def test_alerts_of_one_moment_are_all_seen(self, reader: AlertReader, log_alerts: LogAlerts):
        """Alerts that share the moment of logging, logged together or one after the other, come once each."""
        moment = alert(0).created_at
        tail = reader.follow()
        log_alerts([alert(0), alert(1, created_at=moment)])
        first = list(tail.read())
        log_alerts([alert(2, created_at=moment)])
        rest = list(tail.read())
        assert sorted(item.alert_id for item in first) == [alert(0).alert_id, alert(1).alert_id]
        assert [item.alert_id for item in rest] == [alert(2).alert_id]
        assert list(tail.read()) == []

    def test_tails_do_not_take_from_each_other(self, reader: AlertReader, log_alerts: LogAlerts):
        """Each of two tails sees everything."""
        one, other = reader.follow(), reader.follow()
        log_alerts([alert(0)])
        assert list(one.read()) == [alert(0)]
        log_alerts([alert(1)])
        assert list(other.read()) == [alert(0), alert(1)]
        assert list(one.read()) == [alert(1)]

    def test_hundreds_of_alerts(self, reader: AlertReader, log_alerts: LogAlerts):
        """A long history comes whole, in both views."""
        alerts = [alert(number) for number in range(300)]
        log_alerts(alerts)
        assert list(reader.recent()) == alerts[::-1]
        assert list(reader.follow(alerts[0].created_at).read()) == alerts
