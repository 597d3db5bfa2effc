"""The CloudFormation template and its parameters."""

import hashlib
import json
from collections.abc import Sequence
from importlib import resources

from stockctl.backends.aws.names import Names
from stockctl.config.schema import Settings, Subscription
from stockctl.config.subscriptions import filter_policy
from stockctl.errors import ConfigError

MAX_BYTES = 51_200
"""Maximum size of a template that is sent directly, not through S3."""

PROJECT_TAG = "stockctl:project"
CODE_KEY = "CodeKey"

_LOG_RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
_TABLE_STREAM_HOURS = 24
_BYTES_PER_MIB = 2**20
_SUBSCRIPTIONS = "  # Subscriptions of the configuration are rendered here.\n"


def template_text() -> str:
    """Return the template file of the package."""
    return resources.files("stockctl.backends.aws.stack").joinpath("template.yaml").read_text("utf-8")


def logical_id(protocol: str, endpoint: str) -> str:
    """Return the logical id of a subscription; it depends on the endpoint, not on the order."""
    return f"Subscription{hashlib.sha256(f'{protocol} {endpoint}'.encode()).hexdigest()[:12]}"


def render(names: Names, subscriptions: Sequence[Subscription]) -> str:
    """Return the template with the names of the bucket and the tables, and with the subscriptions.

    Raises:
        ConfigError: an endpoint is subscribed twice, or the template is too large for CloudFormation.
    """
    _check_unique(subscriptions)
    text = template_text()
    for line, name in (
        ("BucketName: !Ref BucketName", names.bucket),
        ("TableName: !Ref QuotesTableName", names.table),
        ("TableName: !Ref AlertsTableName", names.alerts_table),
    ):
        text = text.replace(f"      {line}\n", f"      {line.split()[0]} {json.dumps(name)}\n")
    rendered = text.replace(_SUBSCRIPTIONS, "".join(_resource(each) for each in subscriptions))
    if len(rendered.encode()) > MAX_BYTES:
        raise ConfigError(
            f"The configuration has {len(subscriptions)} subscriptions, more than the template can hold.",
            "Keep some in alerts.subscriptions and add the others with 'stockctl alerts subscribe'.",
        )
    return rendered


def _check_unique(subscriptions: Sequence[Subscription]) -> None:
    seen = set()
    for each in subscriptions:
        if (each.protocol, each.endpoint) in seen:
            raise ConfigError(
                f"alerts.subscriptions names {each.protocol} {each.endpoint} twice.",
                "Merge them into one subscription, with the symbols and kinds of both.",
            )
        seen.add((each.protocol, each.endpoint))


def _resource(subscription: Subscription) -> str:
    """Return the YAML of a subscription."""
    properties = [
        "TopicArn: !Ref AlertTopic",
        f"Protocol: {subscription.protocol}",
        f"Endpoint: {json.dumps(subscription.endpoint)}",
    ]
    if policy := filter_policy(subscription.symbols, subscription.kinds):
        properties += ["FilterPolicyScope: MessageAttributes", f"FilterPolicy: {json.dumps(policy)}"]
    name = logical_id(subscription.protocol, subscription.endpoint)
    lines = [f"  {name}:", "    Type: AWS::SNS::Subscription", "    Properties:"]
    return "\n".join([*lines, *(f"      {line}" for line in properties)]) + "\n\n"


def parameters(settings: Settings, names: Names, code_key: str) -> dict[str, str]:
    """Return the values of all template parameters.

    Args:
        settings: the configuration.
        names: names of the resources.
        code_key: key of the functions' zip in the artifact bucket.

    Raises:
        ConfigError: CloudWatch does not accept ``logs.retention_days``, or the stream deletes a record before
            ``functions.record_age_hours``.
    """
    oldest = settings.alerts.max_age_limit
    record_age = _record_age_hours(settings)
    values: dict[str, object] = {
        "CodeBucket": names.artifacts,
        CODE_KEY: code_key,
        "SmaShort": settings.indicators.short,
        "SmaLong": settings.indicators.long,
        "ThresholdPercent": format(settings.anomaly.threshold_percent, "f"),
        "AlertMaxAgeSeconds": int(oldest.total_seconds()) if oldest else 0,
        "MemoryMb": settings.functions.memory_mb,
        "TimeoutSeconds": settings.functions.timeout_seconds,
        "BatchSize": settings.functions.batch_size,
        "BatchWindowSeconds": settings.functions.batch_window,
        "Parallelization": settings.functions.parallelization,
        "BisectBatches": "true" if settings.functions.bisect else "false",
        "RetryAttempts": settings.functions.retries,
        "RecordAgeSeconds": record_age * 3600,
        "TableRecordAgeSeconds": min(record_age, _TABLE_STREAM_HOURS - 1) * 3600,
        "StreamName": names.stream,
        "StreamMode": settings.stream.mode.upper().replace("-", "_"),
        "ShardCount": settings.stream.shards,
        "StreamRetentionHours": settings.stream.retention_hours,
        "BucketName": names.bucket,
        "QuotesTableName": names.table,
        "AlertsTableName": names.alerts_table,
        "RawRetentionDays": settings.archive.retention_days or 0,
        "TtlDays": settings.table.ttl_days or 0,
        "LogRetentionDays": _log_retention_days(settings.logs.retention_days),
        "AlertTopicName": names.alert_topic,
        "OperationsTopicName": names.operations_topic,
        "DatabaseName": names.database,
        "SqlTableName": names.sql_table,
        "WorkgroupName": names.workgroup,
        "ScanLimitBytes": settings.analytics.scan_limit_mb * _BYTES_PER_MIB,
        "IngestFunctionName": names.ingest_function,
        "TrendFunctionName": names.trend_function,
    }
    return {key: str(value) for key, value in values.items()}


def tags(settings: Settings) -> dict[str, str]:
    """Return the tags of the stack, which CloudFormation adds to all resources that support tags."""
    return {PROJECT_TAG: settings.project.label, **settings.aws.tags}


def _record_age_hours(settings: Settings) -> int:
    """Return the age at which Lambda stops retrying a record.

    By default, that is one hour before the stream deletes it.
    """
    record_age, retention = settings.functions.record_age_hours, settings.stream.retention_hours
    if record_age is None:
        return min(retention, _TABLE_STREAM_HOURS) - 1
    if record_age >= retention:
        raise ConfigError(
            f"functions.record_age_hours = {record_age} must be below stream.retention_hours = {retention}: "
            "otherwise the stream deletes a failing record before Lambda stops retrying it and moves it to "
            "the S3 bucket.",
            "Lower functions.record_age_hours, or raise stream.retention_hours.",
        )
    return record_age


def _log_retention_days(days: int) -> int:
    if days not in _LOG_RETENTION_DAYS:
        allowed = ", ".join(str(each) for each in _LOG_RETENTION_DAYS)
        longer = next((each for each in _LOG_RETENTION_DAYS if each > days), _LOG_RETENTION_DAYS[-1])
        raise ConfigError(
            f"logs.retention_days = {days} is not a value that CloudWatch accepts: {allowed}.",
            f"Set it to {longer}, for example.",
        )
    return days
