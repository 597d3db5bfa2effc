"""The AWS backend: the commands of a target, over AWS services."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from stockctl.backends.aws.client import WORKERS, Connection
from stockctl.backends.aws.dynamodb.alerts import DynamoAlertLog, DynamoAlertReader
from stockctl.backends.aws.dynamodb.quotes import DynamoQuoteReader
from stockctl.backends.aws.errors import classify_failure
from stockctl.backends.aws.kinesis.aggregator import Aggregator, OpenShards
from stockctl.backends.aws.kinesis.rate_limit import StreamRateLimiter
from stockctl.backends.aws.kinesis.stream import KinesisDeliveryError, KinesisStream
from stockctl.backends.aws.logs import LogTail, Stage, log_group
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.pipeline import AwsPipeline
from stockctl.backends.aws.s3 import S3Quarantine, WriteOnceBucket
from stockctl.backends.aws.sns import SnsNotifier
from stockctl.backends.aws.stack.changes import Change
from stockctl.backends.aws.stack.events import Report as ProgressReport
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.operator_policy import OperatorPolicy, policy_for
from stockctl.backends.aws.stack.preflight import preflight
from stockctl.backends.aws.stack.provision import Plan as AwsPlan
from stockctl.backends.aws.stack.subscriptions import Subscribers
from stockctl.backends.base import Agree, Finding, Outcome, Plan, Report, Status, Step
from stockctl.config.schema import Settings
from stockctl.errors import AwsError
from stockctl.market.alert import sample_alert
from stockctl.market.timestamp import format_timestamp
from stockctl.pipeline.ports import Warehouse
from stockctl.pipeline.trend import Clock, TrendStage
from stockctl.retry import Backoff


class AwsBackend:
    """The pipeline in one account and region; AWS is not asked before the first use."""

    costs_money = True

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    @cached_property
    def _connection(self) -> Connection:
        aws = self._settings.aws
        return Connection(aws.region, aws.profile, aws.endpoint_url)

    @cached_property
    def pipeline(self) -> AwsPipeline:
        """The stack and what belongs to it.

        Raises:
            AwsError: there are no credentials, they are not accepted, or no region is set.
        """
        return AwsPipeline(self._settings, self._connection)

    @property
    def place(self) -> str:
        """Where the pipeline is, for a person."""
        return self.pipeline.place

    def check(self) -> Sequence[Finding]:
        """Return who calls, what they may do, and what is there."""
        return preflight(self._settings, lambda: self._connection)

    def operator_policy(self) -> OperatorPolicy:
        """Return the IAM policy that whoever runs the commands needs."""
        return policy_for(self._settings, lambda: self._connection)

    def plan(self, report: Report) -> Plan:
        """Return what ``provision`` would do, and leave nothing behind."""
        return _plan(self.pipeline.plan(_lines(report)))

    def provision(self, agree: Agree, report: Report) -> Outcome:
        """Make what is missing and change what differs, once ``agree`` says so."""
        outcome = self.pipeline.provision(lambda plan: agree(_plan(plan)), _lines(report))
        return Outcome(_steps(outcome.changes), outcome.outputs)

    def deploy(self, report: Report) -> Outcome:
        """Bring the code that is installed here to the functions."""
        outcome = self.pipeline.deploy(_lines(report))
        return Outcome(_steps(outcome.changes), outcome.outputs)

    def prepare(self) -> bool:
        """Make nothing: all there is costs money."""
        return False

    def status(self) -> Status:
        """Return how the pipeline is, and its newest quotes."""
        facts = self.pipeline.status()
        with self.quotes() as reader:
            return Status(facts, reader.latest())

    def plan_teardown(self, *, keep_data: bool) -> Sequence[Step]:
        """Return what ``teardown`` would delete and keep, counted."""
        return _steps(self.pipeline.plan_teardown(keep_data=keep_data))

    def teardown(self, *, keep_data: bool, report: Report) -> Sequence[str]:
        """Take the pipeline down."""
        return self.pipeline.teardown(
            keep_data=keep_data,
            report=_lines(report),
            deleted=lambda count: report(f"{count:,} objects deleted"),
        )

    @contextmanager
    def stream(self) -> Iterator[KinesisStream]:
        """Open the way into the stream.

        Raises:
            KinesisDeliveryError: the account cannot be asked; it tells whether that may pass.
        """
        with _parallel() as parallel:
            yield self._open_stream(parallel)

    def _open_stream(self, parallel: Parallel) -> KinesisStream:
        aws = self._settings.aws
        try:
            names, backoff = self.pipeline.names, Backoff(cap=2.0, attempts=5)
            bucket = WriteOnceBucket(
                self._connection.client("s3"), names.bucket, names.account, parallel, backoff
            )
            # Tries are counted here: one that botocore hid would hide that records may arrive twice.
            kinesis = Connection(aws.region, aws.profile, aws.endpoint_url, attempts=1).client("kinesis")
        except AwsError as error:
            passing = classify_failure(error).passing
            raise KinesisDeliveryError(error.message, error.hint, passing=passing) from error.__cause__
        packs = self._settings.stream.aggregate
        return KinesisStream(
            kinesis,
            names.stream,
            S3Quarantine(bucket),
            backoff,
            pace=StreamRateLimiter(kinesis, names.stream),
            aggregator=Aggregator(OpenShards(kinesis, names.stream)) if packs else None,
        )

    @contextmanager
    def quotes(self) -> Iterator[DynamoQuoteReader]:
        """Open the table of quotes."""
        with _parallel() as parallel:
            yield DynamoQuoteReader(self._connection.client("dynamodb"), self.pipeline.names.table, parallel)

    @contextmanager
    def alerts(self) -> Iterator[DynamoAlertReader]:
        """Open the alert log."""
        client = self._connection.client("dynamodb")
        yield DynamoAlertReader(client, self.pipeline.names.alerts_table, self._clock)

    def send_test_alert(self) -> str:
        """Log and publish a marked alert the way a real one is."""
        alert = sample_alert(format_timestamp(self._clock()))
        names = self.pipeline.names
        with _parallel() as parallel:
            log = DynamoAlertLog(self._connection.client("dynamodb"), names.alerts_table, parallel)
            notifier = SnsNotifier(self._connection.client("sns"), _topic_arn(names))
            stage = TrendStage(log, notifier, self._settings.rules, None, self._clock)
            stage.raise_alerts([alert])
        return alert.alert_id

    def subscribers(self) -> Subscribers:
        """Open the list of those who are told of alerts."""
        return Subscribers(self._connection, self.pipeline.names)

    def log(self, stage: Stage, since: str) -> LogTail:
        """Open the log of a stage's function at a moment."""
        return LogTail(self._connection, log_group(self.pipeline.names, stage), since)

    def warehouse(self, report: Report | None = None) -> Warehouse:
        """Open Athena."""
        from stockctl.backends.aws.athena import AthenaWarehouse

        names = self.pipeline.names
        return AthenaWarehouse(
            self._connection,
            database=names.database,
            table=names.sql_table,
            workgroup=names.workgroup,
            on_progress=None if report is None else lambda scan: report(scan.progress),
        )


@contextmanager
def _parallel() -> Iterator[Parallel]:
    parallel = Parallel(WORKERS)
    try:
        yield parallel
    finally:
        parallel.close()


def _lines(report: Report) -> ProgressReport:
    def tell(progress: StackEvent) -> None:
        report(" ".join(filter(None, (progress.resource, progress.status, progress.detail))))

    return tell


def _plan(plan: AwsPlan) -> Plan:
    return Plan(_steps(plan.changes), str(plan.cost))


def _steps(changes: Sequence[Change]) -> list[Step]:
    return [Step(*change) for change in changes]


def _topic_arn(names: Names) -> str:
    return f"arn:{names.partition}:sns:{names.region}:{names.account}:{names.alert_topic}"
