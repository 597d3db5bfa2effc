"""SQL with PyAthena on MiniStack: catalogue, raw objects, result pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stockctl.backends.aws.athena import AthenaWarehouse
from stockctl.backends.aws.connection import Connection
from stockctl.errors import AwsError, QueryError
from stockctl.market.numbers import to_json
from stockctl.market.timestamp import format_timestamp, object_name
from stockctl.sql.catalog import predefined_query
from stockctl.sql.schema import COLUMNS
from support.aws.athena_server import connect_to_ministack, write_parameters_into_statements
from support.aws.ministack_server import REGION

BUCKET = "raw-quotes-of-a-test"
START = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
# Symbol and prices, each against a previous close of 100.
PRICES = {"AAPL": [101.5, 103.25], "MSFT": [99.0, 92.5], "GOOGL": [100.5]}


def quotes() -> list[dict[str, Any]]:
    """Return the quotes of the archive."""
    return [
        {
            "symbol": symbol,
            "timestamp": format_timestamp(START + timedelta(minutes=minute)),
            "price": price,
            "previous_close": 100.0,
            "open": None,
            "high": None,
            "low": None,
            "volume": 10,
            "source": "replay",
        }
        for symbol, prices in PRICES.items()
        for minute, price in enumerate(prices)
    ]


@pytest.fixture
def connection(aws_account: str) -> Connection:
    """An account with the raw objects, the catalogue and the workgroup."""
    connection = connect_to_ministack()
    write_parameters_into_statements(connection)
    bucket = f"{BUCKET}-{aws_account}"
    s3 = connection.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for quote in quotes():
        key = f"raw-data/{quote['symbol']}/{object_name(quote['timestamp'])}.json"
        s3.put_object(Bucket=bucket, Key=key, Body=to_json(quote).encode())
    glue = connection.client("glue")
    glue.create_database(DatabaseInput={"Name": "stock_data_db"})
    storage = {
        "Location": f"s3://{bucket}/raw-data/",
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
        "Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS],
    }
    glue.create_table(
        DatabaseName="stock_data_db",
        TableInput={
            "Name": "stock_data_table",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"classification": "json"},
            "StorageDescriptor": storage,
        },
    )
    connection.client("athena").create_work_group(
        Name="stockctl",
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{bucket}/athena-results/"}},
    )
    return connection


def test_top_movers_ranks_the_newest_quotes(connection: Connection) -> None:
    """The predefined query with its parameters gives the moves that a head can compute."""
    warehouse = AthenaWarehouse(connection, workgroup="stockctl", poll_seconds=0.05)

    result = warehouse.query(predefined_query("top-movers").sql, ("percent", "both", 2))

    assert list(result.columns)[:2] == ["symbol", "timestamp"]
    assert [(row[0], row[2], row[4], row[5]) for row in result.rows] == [
        ("MSFT", 92.5, -7.5, -7.5),
        ("AAPL", 103.25, 3.25, 3.25),
    ]
    assert warehouse.last_scan is not None
    assert warehouse.last_scan.state == "SUCCEEDED"


def test_more_rows_than_a_page_all_come(connection: Connection) -> None:
    """A page of Athena holds a thousand rows; the rest is fetched too, with the right types."""
    warehouse = AthenaWarehouse(connection, workgroup="stockctl", poll_seconds=0.05)
    many = "CROSS JOIN UNNEST(sequence(1, 500)) AS t (n)".replace("sequence(1, 500)", _list(500))

    result = warehouse.query(
        f"SELECT symbol, volume, open, n FROM stock_data_table {many} WHERE price > ?", (0,)
    )

    assert len(result.rows) == 2500
    assert {tuple(map(type, row)) for row in result.rows} == {(str, int, type(None), int)}


def _list(length: int) -> str:
    return f"ARRAY[{', '.join(map(str, range(length)))}]"


def test_a_statement_that_fails_there_tells_why(connection: Connection) -> None:
    """The engine's own reason comes as a sentence."""
    with pytest.raises(QueryError, match="prize"):
        AthenaWarehouse(connection, workgroup="stockctl", poll_seconds=0.05).query(
            "SELECT prize FROM stock_data_table"
        )


def test_without_a_workgroup_there_is_a_way_out(connection: Connection) -> None:
    """Without a pipeline, the error says so."""
    with pytest.raises(AwsError, match="no-such-group") as raised:
        AthenaWarehouse(connection, workgroup="no-such-group").query("SELECT 1")

    assert "stockctl provision" in (raised.value.hint or "")
