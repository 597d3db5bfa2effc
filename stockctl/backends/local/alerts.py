"""The alert log in SQLite."""

import sqlite3
from collections.abc import Collection, Sequence

from stockctl.backends.local.database import Database
from stockctl.backends.local.rows import RowFormat
from stockctl.market.alert import Alert
from stockctl.pipeline.ports import Claim

_ALERT = RowFormat(Alert)
_INSERT = (
    f"INSERT INTO alerts ({_ALERT.columns}) VALUES ({_ALERT.placeholders}) ON CONFLICT (alert_id) DO NOTHING"
)
_UNMARKED = (
    f"SELECT {_ALERT.columns} FROM alerts "
    "WHERE alert_id = ? AND published_at IS NULL AND not_published IS NULL"
)
_IS_TEST = "kind != 'anomaly' AND signal IS NULL"
"""The same condition as ``Alert.is_test``."""


class SqliteAlertLog:
    """The table ``alerts`` in one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def claim(self, alerts: Sequence[Alert]) -> Claim:
        """Log the alerts that are new."""
        logged = [alert for alert in alerts if self._insert(alert)]
        unmarked = (
            self._connection.execute(_UNMARKED, (alert_id,)).fetchone()
            for alert_id in dict.fromkeys(alert.alert_id for alert in alerts)
        )
        return Claim(logged, [_ALERT.read(row) for row in unmarked if row is not None])

    def mark(self, alert_ids: Sequence[str], published_at: str) -> None:
        """Record that the alerts were published."""
        self._connection.executemany(
            "UPDATE alerts SET published_at = ? WHERE alert_id = ?",
            [(published_at, alert_id) for alert_id in alert_ids],
        )

    def _insert(self, alert: Alert) -> bool:
        return self._connection.execute(_INSERT, _ALERT.values(alert)).rowcount == 1


class SqliteAlertReader:
    """The table ``alerts`` for the commands that show it."""

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
                f"SELECT {_ALERT.columns} FROM alerts WHERE created_at >= ? {narrowed} "
                "ORDER BY number DESC LIMIT ?",
                (since or "", *kinds, limit or -1),
            ).fetchall()
        return [_ALERT.read(row) for row in rows]

    def follow(self, since: str | None = None) -> "SqliteAlertTail":
        """Return a tail that starts at ``since``, or after the newest alert."""
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
    """A position in the alert log. Numbers only grow and appear in order, because writers take turns."""

    def __init__(self, database: Database, after: int, since: str = "") -> None:
        self._database = database
        self._after = after
        self._since = since

    def read(self) -> Sequence[Alert]:
        """Return the alerts since the last read, oldest first, each one once."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT number, {_ALERT.columns} FROM alerts "
                "WHERE number > ? AND created_at >= ? ORDER BY number",
                (self._after, self._since),
            ).fetchall()
        if rows:
            self._after = rows[-1][0]
        return [_ALERT.read(row[1:]) for row in rows]
