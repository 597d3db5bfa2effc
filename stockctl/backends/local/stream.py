"""The stream of the embedded pipeline: runs both stages on a batch, in one transaction."""

import errno
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from stockctl.backends.local.alerts import SqliteAlertLog
from stockctl.backends.local.archive import FileArchive, FileQuarantine
from stockctl.backends.local.database import Database
from stockctl.backends.local.home import Home
from stockctl.backends.local.quotes import RecentQuoteCache
from stockctl.errors import HomeError
from stockctl.market.alert import Alert
from stockctl.market.rules import AnalysisRules
from stockctl.pipeline.ingest import IngestStage
from stockctl.pipeline.ports import DeliveryError, Record, Rejection, SendResult
from stockctl.pipeline.trend import Clock, TrendStage
from stockctl.sqlite import primary_code

BATCH_RECORDS = 500

_RETRYABLE_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EBUSY, errno.ENOMEM,
}  # fmt: skip
_RETRYABLE_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM}


class LocalDeliveryError(DeliveryError, HomeError):
    """Nothing of a batch was stored: the data folder is busy, full, torn down, damaged or not writable."""


class NullNotifier:
    """Does not notify anybody: the alert log that ``alerts tail`` follows is the notification."""

    def publish(self, alert: Alert) -> None:
        """Do nothing; the alert is already in the log."""


class LocalStream:
    """Archives and stores records, and raises their alerts, before it returns.

    If the process is killed, committed batches remain. Some raw files of the current batch may exist already;
    when the batch is sent again, they are not written twice.
    """

    batch_records = BATCH_RECORDS

    def __init__(
        self, home: Home, database: Database, rules: AnalysisRules, max_age: timedelta | None, clock: Clock
    ) -> None:
        self._home = home
        self._database = database
        self._quarantine = FileQuarantine(home)
        self._archive = FileArchive(home)
        self._cache = RecentQuoteCache(rules.long - 1)
        self._rules = rules
        self._max_age = max_age
        self._clock = clock

    def send(self, records: Sequence[Record]) -> SendResult:
        """Process one batch as a whole, or nothing of it.

        Raises:
            LocalDeliveryError: the data folder cannot be written; it is safe to send the same batch again.
        """
        with (
            _delivery_error(records),
            _translate_file_errors(self._home),
            self._cache.cleared_on_error(),
            self._database.transaction() as connection,
        ):
            table = self._cache.table(connection)
            ingest = IngestStage(self._archive, self._quarantine, table, self._rules)
            done = ingest.run(records)
            alerts = self._trend(SqliteAlertLog(connection)).run(done.stored)
        return SendResult(len(records), len(done.stored), done.duplicates, done.quarantined, alerts)

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        """Quarantine records that a source could not read.

        Raises:
            LocalDeliveryError: the data folder cannot be written.
        """
        with _delivery_error(()), _translate_file_errors(self._home), self._database.transaction():
            self._quarantine.put(rejections)

    def raise_alert(self, alert: Alert) -> None:
        """Log one alert that was not raised by a quote."""
        with self._database.transaction() as connection:
            self._trend(SqliteAlertLog(connection)).raise_alerts([alert])

    def _trend(self, log: SqliteAlertLog) -> TrendStage:
        return TrendStage(log, NullNotifier(), self._rules, self._max_age, self._clock)


@contextmanager
def _delivery_error(records: Sequence[Record]) -> Iterator[None]:
    try:
        yield
    except HomeError as error:
        cause = error.__cause__
        raise LocalDeliveryError(
            error.message, error.hint, records=records, retryable=_is_retryable(cause)
        ) from cause


def _is_retryable(cause: BaseException | None) -> bool:
    if isinstance(cause, sqlite3.Error):
        return primary_code(cause) in _RETRYABLE_CODES
    return isinstance(cause, OSError) and cause.errno in _RETRYABLE_ERRORS


@contextmanager
def _translate_file_errors(home: Home) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        path = error.filename or home.root
        raise HomeError(
            f"The data folder {home.root} cannot be written: {error.strerror or error} ({path}).",
            "Check free space and permissions, then run the command again; what was sent before is stored.",
        ) from error
