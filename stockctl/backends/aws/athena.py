"""SQL over the raw archive with Athena: run a query, read its rows, compute the cost of its scan."""

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

from stockctl.backends.aws.athena_errors import QueryTarget, query_error, request_error
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

MAX_ROWS = 1_000_000
"""Maximum number of rows of one result; they are kept in memory."""
DOLLARS_PER_TB = Decimal(5)
"""List price in us-east-1 in November 2026, per terabyte of 10^12 bytes."""
_MB = 1_000_000
_MIN_MB = 10
_MAX_PARAMETER_CHARACTERS = 1024
_RUNNING = ("QUEUED", "RUNNING")

_log = logging.getLogger(__name__)
# PyAthena logs each failure with a traceback, which the exception contains anyway.
logging.getLogger("pyathena").addHandler(logging.NullHandler())


def sql_literal(value: object) -> str:
    """Return a value as the text of an Athena parameter: an SQL literal, with text in single quotes.

    Raises:
        QueryError: the type is not supported, the number is not finite, or the text is too long.
    """
    text = _literal(value)
    if len(text) > _MAX_PARAMETER_CHARACTERS:
        raise QueryError(
            f"A parameter has {len(text)} characters; Athena accepts {_MAX_PARAMETER_CHARACTERS}.",
            "Use a shorter value.",
        )
    return text


def _literal(value: object) -> str:
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
        # Without an exponent, Athena reads it as a decimal, which is calculated differently.
        return repr(value) if "e" in repr(value) else f"{value!r}e0"
    raise QueryError(f"{value!r} cannot be a parameter.", "Use a text or a finite number.")


class QueryProgress(NamedTuple):
    """The state of a query, and how many bytes it has scanned."""

    query_id: str
    state: str
    """``QUEUED``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``."""
    bytes: int
    """Bytes scanned so far."""

    @property
    def dollars(self) -> Decimal:
        """The cost: per started megabyte, at least 10 MB. A failed query is free."""
        if self.state == "FAILED" or (self.state != "SUCCEEDED" and not self.bytes):
            return Decimal(0)
        megabytes = max(_MIN_MB, -(-self.bytes // _MB))
        return megabytes * DOLLARS_PER_TB / 1_000_000

    @property
    def text(self) -> str:
        """The progress, as text for the user."""
        if not self.bytes:
            return f"query {self.state.lower()}"
        return f"query {self.state.lower()}, {format_bytes(self.bytes)} scanned"

    def __str__(self) -> str:
        cancelled = "cancelled: " if self.state == "CANCELLED" else ""
        return (
            f"{cancelled}{format_bytes(self.bytes)} scanned, ${self.dollars:f} "
            f"(${DOLLARS_PER_TB} a TB, {_MIN_MB} MB at least, plus the S3 requests)"
        )


class AthenaWarehouse:
    """Runs SQL over the table of raw quotes.

    Args:
        connection: the connection to the AWS account.
        database: the database of the Glue catalogue.
        table: the table in that database.
        workgroup: the workgroup that runs the queries; it sets where results go and how much may be scanned.
        on_progress: called with the progress of the query after each poll.
        poll_seconds: the time between two polls.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        database: str = DATABASE,
        table: str = TABLE,
        workgroup: str,
        on_progress: Callable[[QueryProgress], None] | None = None,
        poll_seconds: float = 0.5,
    ) -> None:
        self._connection = connection
        self._workgroup = workgroup
        self._target = QueryTarget(database, table, workgroup, connection.region or "")
        self._on_progress = on_progress
        self._poll_seconds = poll_seconds
        self.last_scan: QueryProgress | None = None
        """The progress of the last query, even if it failed or was interrupted.

        None if Athena did not start it.
        """

    def query(self, sql: str, parameters: Sequence[object] = ()) -> SqlResult:
        """Run one query over the table; each ``?`` stands for a parameter, in order.

        After an interrupt the query is cancelled in Athena, and the ``KeyboardInterrupt`` is raised.

        Raises:
            QueryError: the statement is not allowed or fails, scans more than the workgroup allows, or
                returns more than ``MAX_ROWS`` rows.
            AwsError: the table, database or workgroup does not exist, or a request fails.
        """
        self.last_scan = None
        tree = check_query(sql, database=self._target.database, table=self._target.table)
        if (expected := parameter_count(tree)) != len(parameters):
            raise QueryError(
                f"The statement has {expected} parameters (?), but {len(parameters)} values were given.",
                "Give one value for each ?.",
            )
        statement = to_athena(tree)
        values = [sql_literal(parameters[index]) for index in statement.order]
        with (
            self._translate(),
            self._cursor() as cursor,
            self._cancel_if_running(cursor.connection.client),
        ):
            cursor.execute(statement.text, values or None, paramstyle="qmark")
            return _read_result(cursor)

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        with translate_errors():
            athena = pyathena.connect(
                session=self._connection.session,
                endpoint_url=self._connection.endpoint_url,
                config=self._connection.client("athena").meta.config,
                region_name=self._connection.region,
                schema_name=self._target.database,
                work_group=self._workgroup,
                s3_staging_dir="",
                poll_interval=self._poll_seconds,
                # Few attempts: botocore already retries each request.
                retry_config=RetryConfig(attempt=2, max_delay=2),
                on_start_query_execution=self._on_start,
                on_poll=self._on_poll,
            )
        annotate(athena.client)
        with athena, athena.cursor() as cursor:
            yield cursor

    def _on_start(self, query_id: str) -> None:
        # So that a query that is interrupted before the first poll is cancelled, too.
        self.last_scan = QueryProgress(query_id, "QUEUED", 0)

    def _on_poll(self, execution: AthenaQueryExecution) -> None:
        self.last_scan = QueryProgress(
            str(execution.query_id), str(execution.state), execution.data_scanned_in_bytes or 0
        )
        if self._on_progress is not None:
            self._on_progress(self.last_scan)

    @contextmanager
    def _cancel_if_running(self, client: Client) -> Iterator[None]:
        """Cancel the query in Athena if it is still running when the block ends.

        That happens after an interrupt or a failed poll.
        """
        try:
            yield
        finally:
            progress = self.last_scan
            if progress is not None and progress.state in _RUNNING:
                self._cancel(client, progress)

    def _cancel(self, client: Client, progress: QueryProgress) -> None:
        try:
            client.stop_query_execution(QueryExecutionId=progress.query_id)
        except (ClientError, BotoCoreError) as error:
            _log.warning(
                "The query %s may still be running in Athena, because it could not be cancelled (%s)",
                progress.query_id,
                error,
            )
        else:
            self.last_scan = progress._replace(state="CANCELLED")

    @contextmanager
    def _translate(self) -> Iterator[None]:
        try:
            yield
        except Error as error:
            if error.__cause__ is not None:
                raise request_error(error, self._target) from error
            raise query_error(self._reason(error), self._target) from error

    def _reason(self, error: Error) -> str:
        reason = str(error)
        if reason not in ("", "None"):
            return reason
        return "cancelled" if self.last_scan and self.last_scan.state == "CANCELLED" else "no reason given"


def _read_result(cursor: Cursor) -> SqlResult:
    rows: list[list[object]] = []
    for row in cursor:
        rows.append([json_value(value) for value in row])
        if len(rows) > MAX_ROWS:
            raise QueryError(f"The query returns more than {MAX_ROWS} rows.", "Add a LIMIT, or aggregate.")
    return SqlResult([column[0] for column in cursor.description or ()], rows)
