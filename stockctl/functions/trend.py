"""The Lambda function on the stream of the quotes table: the trend stage over DynamoDB and SNS."""

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
    """A quote that was stored, and its place in the stream of the table."""

    quote: EnrichedQuote
    position: int
    sequence_number: str


class RecordResult(NamedTuple):
    """What became of a quote: how many alerts it added to the log, or the fault that kept it from that."""

    arrival: InsertedQuote
    alerts: int
    fault: Exception | None = None


class TrendFunction:
    """What lives as long as the function's process: settings, clients and threads.

    ``symbols`` and ``alerts`` are two crews, as a thread that waits for its own crew could wait for ever.
    """

    def __init__(
        self, environment: Environment, connection: ClientFactory, symbols: Parallel, alerts: Parallel
    ) -> None:
        self._symbols = symbols
        self._stage = TrendStage(
            DynamoAlertLog(connection.client("dynamodb"), environment.alerts_table, alerts),
            SnsNotifier(connection.client("sns"), environment.topic_arn),
            environment.rules,
            environment.alert_max_age,
            now,
        )

    def run(self, arrivals: Sequence[InsertedQuote], context: Context) -> list[RecordResult]:
        """Take quotes one by one in order of time, several symbols at once, and go on after a fault."""
        ordered = sorted(arrivals, key=lambda arrival: arrival.quote[:2])
        lanes = [list(lane) for _, lane in groupby(ordered, key=lambda arrival: arrival.quote.symbol)]
        taken = self._symbols.map(lambda lane: [self._take(arrival, context) for arrival in lane], lanes)
        return [outcome for outcomes in taken for outcome in outcomes]

    def _take(self, arrival: InsertedQuote, context: Context) -> RecordResult:
        if seconds_left(context) <= 0:
            return RecordResult(arrival, 0, TimeoutError("no time is left in this invocation"))
        try:
            return RecordResult(arrival, len(self._stage.run([arrival.quote])))
        except (ClientError, BotoCoreError, AwsError) as fault:
            return RecordResult(arrival, 0, fault)


connection = ClientFactory()
function = TrendFunction(
    read_environment(os.environ, publishes=True),
    connection,
    symbols=Parallel(WORKERS // 2),
    alerts=Parallel(WORKERS // 2),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Event, context: Context) -> Mapping[str, Any]:
    """Log and publish the alerts of one batch; return from where on Lambda shall hand it over again.

    A fault holds up no other quote. When it strikes the first record of the batch it is raised, so that
    a stage that gets nowhere is seen: alarms count errors, not partial answers.
    """
    metrics.add_metric("records", MetricUnit.Count, len(event["Records"]))
    outcomes = function.run(_read(event), context)
    faults = [outcome for outcome in outcomes if outcome.fault is not None]
    _report(outcomes, len(faults))
    if not faults:
        return {"batchItemFailures": []}
    first = min(faults, key=attrgetter("arrival.position"))
    if first.arrival.position == 0 and first.fault is not None:
        raise first.fault
    return {"batchItemFailures": [{"itemIdentifier": first.arrival.sequence_number}]}


def _read(event: Event) -> list[InsertedQuote]:
    """Return the quotes of the event; what is none was put into the table by somebody else."""
    arrivals = []
    for inserted in insertions(event):
        try:
            quote = read_quote(inserted.image)
        except UnreadableItem as reason:
            logger.warning("item left out", extra={"reason": reason.message})
            metrics.add_metric("unreadable", MetricUnit.Count, 1)
        else:
            arrivals.append(InsertedQuote(quote, inserted.position, inserted.sequence_number))
    return arrivals


def _report(outcomes: Sequence[RecordResult], failed: int) -> None:
    for outcome in outcomes:
        if outcome.fault is not None:
            symbol, timestamp = outcome.arrival.quote[:2]
            reason = f"{type(outcome.fault).__name__}: {outcome.fault}"
            logger.error(
                "quote comes again", extra={"symbol": symbol, "timestamp": timestamp, "reason": reason}
            )
    alerts = sum(outcome.alerts for outcome in outcomes)
    metrics.add_metric("alerts", MetricUnit.Count, alerts)
    metrics.add_metric("failed", MetricUnit.Count, failed)
    if outcomes:
        oldest = min(outcome.arrival.quote.timestamp for outcome in outcomes)
        age = (now() - to_datetime(oldest)).total_seconds()
        metrics.add_metric("oldest_quote_age", MetricUnit.Seconds, age)
    logger.info("batch watched", extra={"quotes": len(outcomes), "alerts": alerts, "failed": failed})
