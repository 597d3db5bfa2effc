"""An AWS account for tests: fake credentials, and resources created with moto."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from unittest.mock import patch

from moto import mock_aws

from stockctl.backends.aws.connection import Connection

REGION = "eu-west-1"
ACCOUNT = "123456789012"
BUCKET = "quotes-of-a-test"
QUOTES = "stock-market-data"
ALERTS = "stock-market-alerts"
STREAM = "stock-market-stream"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:stock-market-alerts"
NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SESSION_TOKEN": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@cache
def shared_connection() -> Connection:
    """Return the connection that tests share, as making a client takes longer than most tests."""
    with patch.dict(os.environ, CREDENTIALS):
        connection = Connection()
        for service in ("dynamodb", "dynamodbstreams", "kinesis", "s3", "sns", "sqs"):
            connection.client(service)
    return connection


@contextmanager
def account() -> Iterator[Connection]:
    """Open an empty account with tables, bucket, topic and stream."""
    connection = shared_connection()
    with mock_aws():
        make_tables(connection.client("dynamodb"))
        connection.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        connection.client("sns").create_topic(Name=TOPIC.rpartition(":")[2])
        connection.client("kinesis").create_stream(StreamName=STREAM, ShardCount=2)
        yield connection


def make_tables(dynamodb: Any) -> None:
    """Make the two tables with the keys and the index that the template gives them."""
    dynamodb.create_table(
        TableName=QUOTES,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=_texts("symbol", "timestamp"),
        KeySchema=_keys("symbol", "timestamp"),
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    dynamodb.create_table(
        TableName=ALERTS,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=_texts("alert_id", "created_day", "created_key"),
        KeySchema=_keys("alert_id"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_day",
                "KeySchema": _keys("created_day", "created_key"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def _texts(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _keys(*names: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
    ]
