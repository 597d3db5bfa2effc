"""SQL over the raw archive with Athena, and what a scan costs."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

import pyathena
from botocore.exceptions import BotoCoreError, ClientError
from pyathena.cursor import Cursor
from pyathena.error import Error
from pyathena.model import AthenaQueryExecution
from pyathena.util import RetryConfig

from stockctl.backends.aws.athena_errors import QueryTarget, failed_call, failed_query
from stockctl.backends.aws.client import Client
from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.error_messages import annotate, translate_errors
from stockctl.errors import QueryError
from stockctl.formatting import format_bytes
from stockctl.pipeline.ports import SqlResult
from stockctl.sql.athena import to_athena
from stockctl.sql.check import check_query, parameter_count
from stockctl.sql.schema import DATABASE, TABLE
from stockctl.sql.values import json_value

_LONGEST = 1024


def sql_literal(value: object) -> str:
    """Return a value as Athena takes it for a parameter: a text in single quotes, all else as in SQL.

    Raises:
        QueryError: it is of no type that a parameter can have, no finite number, or too long.
    """
    text = _of(value)
    if len(text) > _LONGEST:
        raise QueryError(
            f"A parameter has {len(text)} characters as Athena takes it, more than {_LONGEST}.",
            "Make it shorter.",
        )
    return text


def _of(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, float) and math.isfinite(value):
        # Without an exponent Athena takes it for a decimal, whose arithmetic is another one.
        return repr(value) if "e" in repr(value) else f"{value!r}e0"
    raise QueryError(f"{value!r} cannot be a parameter.", "A text or a finite number can.")


DOLLARS_PER_TB = Decimal(5)
"""List price of us-east-1 in November 2026; a terabyte is 10^12 bytes."""
_MB = 1_000_000
_LEAST_MB = 10


class Scan(NamedTuple):
    """How far a query is, and what it has read."""

    query_id: str
    state: str
    """``QUEUED``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``."""
    bytes: int
    """Bytes scanned so far."""

    @property
    def dollars(self) -> Decimal:
        """What Athena charges: by the megabyte, at least ten; nothing for a query that failed."""
        if self.state == "FAILED" or (self.state != "SUCCEEDED" and not self.bytes):
            return Decimal(0)
        megabytes = max(_LEAST_MB, -(-self.bytes // _MB))
        return megabytes * DOLLARS_PER_TB / 1_000_000

    @property
    def progress(self) -> str:
        """How far it is, in a few words."""
        if not self.bytes:
            return f"query {self.state.lower()}"
        return f"query {self.state.lower()}, {format_bytes(self.bytes)} scanned"

    def __str__(self) -> str:
        cancelled = "cancelled: " if self.state == "CANCELLED" else ""
        return (
            f"{cancelled}{format_bytes(self.bytes)} scanned, ${self.dollars:f} "
            f"(${DOLLARS_PER_TB} a TB, {_LEAST_MB} MB at least, plus the S3 requests)"
        )


MAX_ROWS = 1_000_000
"""The most rows that one statement may give; they are held in memory."""
_RUNNING = ("QUEUED", "RUNNING")

_log = logging.getLogger(__name__)
# PyAthena logs every failure with its traceback, which the exception carries too.
logging.getLogger("pyathena").addHandler(logging.NullHandler())


class AthenaWarehouse:
    """Answers SQL over the one table of one workgroup.

    Args:
        connection: to the account.
        database: of the Glue catalogue.
        table: in it.
        workgroup: that runs the queries, and knows where results go and how much may be scanned.
        on_progress: is called with how far the query is, each time that it is looked at.
        poll_seconds: time between two looks.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        database: str = DATABASE,
        table: str = TABLE,
        workgroup: str,
        on_progress: Callable[[Scan], None] | None = None,
        poll_seconds: float = 0.5,
    ) -> None:
        self._connection = connection
        self._workgroup = workgroup
        self._where = QueryTarget(database, table, workgroup, connection.region or "")
        self._on_progress = on_progress
        self._poll_seconds = poll_seconds
        self.last_scan: Scan | None = None
        """What the last query has read, one that failed or was interrupted too; None before the first."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> SqlResult:
        """Run one query over the table; each ``?`` takes a parameter, in order.

        A query that is interrupted is cancelled in Athena, and the ``KeyboardInterrupt`` goes on.

        Raises:
            QueryError: the statement is refused or fails, scans more than the workgroup allows, or has
                more than ``MAX_ROWS`` rows to give.
            AwsError: table, database or workgroup is not there, AWS refuses or cannot be reached.
        """
        self.last_scan = None
        tree = check_query(sql, database=self._where.database, table=self._where.table)
        if (wanted := parameter_count(tree)) != len(parameters):
            raise QueryError(
                f"The statement has {wanted} parameters (?), but {len(parameters)} values were given.",
                "Give one value for each ?.",
            )
        statement = to_athena(tree)
        values = [sql_literal(parameters[place]) for place in statement.order]
        with self._faults(), self._cursor() as cursor, self._stopped(cursor.connection.client):
            cursor.execute(statement.text, values or None, paramstyle="qmark")
            return _result(cursor)

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        with translate_errors():
            athena = pyathena.connect(
                session=self._connection.session,
                endpoint_url=self._connection.endpoint_url,
                config=self._connection.client("athena").meta.config,
                region_name=self._connection.region,
                schema_name=self._where.database,
                work_group=self._workgroup,
                s3_staging_dir="",
                poll_interval=self._poll_seconds,
                # botocore tries several times itself.
                retry_config=RetryConfig(attempt=2, max_delay=2),
                on_start_query_execution=self._started,
                on_poll=self._polled,
            )
        annotate(athena.client)
        with athena, athena.cursor() as cursor:
            yield cursor

    def _started(self, query_id: str) -> None:
        # Before its first look a query can be interrupted too.
        self.last_scan = Scan(query_id, "QUEUED", 0)

    def _polled(self, execution: AthenaQueryExecution) -> None:
        self.last_scan = Scan(
            str(execution.query_id), str(execution.state), execution.data_scanned_in_bytes or 0
        )
        if self._on_progress is not None:
            self._on_progress(self.last_scan)

    @contextmanager
    def _stopped(self, client: Client) -> Iterator[None]:
        """Cancel the query when it still runs at the end: a signal came, or it could not be looked at."""
        try:
            yield
        finally:
            scan = self.last_scan
            if scan is not None and scan.state in _RUNNING:
                self._stop(client, scan)

    def _stop(self, client: Client, scan: Scan) -> None:
        try:
            client.stop_query_execution(QueryExecutionId=scan.query_id)
        except (ClientError, BotoCoreError) as error:
            _log.warning(
                "The query %s may go on in Athena: it could not be cancelled (%s)", scan.query_id, error
            )
        else:
            self.last_scan = scan._replace(state="CANCELLED")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except Error as error:
            if error.__cause__ is not None:
                raise failed_call(error, self._where) from error
            raise failed_query(self._reason(error), self._where) from error

    def _reason(self, error: Error) -> str:
        reason = str(error)
        if reason not in ("", "None"):
            return reason
        return "cancelled" if self.last_scan and self.last_scan.state == "CANCELLED" else "no reason given"


def _result(cursor: Cursor) -> SqlResult:
    rows: list[list[object]] = []
    for row in cursor:
        rows.append([json_value(value) for value in row])
        if len(rows) > MAX_ROWS:
            raise QueryError(
                f"The statement has more than {MAX_ROWS} rows to give.", "Add a LIMIT, or aggregate."
            )
    return SqlResult([column[0] for column in cursor.description or ()], rows)
