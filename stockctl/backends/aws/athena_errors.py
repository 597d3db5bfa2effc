"""Why Athena did not answer, as an error with a way out."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from stockctl.backends.aws.errors import service_error, translate_errors
from stockctl.errors import AwsError, QueryError, StockctlError
from stockctl.sql.schema import COLUMNS

# They count in the statement that was generated, which nobody has seen.
_PLACE = re.compile(r"\bline \d+:\d+: ")
_CODE = re.compile(r"^[A-Z][A-Z_]+: ")
_QUERY_ID = re.compile(r"\[Execution ID: [^\]]*\]|\(?Query ?Id: [\w-]+\)?", re.IGNORECASE)


class QueryTarget(NamedTuple):
    """What a query was asked of."""

    database: str
    table: str
    workgroup: str
    region: str


def failed_call(error: BaseException, where: QueryTarget) -> StockctlError:
    """Return why a call of Athena failed; ``error`` is botocore's, or one that came of it.

    Raises:
        BaseException: ``error`` itself, when it is not of AWS.
    """
    cause = error if isinstance(error, (ClientError, BotoCoreError)) else error.__cause__
    if isinstance(cause, ClientError):
        known = service_error(cause)
        if known.code == "InvalidRequestException":
            return failed_query(known.message, where)
    elif not isinstance(cause, BotoCoreError):
        raise error
    try:
        with translate_errors():
            raise cause
    except AwsError as sentence:
        return sentence


def failed_query(reason: str, where: QueryTarget) -> StockctlError:
    """Return why a query failed; ``reason`` is what Athena says."""
    for pattern, sentence in _SENTENCES:
        if re.search(pattern, reason, re.IGNORECASE):
            return sentence(_shown(reason), where)
    return QueryError(f"The query failed. {_shown(reason)}")


def _shown(reason: str) -> str:
    text = _QUERY_ID.sub("", _PLACE.sub("", " ".join(reason.split())))
    return _CODE.sub("", text).strip().rstrip(".") + "."


def _absent(what: str, where: QueryTarget) -> AwsError:
    return AwsError(
        f"{what} does not exist in region {where.region}.",
        "'stockctl provision' makes what is missing; check aws.region when it was made elsewhere.",
    )


def _no_workgroup(_: str, where: QueryTarget) -> AwsError:
    return _absent(f"The Athena workgroup {where.workgroup}", where)


def _no_database(_: str, where: QueryTarget) -> AwsError:
    return _absent(f"The database {where.database}", where)


def _no_table(_: str, where: QueryTarget) -> AwsError:
    return _absent(f"The table {where.database}.{where.table}", where)


def _no_results(reason: str, where: QueryTarget) -> AwsError:
    return AwsError(
        f"The results of the workgroup {where.workgroup} cannot be written: {reason}",
        "'stockctl status' tells whether the data bucket is there, 'stockctl provision' makes it.",
    )


def _denied(reason: str, where: QueryTarget) -> AwsError:
    return AwsError(
        f"The query may not read or write what it needs: {reason}",
        f"Have Glue's {where.database}, and the data bucket's raw-data/ and athena-results/, allowed for "
        "these credentials.",
    )


def _disabled(_: str, where: QueryTarget) -> AwsError:
    return AwsError(
        f"The Athena workgroup {where.workgroup} is disabled.", "Enable it in the Athena console."
    )


def _limit(_: str, where: QueryTarget) -> QueryError:
    return QueryError(
        "The query was ended: it would have scanned more than the workgroup "
        f"{where.workgroup} allows. Every query reads all raw quotes.",
        "Raise analytics.scan_limit_mb and run 'stockctl provision', or let old raw quotes expire with "
        "archive.retention_days.",
    )


def _time(_: str, __: QueryTarget) -> QueryError:
    return QueryError("The query took longer than Athena allows.", "Narrow it, or aggregate less at once.")


def _memory(reason: str, _: QueryTarget) -> QueryError:
    return QueryError(f"The query needs more than Athena has: {reason}", "Narrow it, or aggregate.")


def _cancelled(_: str, where: QueryTarget) -> QueryError:
    return QueryError(f"The query was cancelled in Athena (workgroup {where.workgroup}).", "Run it again.")


def _column(reason: str, _: QueryTarget) -> QueryError:
    names = ", ".join(name for name, _ in COLUMNS)
    return QueryError(f"The query failed. {reason}", f"The columns are {names}.")


def _bad_object(reason: str, _: QueryTarget) -> QueryError:
    return QueryError(
        f"A raw object cannot be read: {reason}",
        "Something under raw-data/ in the data bucket is not a quote; move it elsewhere.",
    )


def _syntax(reason: str, _: QueryTarget) -> QueryError:
    return QueryError(f"Athena cannot read the statement: {reason}", "The dialect is Athena's (Trino).")


def _transient(reason: str, _: QueryTarget) -> AwsError:
    return AwsError(f"Athena failed: {reason}", "Wait a moment and run the command again.")


_SENTENCES: Sequence[tuple[str, Callable[[str, QueryTarget], StockctlError]]] = (
    (r"bytes scanned limit", _limit),
    (r"workgroup .*(not found|does not exist)", _no_workgroup),
    (r"workgroup .*disabled", _disabled),
    (r"SCHEMA_NOT_FOUND|(schema|database) \S+ (does not exist|not found)", _no_database),
    (r"TABLE_NOT_FOUND|table \S+ (does not exist|not found)", _no_table),
    (r"COLUMN_NOT_FOUND|column \S+ cannot be resolved", _column),
    (r"output (bucket|location)|NoSuchBucket|specified bucket does not exist", _no_results),
    (r"access ?denied|PERMISSION_DENIED|not authorized to perform|insufficient permissions", _denied),
    (r"timeout|EXCEEDED_TIME_LIMIT", _time),
    (r"EXCEEDED_|exhausted resources", _memory),
    (r"^(query )?(was )?cancell?ed\b", _cancelled),
    (r"HIVE_BAD_DATA|HIVE_CURSOR_ERROR|not a valid JSON", _bad_object),
    (r"SYNTAX_ERROR|mismatched input|extraneous input|no viable alternative", _syntax),
    (r"INTERNAL_ERROR|THROTTL|SlowDown|TooManyRequests|please try again", _transient),
)  # fmt: skip
