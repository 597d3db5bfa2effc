"""The AWS backend: the commands of a target, over AWS services."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from stockctl.backends.aws.client import ATTEMPTS, WORKERS
from stockctl.backends.aws.connection import Connection, identify
from stockctl.backends.aws.dynamodb.alerts import DynamoAlertLog
from stockctl.backends.aws.dynamodb.readers import DynamoAlertReader, DynamoQuoteReader
from stockctl.backends.aws.errors import classify_failure
from stockctl.backends.aws.kinesis.aggregator import Aggregator, OpenShards
from stockctl.backends.aws.kinesis.rate_limit import StreamRateLimiter
from stockctl.backends.aws.kinesis.stream import KinesisDeliveryError, KinesisStream
from stockctl.backends.aws.logs import LogTail, Stage, log_group
from stockctl.backends.aws.names import Names, names_of
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.s3 import S3Quarantine, WriteOnceBucket
from stockctl.backends.aws.sns import SnsNotifier
from stockctl.backends.aws.stack.lambda_code import Bundle, build
from stockctl.backends.aws.stack.operator_policy import OperatorPolicy, policy_for
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.backends.aws.stack.preflight import preflight
from stockctl.backends.aws.stack.provision import Provisioner
from stockctl.backends.aws.stack.status import stack_facts
from stockctl.backends.aws.stack.subscriptions import Subscribers
from stockctl.backends.aws.stack.teardown import Teardown
from stockctl.backends.base import Confirm, Finding, Outcome, Plan, Report, Status, Step
from stockctl.config.schema import Settings
from stockctl.errors import AwsError
from stockctl.market.alert import sample_alert
from stockctl.market.timestamp import format_timestamp
from stockctl.pipeline.ports import Warehouse
from stockctl.pipeline.trend import Clock, TrendStage
from stockctl.retry import Backoff


class AwsBackend:
    """The pipeline in one AWS account and region; no request is sent before the first use.

    Args:
        settings: the configuration.
        clock: returns the current time as an aware datetime.
        connect: opens the connection to the account; by default as the ``aws`` settings say.
        poll_interval: time between two requests while waiting for AWS.
        build_code: builds the code of the Lambda functions.
    """

    costs_money = True

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        connect: Callable[[], Connection] | None = None,
        poll_interval: PollInterval | None = None,
        build_code: Callable[[], Bundle] = build,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._connect = connect or self._configured_connection
        self._poll_interval = poll_interval or PollInterval()
        self._build_code = build_code

    @cached_property
    def _connection(self) -> Connection:
        return self._connect()

    @cached_property
    def names(self) -> Names:
        """The names of the pipeline's resources.

        Raises:
            AwsError: there are no valid credentials, or no region is set.
        """
        identity = identify(self._connection)
        return names_of(self._settings, identity.account, identity.region, identity.partition)

    @property
    def location(self) -> str:
        """Where the pipeline is, as text for the user."""
        return f"the stack {self.names.stack} (account {self.names.account}, {self.names.region})"

    def check(self) -> Sequence[Finding]:
        """Check the credentials, the permissions and the existing resources."""
        return preflight(self._settings, lambda: self._connection)

    def operator_policy(self) -> OperatorPolicy:
        """Return the IAM policy that the user of the commands needs."""
        return policy_for(self._settings, lambda: self._connection)

    def plan(self, report: Report) -> Plan:
        """Return what ``provision`` would do; nothing is left in the account."""
        return self._provisioner().plan(report)

    def provision(self, confirm: Confirm, report: Report) -> Outcome:
        """Create what is missing and update what differs, if ``confirm`` agrees."""
        return self._provisioner().provision(confirm, report)

    def deploy(self, report: Report) -> Outcome:
        """Deploy the installed code to the Lambda functions."""
        return self._provisioner().deploy(report)

    def prepare(self) -> bool:
        """Create nothing: every resource costs money."""
        return False

    def status(self) -> Status:
        """Return the state of the pipeline's resources, and the newest quotes."""
        facts = stack_facts(self._connection, self.names, self._poll_interval, self._build_code)
        with self.quotes() as reader:
            return Status(facts, reader.latest())

    def plan_teardown(self, *, keep_data: bool) -> Sequence[Step]:
        """Return what ``teardown`` would delete and keep, with counts."""
        return self._teardown().plan(keep_data=keep_data)

    def teardown(self, *, keep_data: bool, report: Report) -> Sequence[str]:
        """Delete the pipeline; return what was left because stockctl did not create it."""
        return self._teardown().run(keep_data=keep_data, report=report)

    @contextmanager
    def stream(self) -> Iterator[KinesisStream]:
        """Open the Kinesis stream.

        Raises:
            KinesisDeliveryError: the account cannot be reached; ``retryable`` tells whether to try again.
        """
        with _parallel() as parallel:
            yield self._open_stream(parallel)

    @contextmanager
    def quotes(self) -> Iterator[DynamoQuoteReader]:
        """Open the table of quotes."""
        with _parallel() as parallel:
            yield DynamoQuoteReader(self._connection.client("dynamodb"), self.names.table, parallel)

    @contextmanager
    def alerts(self) -> Iterator[DynamoAlertReader]:
        """Open the alert log."""
        yield DynamoAlertReader(self._connection.client("dynamodb"), self.names.alerts_table, self._clock)

    def send_test_alert(self) -> str:
        """Log and publish an alert that is marked as a test; return its id."""
        alert = sample_alert(format_timestamp(self._clock()))
        with _parallel() as parallel:
            log = DynamoAlertLog(self._connection.client("dynamodb"), self.names.alerts_table, parallel)
            notifier = SnsNotifier(self._connection.client("sns"), self.names.alert_topic_arn)
            stage = TrendStage(log, notifier, self._settings.rules, None, self._clock)
            stage.raise_alerts([alert])
        return alert.alert_id

    def subscribers(self) -> Subscribers:
        """Open the subscriptions to the alert topic."""
        return Subscribers(self._connection, self.names)

    def log(self, stage: Stage, since: str) -> LogTail:
        """Open the log of a stage's Lambda function, from a timestamp on."""
        return LogTail(self._connection, log_group(self.names, stage), since)

    def warehouse(self, report: Callable[[str], None] | None = None) -> Warehouse:
        """Open Athena."""
        from stockctl.backends.aws.athena import AthenaWarehouse

        names = self.names
        return AthenaWarehouse(
            self._connection,
            database=names.database,
            table=names.sql_table,
            workgroup=names.workgroup,
            on_progress=None if report is None else lambda progress: report(progress.text),
        )

    def _configured_connection(self, attempts: int = ATTEMPTS) -> Connection:
        aws = self._settings.aws
        return Connection(aws.region, aws.profile, aws.endpoint_url, attempts=attempts)

    def _provisioner(self) -> Provisioner:
        return Provisioner(
            self._settings, self._connection, self.names, self._poll_interval, self._build_code
        )

    def _teardown(self) -> Teardown:
        return Teardown(self._connection, self.names, self._poll_interval)

    def _open_stream(self, parallel: Parallel) -> KinesisStream:
        try:
            names, backoff = self.names, Backoff(cap=2.0, attempts=5)
            bucket = WriteOnceBucket(
                self._connection.client("s3"), names.bucket, names.account, parallel, backoff
            )
            # Retries are counted here: a retry inside botocore would hide that records may arrive twice.
            kinesis = self._configured_connection(attempts=1).client("kinesis")
        except AwsError as error:
            retryable = classify_failure(error).retryable
            raise KinesisDeliveryError(error.message, error.hint, retryable=retryable) from error.__cause__
        aggregate = self._settings.stream.aggregate
        return KinesisStream(
            kinesis,
            names.stream,
            S3Quarantine(bucket),
            backoff,
            rate_limit=StreamRateLimiter(kinesis, names.stream),
            aggregator=Aggregator(OpenShards(kinesis, names.stream)) if aggregate else None,
        )


@contextmanager
def _parallel() -> Iterator[Parallel]:
    parallel = Parallel(WORKERS)
    try:
        yield parallel
    finally:
        parallel.close()
