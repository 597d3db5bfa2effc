"""Explains to the user why a query failed in Athena."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from stockctl.backends.aws.error_messages import service_error, translate_errors
from stockctl.errors import AwsError, QueryError, StockctlError
from stockctl.sql.schema import COLUMNS

# Parts of Athena's message that say nothing to the user. A position refers to the generated statement.
_POSITION = re.compile(r"\bline \d+:\d+: ")
_CODE = re.compile(r"^[A-Z][A-Z_]+: ")
_QUERY_ID = re.compile(r"\[Execution ID: [^\]]*\]|\(?Query ?Id: [\w-]+\)?", re.IGNORECASE)


class QueryTarget(NamedTuple):
    """Where a query runs."""

    database: str
    table: str
    workgroup: str
    region: str


class _Row(NamedTuple):
    """The error for a reason that matches a pattern; message and hint are format strings."""

    pattern: str
    error: type[StockctlError]
    message: str
    hint: str


_PROVISION = "Run 'stockctl provision' to create it; if it is in another region, set aws.region."
_FAILURES: Sequence[_Row] = (
    _Row(
        r"bytes scanned limit", QueryError,
        "The query was stopped: it would have scanned more than the workgroup {workgroup} allows. Every "
        "query reads all raw quotes.",
        "Raise analytics.scan_limit_mb and run 'stockctl provision', or let old raw quotes expire with "
        "archive.retention_days.",
    ),
    _Row(
        r"workgroup .*(not found|does not exist)", AwsError,
        "The Athena workgroup {workgroup} does not exist in region {region}.", _PROVISION,
    ),
    _Row(
        r"workgroup .*disabled", AwsError,
        "The Athena workgroup {workgroup} is disabled.", "Enable it in the Athena console.",
    ),
    _Row(
        r"SCHEMA_NOT_FOUND|(schema|database) \S+ (does not exist|not found)", AwsError,
        "The database {database} does not exist in region {region}.", _PROVISION,
    ),
    _Row(
        r"TABLE_NOT_FOUND|table \S+ (does not exist|not found)", AwsError,
        "The table {database}.{table} does not exist in region {region}.", _PROVISION,
    ),
    _Row(
        r"COLUMN_NOT_FOUND|column \S+ cannot be resolved", QueryError,
        "The query failed. {reason}", "The columns are {columns}.",
    ),
    _Row(
        r"output (bucket|location)|NoSuchBucket|specified bucket does not exist", AwsError,
        "The results of the workgroup {workgroup} cannot be written: {reason}",
        "Run 'stockctl status' to see whether the data bucket exists, and 'stockctl provision' to create it.",
    ),
    _Row(
        r"access ?denied|PERMISSION_DENIED|not authorized to perform|insufficient permissions", AwsError,
        "AWS denies the query access to data: {reason}",
        "Allow these credentials to read the Glue database {database}, and to use raw-data/ and "
        "athena-results/ in the data bucket.",
    ),
    _Row(
        r"timeout|EXCEEDED_TIME_LIMIT", QueryError,
        "The query took longer than Athena allows.", "Select less data, or aggregate less at once.",
    ),
    _Row(
        r"EXCEEDED_|exhausted resources", QueryError,
        "The query needs more resources than Athena has: {reason}", "Select less data, or aggregate it.",
    ),
    _Row(
        r"^(query )?(was )?cancell?ed\b", QueryError,
        "The query was cancelled in Athena (workgroup {workgroup}).", "Run it again.",
    ),
    _Row(
        r"HIVE_BAD_DATA|HIVE_CURSOR_ERROR|not a valid JSON", QueryError,
        "A raw object cannot be read: {reason}",
        "An object under raw-data/ in the data bucket is not a quote; move it elsewhere.",
    ),
    _Row(
        r"SYNTAX_ERROR|mismatched input|extraneous input|no viable alternative", QueryError,
        "Athena cannot read the statement: {reason}", "Use Athena's SQL dialect (Trino).",
    ),
    _Row(
        r"INTERNAL_ERROR|THROTTL|SlowDown|TooManyRequests|please try again", AwsError,
        "Athena failed: {reason}", "Wait a moment, then run the command again.",
    ),
)  # fmt: skip


def request_error(error: BaseException, target: QueryTarget) -> StockctlError:
    """Return the error of a failed request to Athena; ``error`` is botocore's, or caused by one.

    Raises:
        BaseException: ``error`` itself, if AWS did not cause it.
    """
    cause = error if isinstance(error, (ClientError, BotoCoreError)) else error.__cause__
    if isinstance(cause, ClientError):
        details = service_error(cause)
        if details.code == "InvalidRequestException":
            return query_error(details.message, target)
    elif not isinstance(cause, BotoCoreError):
        raise error
    try:
        with translate_errors():
            raise cause
    except AwsError as translated:
        return translated


def query_error(reason: str, target: QueryTarget) -> StockctlError:
    """Return the error of a failed query; ``reason`` is Athena's message."""
    text = _clean(reason)
    fields = {**target._asdict(), "reason": text, "columns": ", ".join(name for name, _ in COLUMNS)}
    for row in _FAILURES:
        if re.search(row.pattern, reason, re.IGNORECASE):
            return row.error(row.message.format_map(fields), row.hint.format_map(fields))
    return QueryError(f"The query failed. {text}")


def _clean(reason: str) -> str:
    text = _QUERY_ID.sub("", _POSITION.sub("", " ".join(reason.split())))
    return _CODE.sub("", text).strip().rstrip(".") + "."
