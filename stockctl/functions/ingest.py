"""The Lambda function on the Kinesis stream: the ingest stage over S3 and DynamoDB."""

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
    """What lives as long as the function's process: settings, clients and threads."""

    def __init__(
        self, environment: Environment, connection: ClientFactory, parallel: Parallel, backoff: Backoff
    ) -> None:
        self._environment = environment
        self._s3 = connection.client("s3")
        self._dynamodb = connection.client("dynamodb")
        self._parallel = parallel
        self._backoff = backoff

    def stage(self, context: Context) -> IngestStage:
        """Return the stage for one invocation, which waits no longer than the invocation may."""
        settings = self._environment
        backoff = replace(self._backoff, seconds_left=partial(seconds_left, context))
        bucket = WriteOnceBucket(self._s3, settings.bucket, account_of(context), self._parallel, backoff)
        table = DynamoQuoteTable(
            self._dynamodb, settings.table, self._parallel, backoff, ttl=settings.ttl, clock=now
        )
        return IngestStage(S3Archive(bucket), S3Quarantine(bucket), table, settings.rules)


connection = ClientFactory()
function = IngestFunction(read_environment(os.environ), connection, Parallel(WORKERS), Backoff())


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: Event, context: Context) -> None:
    """Archive, enrich and store one batch; unreadable records go to the quarantine.

    A fault that does not pass is raised, so that Lambda hands the whole batch over again. No part of it
    is reported as done: the figures of a quote need all that precede it, and what was stored before the
    fault is found stored. That holds for a batch that is too large for the time limit too, as one of
    aggregated records may be: each time more of it is stored.
    """
    records = kinesis_records(event)
    metrics.add_metric("records", MetricUnit.Count, len(records))
    done = IngestResult.total(_in_time(function.stage(context).parts(records), context))
    _report(done)
    if done.records < len(records):
        raise AwsError(
            f"No time is left after {done.records} of {len(records)} records; all of them come again.",
            "Raise functions.memory_mb, which brings more CPU, or lower functions.batch_size.",
        )


def _in_time(parts: Iterable[IngestResult], context: Context) -> Iterator[IngestResult]:
    """Yield parts for as long as there is time for another one like the slowest so far."""
    left = seconds_left(context)
    slowest = 0.0
    for part in parts:
        yield part
        before, left = left, seconds_left(context)
        slowest = max(slowest, before - left)
        if left < slowest:
            return


def _report(done: IngestResult) -> None:
    stored = len(done.stored)
    metrics.add_metric("stored", MetricUnit.Count, stored)
    metrics.add_metric("quarantined", MetricUnit.Count, done.quarantined)
    if done.stored:
        # Stored quotes are in order of time.
        age = now() - to_datetime(done.stored[0].timestamp)
        metrics.add_metric("oldest_quote_age", MetricUnit.Seconds, age.total_seconds())
    logger.info(
        "batch ingested",
        extra={"stored": stored, "repeated": done.duplicates, "quarantined": done.quarantined},
    )
