"""The two Lambda functions for tests: their modules with an environment, and events for them."""

import base64
import importlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

from support.aws.lambda_model import StreamRecord
from support.aws.moto_account import ACCOUNT, ALERTS, BUCKET, CREDENTIALS, QUOTES, REGION, TOPIC

ENVIRONMENT = {
    **CREDENTIALS,
    "TABLE_NAME": QUOTES,
    "ALERTS_TABLE": ALERTS,
    "BUCKET": BUCKET,
    "TOPIC_ARN": TOPIC,
    "SMA_SHORT": "5",
    "SMA_LONG": "20",
    "THRESHOLD_PERCENT": "5",
    "ALERT_MAX_AGE_SECONDS": "0",
    "TTL_DAYS": "0",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "stockctl-test",
}


class Functions(NamedTuple):
    """The modules of the entry points."""

    ingest: ModuleType
    trend: ModuleType


def load_functions() -> Functions:
    """Return the modules, whose clients are made when they are first imported; their logs go nowhere."""
    with patch.dict(os.environ, ENVIRONMENT):
        functions = Functions(
            importlib.import_module("stockctl.functions.ingest"),
            importlib.import_module("stockctl.functions.trend"),
        )
    log_into(functions, io.StringIO())
    return functions


def log_into(functions: Functions, stream: io.StringIO) -> None:
    """Have both functions write their logs into ``stream``."""
    for module in functions:
        module.logger.registered_handler.setStream(stream)


def clients_of(functions: Functions) -> list[Any]:
    """Return the clients that the functions made."""
    return [
        functions.ingest.clients.client("s3"),
        functions.ingest.clients.client("dynamodb"),
        functions.trend.clients.client("dynamodb"),
        functions.trend.clients.client("sns"),
    ]


@dataclass
class Context:
    """Lambda's context object."""

    seconds: float = 60.0
    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:test"
    aws_request_id: str = "0"

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time, which does not change."""
        return int(self.seconds * 1000)


class InTurn:
    """Runs the calls one after another, so that runs can be repeated exactly."""

    def map(self, function: Any, items: Sequence[Any]) -> list[Any]:
        """Return what ``function`` makes of each item."""
        return [function(item) for item in items]


def kinesis_record(data: bytes, number: int, key: str = "AAPL", shard: int = 0) -> StreamRecord:
    """Return a record of a Kinesis stream as Lambda hands it over."""
    sequence_number = f"{number:056}"
    event = {
        "eventID": f"shardId-{shard:012}:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "eventSource": "aws:kinesis",
        "eventSourceARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/stock-market-stream",
        "kinesis": {
            "data": base64.b64encode(data).decode(),
            "partitionKey": key,
            "sequenceNumber": sequence_number,
        },
    }
    return StreamRecord(sequence_number, key, event)


def table_records(changes: Iterable[Mapping[str, Any]]) -> list[StreamRecord]:
    """Return the insertions among the changes of the quotes table, as its mapping filters them."""
    return [
        StreamRecord(
            change["dynamodb"]["SequenceNumber"],
            "|".join(value["S"] for value in change["dynamodb"]["Keys"].values()),
            change,
        )
        for change in changes
        if change["eventName"] == "INSERT"
    ]


def event_of(records: Iterable[StreamRecord]) -> dict[str, Any]:
    """Return the event that hands over ``records``."""
    return {"Records": [dict(record.event) for record in records]}


def walk_of(symbol: str, count: int = 40) -> list[dict[str, Any]]:
    """Return quotes of one session that rise, fall and jump, so that every kind of alert is raised."""
    return [
        {
            "symbol": symbol,
            "timestamp": f"2019-02-11T{15 + minute // 60}:{minute % 60:02}:00.000Z",
            "price": str(100 + 2 * (minute % 13) - minute * minute % 11),
            "previous_close": "104",
            "open": None,
            "high": None,
            "low": None,
            "volume": minute,
            "source": "replay",
        }
        for minute in range(count)
    ]


def reports(text: str) -> list[dict[str, Any]]:
    """Return the JSON lines that a function wrote."""
    return [json.loads(line) for line in text.splitlines()]


def metrics_of(text: str) -> dict[str, float]:
    """Return the metrics that a function wrote, their units checked on the way."""
    (metrics,) = [line for line in reports(text) if "_aws" in line]
    (declared,) = metrics["_aws"]["CloudWatchMetrics"]
    assert declared["Namespace"] == ENVIRONMENT["POWERTOOLS_METRICS_NAMESPACE"]
    units = {metric["Name"]: metric["Unit"] for metric in declared["Metrics"]}
    for name, unit in units.items():
        assert unit == ("Seconds" if name == "oldest_quote_age" else "Count")
    return {name: metrics[name][0] for name in units}
