"""The Lambda function of the quotes table's stream: runs the trend stage with DynamoDB and SNS."""

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from stockctl.backends.aws.client import WORKERS, ClientFactory
from stockctl.backends.aws.dynamodb.alerts import DynamoAlertLog
from stockctl.backends.aws.dynamodb.items import UnreadableItem, read_quote
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.sns import SnsNotifier
from stockctl.errors import AwsError
from stockctl.functions.runtime import (
    Context,
    Environment,
    Event,
    insertions,
    now,
    read_environment,
    seconds_left,
)
from stockctl.market.quote import EnrichedQuote
from stockctl.market.timestamp import to_datetime
from stockctl.pipeline.trend import TrendStage

logger = Logger()
metrics = Metrics()


class InsertedQuote(NamedTuple):
    """A new quote of the table, with its position in the event and its sequence number in the stream."""

    quote: EnrichedQuote
    position: int
    sequence_number: str


class RecordResult(NamedTuple):
    """The result for one quote: the number of logged alerts, or the error."""

    inserted: InsertedQuote
    alerts: int
    error: Exception | None = None


class TrendFunction:
    """Settings, clients and threads, kept for all invocations of the process.

    ``symbols`` and ``alerts`` are two thread pools: a thread that waits for its own pool could wait for ever.
    """

    def __init__(
        self, environment: Environment, clients: ClientFactory, symbols: Parallel, alerts: Parallel
    ) -> None:
        self._symbols = symbols
        self._stage = TrendStage(
            DynamoAlertLog(clients.client("dynamodb"), environment.alerts_table, alerts),
            SnsNotifier(clients.client("sns"), environment.topic_arn),
            environment.rules,
            environment.alert_max_age,
            now,
        )

    def run(self, inserted: Sequence[InsertedQuote], context: Context) -> list[RecordResult]:
        """Process quotes in order of time, several symbols at once; an error does not stop the others."""
        ordered = sorted(inserted, key=lambda each: each.quote[:2])
        by_symbol = [list(group) for _, group in groupby(ordered, key=lambda each: each.quote.symbol)]
        results = self._symbols.map(lambda group: [self._process(each, context) for each in group], by_symbol)
        return [result for of_symbol in results for result in of_symbol]

    def _process(self, inserted: InsertedQuote, context: Context) -> RecordResult:
        if seconds_left(context) <= 0:
            return RecordResult(inserted, 0, TimeoutError("the time limit of this invocation is near"))
        try:
            return RecordResult(inserted, len(self._stage.run([inserted.quote])))
        except (ClientError, BotoCoreError, AwsError) as error:
            return RecordResult(inserted, 0, error)


clients = ClientFactory()
function = TrendFunction(
    read_environment(os.environ, publishes=True),
    clients,
    symbols=Parallel(WORKERS // 2),
    alerts=Parallel(WORKERS // 2),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Event, context: Context) -> Mapping[str, Any]:
    """Log and publish the alerts of one batch; return the record from which Lambda must retry.

    An error does not stop other quotes. If the first record of the batch fails, the error is raised, so that
    the alarm shows a stage that makes no progress: alarms count errors, not partial failures.
    """
    metrics.add_metric("records", MetricUnit.Count, len(event["Records"]))
    results = function.run(_read(event), context)
    failed = [result for result in results if result.error is not None]
    _report(results, len(failed))
    if not failed:
        return {"batchItemFailures": []}
    first = min(failed, key=attrgetter("inserted.position"))
    if first.inserted.position == 0 and first.error is not None:
        raise first.error
    return {"batchItemFailures": [{"itemIdentifier": first.inserted.sequence_number}]}


def _read(event: Event) -> list[InsertedQuote]:
    """Return the quotes of the event; skip items that stockctl did not write."""
    quotes = []
    for inserted in insertions(event):
        try:
            quote = read_quote(inserted.image)
        except UnreadableItem as reason:
            logger.warning("item skipped", extra={"reason": reason.message})
            metrics.add_metric("unreadable", MetricUnit.Count, 1)
        else:
            quotes.append(InsertedQuote(quote, inserted.position, inserted.sequence_number))
    return quotes


def _report(results: Sequence[RecordResult], failed: int) -> None:
    for result in results:
        if result.error is not None:
            symbol, timestamp = result.inserted.quote[:2]
            reason = f"{type(result.error).__name__}: {result.error}"
            logger.error(
                "quote will be retried", extra={"symbol": symbol, "timestamp": timestamp, "reason": reason}
            )
    alerts = sum(result.alerts for result in results)
    metrics.add_metric("alerts", MetricUnit.Count, alerts)
    metrics.add_metric("failed", MetricUnit.Count, failed)
    if results:
        oldest = min(result.inserted.quote.timestamp for result in results)
        age = (now() - to_datetime(oldest)).total_seconds()
        metrics.add_metric("oldest_quote_age", MetricUnit.Seconds, age)
    logger.info("batch processed", extra={"quotes": len(results), "alerts": alerts, "failed": failed})
