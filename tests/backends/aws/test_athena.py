"""SQL with Athena: requests, results, cost, and the error messages of failed queries."""

import logging
from collections.abc import Callable
from decimal import Decimal

import pytest

from stockctl.backends.aws.athena import AthenaWarehouse, QueryProgress, sql_literal
from stockctl.backends.aws.connection import Connection
from stockctl.errors import AwsError, QueryError, StockctlError
from stockctl.pipeline.ports import SqlResult
from stockctl.sql.athena import to_athena
from stockctl.sql.catalog import predefined_query
from stockctl.sql.check import check_query
from support.aws.athena_server import QUERY_ID, StandIn, athena, connect, fault
from support.aws.loopback_server import nobody
from support.aws.moto_account import CREDENTIALS

SELECT = "SELECT symbol FROM stock_data_table"
_INVALID = "InvalidRequestException"
_WORKGROUP = "arn:aws:athena:eu-west-1:123456789012:workgroup/my-workgroup"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def warehouse(
    connection: Connection, on_progress: Callable[[QueryProgress], None] | None = None
) -> AthenaWarehouse:
    """Return a warehouse that looks at its query all the time."""
    return AthenaWarehouse(
        connection, database="my_db", workgroup="my-workgroup", on_progress=on_progress, poll_seconds=0
    )


def ask(stand_in: StandIn, sql: str = SELECT, parameters: tuple[object, ...] = ()) -> SqlResult:
    """Ask a stand-in."""
    with athena(stand_in) as connection:
        return warehouse(connection).query(sql, parameters)


def failure(stand_in: StandIn) -> StockctlError:
    """Return the error of a failed query."""
    with pytest.raises(StockctlError) as raised:
        ask(stand_in)
    assert "\n" not in raised.value.message
    return raised.value


def test_a_query_runs_in_its_database_and_workgroup() -> None:
    """Athena gets text made of the checked statement: one line, no comment, the table by its full name."""
    stand_in = StandIn()

    ask(stand_in, "SELECT symbol -- all\nFROM stock_data_table;")

    [request] = stand_in.asked("StartQueryExecution")
    assert request["QueryString"] == 'SELECT symbol FROM "my_db"."stock_data_table"'
    assert request["QueryExecutionContext"] == {"Database": "my_db", "Catalog": "awsdatacatalog"}
    assert request["WorkGroup"] == "my-workgroup"
    assert "ResultConfiguration" not in request
    assert "ExecutionParameters" not in request


def test_values_stay_beside_the_statement() -> None:
    """Each value goes as a parameter in its place, a text in quotes; none of it is in the statement."""
    stand_in = StandIn()

    ask(stand_in, f"{SELECT} WHERE symbol = ? AND price > ? AND volume = ?", ("A' OR '1'='1", 5, None))

    [request] = stand_in.asked("StartQueryExecution")
    assert request["QueryString"].endswith("WHERE symbol = ? AND price > ? AND volume = ?")
    assert request["ExecutionParameters"] == ["'A'' OR ''1''=''1'", "5", "NULL"]


def test_the_predefined_query_takes_its_parameters() -> None:
    """top-movers holds three places in a WHERE, and the values go there in order."""
    stand_in = StandIn()

    ask(stand_in, predefined_query("top-movers").sql, ("percent", "both", 20))

    [request] = stand_in.asked("StartQueryExecution")
    assert request["QueryString"].count("?") == 3
    assert request["ExecutionParameters"] == ["'percent'", "'both'", "20"]


def test_a_question_mark_in_a_text_is_none_of_the_places() -> None:
    """Only placeholders are counted, whatever a text holds."""
    statement = to_athena(
        check_query(f"{SELECT} WHERE symbol <> '?:parameter_1' AND symbol = ? AND source = ?")
    )

    assert statement.text.endswith("""symbol <> '?:parameter_1' AND symbol = ? AND source = ?""")
    assert statement.order == [0, 1]


@pytest.mark.parametrize("sql", ["DROP TABLE stock_data_table", "SELECT 1; SELECT 2", "SELECT * FROM other"])
def test_what_is_no_query_is_not_sent(sql: str) -> None:
    """Statements are checked before Athena gets them, too."""
    stand_in = StandIn()

    with pytest.raises(QueryError):
        ask(stand_in, sql)

    assert stand_in.calls == []


@pytest.mark.parametrize("parameters", [(), (1, 2)])
def test_the_number_of_values_has_to_be_right(parameters: tuple[object, ...]) -> None:
    """Too few or too many values are rejected before a request to Athena."""
    stand_in = StandIn()

    with pytest.raises(QueryError, match="1 parameters"):
        ask(stand_in, f"{SELECT} WHERE price > ?", parameters)

    assert stand_in.calls == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("AAPL", "'AAPL'"),
        ("", "''"),
        (True, "true"),
        (7, "7"),
        (0.1, "0.1e0"),
        (1e-7, "1e-07"),
        (Decimal("1E+2"), "100"),
        (Decimal("-0.50"), "-0.50"),
    ],
)
def test_values_are_written_as_athena_reads_them(value: object, text: str) -> None:
    """Texts in quotes, whole numbers and decimals plain, floats with an exponent."""
    assert sql_literal(value) == text


@pytest.mark.parametrize("value", [float("nan"), Decimal("Infinity"), object(), "x" * 1023])
def test_values_that_cannot_be_parameters_are_refused(value: object) -> None:
    """What has no literal, or one that is longer than Athena takes, is refused with words."""
    with pytest.raises(QueryError, match="parameter"):
        sql_literal(value)


def test_results_are_values_as_json_knows_them() -> None:
    """Each of Athena's types comes as text, number, truth or None."""
    columns = {
        "varchar": ("a", "a"),
        "bigint": ("12", 12),
        "double": ("1.5", 1.5),
        "boolean": ("true", True),
        "decimal": ("2.50", 2.5),
        "date": ("2008-10-06", "2008-10-06"),
        "timestamp": ("2008-10-06 20:00:00.000", "2008-10-06T20:00:00.000"),
        "timestamp with time zone": ("2008-10-06 20:00:00.000 UTC", "2008-10-06T20:00:00.000Z"),
        "varbinary": ("01 ff", "01ff"),
        "array": ("[1, 2]", "[1, 2]"),
    }
    stand_in = StandIn(
        columns=[(kind, kind) for kind in columns],
        rows=[[text for text, _ in columns.values()], [None] * len(columns)],
    )

    result = ask(stand_in)

    assert result.columns == list(columns)
    assert result.rows == [[value for _, value in columns.values()], [None] * len(columns)]
    assert [type(value) for value in result.rows[0]] == [type(value) for _, value in columns.values()]


def test_a_query_without_rows_has_columns() -> None:
    """The names are there even when nothing else is."""
    assert ask(StandIn(columns=[("price", "double")])) == SqlResult(["price"], [])


def test_progress_and_scan_are_told() -> None:
    """Each poll is reported, and the last scan stays available."""
    seen: list[QueryProgress] = []
    with athena(StandIn(states=["QUEUED", "RUNNING", "SUCCEEDED"], scanned=25_000_001)) as connection:
        asked = warehouse(connection, seen.append)
        asked.query(SELECT)

    assert [scan.state for scan in seen] == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert seen[0]._replace(bytes=0).text == "query queued"
    assert seen[1].text == "query running, 25.0 MB scanned"
    assert asked.last_scan == QueryProgress(QUERY_ID, "SUCCEEDED", 25_000_001)
    assert asked.last_scan.dollars == Decimal("0.00013")  # 26 MB at $5 a million MB
    assert str(asked.last_scan).startswith("25.0 MB scanned, $0.00013 ($5 a TB, 10 MB at least")


@pytest.mark.parametrize(
    ("state", "scanned", "dollars"),
    [
        ("SUCCEEDED", 0, "0.00005"),
        ("SUCCEEDED", 10_000_000, "0.00005"),
        ("SUCCEEDED", 10_000_001, "0.000055"),
        ("SUCCEEDED", 10**12, "5"),
        ("CANCELLED", 0, "0"),
        ("CANCELLED", 1, "0.00005"),
        ("FAILED", 10**9, "0"),
    ],
)
def test_the_price_is_by_the_megabyte_and_at_least_ten(state: str, scanned: int, dollars: str) -> None:
    """Failed queries cost nothing, cancelled ones what they have scanned."""
    assert QueryProgress(QUERY_ID, state, scanned).dollars == Decimal(dollars)


@pytest.mark.parametrize(
    ("scanned", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000_000_000, "2.5 TB")],
)
def test_sizes_are_told_in_fitting_units(scanned: int, text: str) -> None:
    """From bytes to terabytes."""
    assert str(QueryProgress(QUERY_ID, "SUCCEEDED", scanned)).startswith(f"{text} scanned")


class Ended(BaseException):
    """A signal that ends the program."""


@pytest.mark.parametrize("signal", [KeyboardInterrupt, Ended])
def test_an_interrupted_query_is_cancelled(signal: type[BaseException]) -> None:
    """Ctrl-C, and any other end of the program, stops the query in Athena and goes on."""
    stand_in = StandIn(states=["RUNNING"])

    def interrupt(scan: QueryProgress) -> None:
        if scan.state == "RUNNING":
            raise signal

    with athena(stand_in) as connection, pytest.raises(signal):
        warehouse(connection, interrupt).query(SELECT)

    assert stand_in.asked("StopQueryExecution") == [{"QueryExecutionId": QUERY_ID}]


def test_a_query_that_cannot_be_cancelled_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Who interrupts learns that the query may go on, and what it is called."""
    stand_in = StandIn(
        states=["RUNNING"], faults={"StopQueryExecution": fault("AccessDeniedException", "no")}
    )

    def interrupt(scan: QueryProgress) -> None:
        raise KeyboardInterrupt

    with athena(stand_in) as connection, pytest.raises(KeyboardInterrupt):
        warehouse(connection, interrupt).query(SELECT)

    messages = [record.message for record in caplog.records if record.name.startswith("stockctl")]
    assert len(messages) == 1
    assert QUERY_ID in messages[0]
    assert "could not be cancelled" in messages[0]


def test_a_query_that_cannot_be_looked_at_is_cancelled() -> None:
    """No query is left to run when its state cannot be read after the first look."""
    stand_in = StandIn(states=["RUNNING"])

    def deny(scan: QueryProgress) -> None:
        stand_in._faults["GetQueryExecution"] = fault("AccessDeniedException", "not allowed")

    with athena(stand_in) as connection, pytest.raises(AwsError, match="athena:GetQueryExecution"):
        warehouse(connection, deny).query(SELECT)

    assert stand_in.asked("StopQueryExecution") == [{"QueryExecutionId": QUERY_ID}]


@pytest.mark.parametrize(
    ("reason", "kind", "message", "hint"),
    [
        (
            "TABLE_NOT_FOUND: line 1:20: Table 'awsdatacatalog.my_db.stock_data_table' does not exist",
            AwsError, "The table my_db.stock_data_table does not exist in region eu-west-1.", "provision",
        ),
        (
            "SYNTAX_ERROR: line 1:20: Table awsdatacatalog.my_db.stock_data_table does not exist",
            AwsError, "The table my_db.stock_data_table does not exist", "provision",
        ),
        (
            "SCHEMA_NOT_FOUND: line 1:20: Schema 'my_db' does not exist",
            AwsError, "The database my_db does not exist in region eu-west-1.", "provision",
        ),
        (
            "COLUMN_NOT_FOUND: line 1:8: Column 'prize' cannot be resolved or requester is not authorized to "
            "access requested resources",
            QueryError, "Column 'prize' cannot be resolved", "symbol, timestamp, price",
        ),
        ("SYNTAX_ERROR: line 1:8: Unexpected parameters", QueryError, "Unexpected parameters.", "Trino"),
        (
            "HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: A JSONObject text must end",
            QueryError, "A raw object cannot be read", "raw-data/",
        ),
        (
            "Access denied when writing output to url: s3://b/athena-results/1.csv . Please ensure",
            AwsError, "AWS denies the query access", "athena-results/",
        ),
        ("INTERNAL_ERROR: (executor lost)", AwsError, "Athena failed", "again"),
        ("EXCEEDED_LOCAL_MEMORY_LIMIT: Query", QueryError, "needs more resources", "aggregate"),
        ("Query timeout", QueryError, "took longer", "aggregate"),
        ("DIVISION_BY_ZERO: Division by zero", QueryError, "The query failed. Division by zero.", ""),
    ],
)  # fmt: skip
def test_a_failed_query_tells_why(reason: str, kind: type[StockctlError], message: str, hint: str) -> None:
    """Athena's reasons become messages with hints; positions in generated SQL are removed."""
    told = failure(StandIn(states=["RUNNING", "FAILED"], reason=reason))

    assert type(told) is kind
    assert message in told.message
    assert hint in (told.hint or "")
    assert "line 1:" not in told.message


def test_the_scan_limit_is_named() -> None:
    """If the workgroup stops a query, the message names the setting of the limit."""
    told = failure(StandIn(states=["CANCELLED"], reason="Bytes scanned limit was exceeded"))

    assert isinstance(told, QueryError)
    assert "my-workgroup" in told.message
    assert "analytics.scan_limit_mb" in (told.hint or "")


@pytest.mark.parametrize("reason", [None, "Query was cancelled by user"])
def test_a_query_cancelled_elsewhere_is_told_so(reason: str | None) -> None:
    """Somebody else's cancelling is no failure of the statement."""
    assert "cancelled in Athena" in failure(StandIn(states=["CANCELLED"], reason=reason)).message


@pytest.mark.parametrize(
    ("code", "text", "kind", "message"),
    [
        (_INVALID, "WorkGroup my-workgroup is not found.", AwsError, "workgroup my-workgroup does not"),
        (_INVALID, "WorkGroup my-workgroup is disabled.", AwsError, "is disabled"),
        (_INVALID, "line 1:1: mismatched input 'x'", QueryError, "cannot read the statement: mismatched"),
        (_INVALID, "Unable to verify/create output bucket b", AwsError, "cannot be written"),
        (
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/me is not authorized to perform: "
            f"athena:StartQueryExecution on resource: {_WORKGROUP}",
            AwsError, f"denies athena:StartQueryExecution on {_WORKGROUP}",
        ),
        ("ExpiredTokenException", "The token is expired", AwsError, "The AWS credentials have expired."),
    ],
)  # fmt: skip
def test_a_query_that_is_not_even_started_tells_why(
    code: str, text: str, kind: type[StockctlError], message: str
) -> None:
    """A refused start is explained as any other call is."""
    told = failure(StandIn(faults={"StartQueryExecution": fault(code, text)}))

    assert type(told) is kind
    assert message in told.message


def test_an_endpoint_that_nobody_serves_is_named() -> None:
    """The message names the address and the setting."""
    with nobody() as url, pytest.raises(AwsError, match=f"{url} cannot be reached") as raised:
        warehouse(connect(url)).query(SELECT)

    assert "aws.endpoint_url" in (raised.value.hint or "")


def test_no_traceback_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """The driver's own log of a failure stays off the terminal."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        failure(StandIn(faults={"StartQueryExecution": fault("InvalidRequestException", "no")}))
    finally:
        root.handlers = handlers

    assert capsys.readouterr().err == ""
