"""The alert log in SQLite."""

import sqlite3
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from stockctl.backends.local.database import Database
from stockctl.market.alert import Alert
from stockctl.market.numbers import format_decimal
from stockctl.pipeline.ports import Claim

_COLUMNS = ", ".join(Alert._fields)
_INSERT = (
    f"INSERT INTO alerts ({_COLUMNS}) VALUES ({', '.join('?' * len(Alert._fields))}) "
    "ON CONFLICT (alert_id) DO NOTHING"
)
_UNMARKED = (
    f"SELECT {_COLUMNS} FROM alerts WHERE alert_id = ? AND published_at IS NULL AND not_published IS NULL"
)
_IS_TEST = "kind != 'anomaly' AND signal IS NULL"
"""As ``Alert.is_test``."""


class SqliteAlertLog:
    """The table ``alerts`` within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def claim(self, alerts: Sequence[Alert]) -> Claim:
        """Log the alerts that are not there yet."""
        logged = [alert for alert in alerts if self._insert(alert)]
        unmarked = (
            self._connection.execute(_UNMARKED, (alert_id,)).fetchone()
            for alert_id in dict.fromkeys(alert.alert_id for alert in alerts)
        )
        return Claim(logged, [_alert(row) for row in unmarked if row is not None])

    def mark(self, alert_ids: Sequence[str], published_at: str) -> None:
        """Note that the alerts were published."""
        self._connection.executemany(
            "UPDATE alerts SET published_at = ? WHERE alert_id = ?",
            [(published_at, alert_id) for alert_id in alert_ids],
        )

    def _insert(self, alert: Alert) -> bool:
        row = [format_decimal(value) if type(value) is Decimal else value for value in alert]
        return self._connection.execute(_INSERT, row).rowcount == 1


class SqliteAlertReader:
    """The table ``alerts`` as the commands show it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recent(
        self, *, kinds: Collection[str] = (), since: str | None = None, limit: int = 0
    ) -> Sequence[Alert]:
        """Return the alerts created from ``since`` on, the newest ``limit`` (0 = all), newest first."""
        marks = ", ".join("?" * len(kinds))
        narrowed = f"AND kind IN ({marks}) AND NOT ({_IS_TEST})" if kinds else ""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM alerts WHERE created_at >= ? {narrowed} "
                "ORDER BY number DESC LIMIT ?",
                (since or "", *kinds, limit or -1),
            ).fetchall()
        return [_alert(row) for row in rows]

    def follow(self, since: str | None = None) -> "SqliteAlertTail":
        """Return a tail that begins at ``since``, or after the newest alert."""
        with self._database.reading() as connection:
            (newest,) = connection.execute("SELECT coalesce(max(number), 0) FROM alerts").fetchone()
        return (
            SqliteAlertTail(self._database, newest)
            if since is None
            else SqliteAlertTail(self._database, 0, since)
        )

    def count(self) -> int:
        """Return how many alerts are logged."""
        with self._database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM alerts").fetchone()
        return int(count)


class SqliteAlertTail:
    """A place in the alert log: numbers only grow and are seen in order, as writers take turns."""

    def __init__(self, database: Database, after: int, since: str = "") -> None:
        self._database = database
        self._after = after
        self._since = since

    def read(self) -> Sequence[Alert]:
        """Return what came since the last read, oldest first, each alert once."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT number, {_COLUMNS} FROM alerts WHERE number > ? AND created_at >= ? ORDER BY number",
                (self._after, self._since),
            ).fetchall()
        if rows:
            self._after = rows[-1][0]
        return [_alert(row[1:]) for row in rows]


def _alert(row: Sequence[Any]) -> Alert:
    alert = Alert(*row)
    return alert._replace(
        price=Decimal(row[5]),
        change_percent=None if row[6] is None else Decimal(row[6]),
        sma_short=None if row[7] is None else Decimal(row[7]),
        sma_long=None if row[8] is None else Decimal(row[8]),
    )
