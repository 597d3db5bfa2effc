"""The Lambda function of the Kinesis stream: runs the ingest stage with S3 and DynamoDB."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from stockctl.backends.aws.client import WORKERS, ClientFactory
from stockctl.backends.aws.dynamodb.quotes import DynamoQuoteTable
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.s3 import S3Archive, S3Quarantine, WriteOnceBucket
from stockctl.errors import AwsError
from stockctl.functions.runtime import (
    Context,
    Environment,
    Event,
    account_of,
    kinesis_records,
    now,
    read_environment,
    seconds_left,
)
from stockctl.market.timestamp import to_datetime
from stockctl.pipeline.ingest import IngestResult, IngestStage
from stockctl.retry import Backoff

logger = Logger()
metrics = Metrics()


class IngestFunction:
    """Settings, clients and threads, kept for all invocations of the process."""

    def __init__(
        self, environment: Environment, clients: ClientFactory, parallel: Parallel, backoff: Backoff
    ) -> None:
        self._environment = environment
        self._s3 = clients.client("s3")
        self._dynamodb = clients.client("dynamodb")
        self._parallel = parallel
        self._backoff = backoff

    def stage(self, context: Context) -> IngestStage:
        """Return the stage for one invocation; its pauses end before the time limit."""
        settings = self._environment
        backoff = replace(self._backoff, seconds_left=partial(seconds_left, context))
        bucket = WriteOnceBucket(self._s3, settings.bucket, account_of(context), self._parallel, backoff)
        table = DynamoQuoteTable(
            self._dynamodb, settings.table, self._parallel, backoff, ttl=settings.ttl, clock=now
        )
        return IngestStage(S3Archive(bucket), S3Quarantine(bucket), table, settings.rules)


clients = ClientFactory()
function = IngestFunction(read_environment(os.environ), clients, Parallel(WORKERS), Backoff())


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Event, context: Context) -> None:
    """Archive, enrich and store one batch; unreadable records go to the quarantine.

    After an error Lambda delivers the whole batch again. No part of it is reported as done, because the
    indicators of a quote need all earlier quotes; quotes that were stored before the error are found and
    not stored twice. The same happens if a batch of aggregated records is too large for the time limit:
    each attempt stores more of it.
    """
    records = kinesis_records(event)
    metrics.add_metric("records", MetricUnit.Count, len(records))
    result = IngestResult.total(_within_time_limit(function.stage(context).parts(records), context))
    _report(result)
    if result.records < len(records):
        raise AwsError(
            f"The time limit is near after {result.records} of {len(records)} records; Lambda delivers all "
            "of them again.",
            "Raise functions.memory_mb, which gives more CPU, or lower functions.batch_size.",
        )


def _within_time_limit(parts: Iterable[IngestResult], context: Context) -> Iterator[IngestResult]:
    """Yield parts while there is time for another one as slow as the slowest so far."""
    left = seconds_left(context)
    slowest = 0.0
    for part in parts:
        yield part
        before, left = left, seconds_left(context)
        slowest = max(slowest, before - left)
        if left < slowest:
            return


def _report(result: IngestResult) -> None:
    stored = len(result.stored)
    metrics.add_metric("stored", MetricUnit.Count, stored)
    metrics.add_metric("quarantined", MetricUnit.Count, result.quarantined)
    if result.stored:
        # Stored quotes are in order of time, oldest first.
        age = now() - to_datetime(result.stored[0].timestamp)
        metrics.add_metric("oldest_quote_age", MetricUnit.Seconds, age.total_seconds())
    logger.info(
        "batch ingested",
        extra={"stored": stored, "repeated": result.duplicates, "quarantined": result.quarantined},
    )
