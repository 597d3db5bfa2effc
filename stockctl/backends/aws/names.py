"""Names of the AWS resources."""

from collections.abc import Mapping
from typing import NamedTuple

from stockctl.config.schema import Settings

DEFAULT_BUCKET = "stock-market-data-bucket"


class Names(NamedTuple):
    """The names of one pipeline in one account and region.

    Each name starts with ``project.name``, so that an account can hold several pipelines.
    """

    account: str
    region: str
    partition: str
    """``aws``, ``aws-cn`` or ``aws-us-gov``."""
    stack: str
    stream: str
    table: str
    alerts_table: str
    bucket: str
    artifacts: str
    """The bucket of the functions' code. Bucket names are unique across all accounts and regions."""
    alert_topic: str
    operations_topic: str
    ingest_function: str
    trend_function: str
    database: str
    sql_table: str
    workgroup: str

    @property
    def functions(self) -> tuple[str, str]:
        """Both Lambda functions, in the order in which they process a quote."""
        return self.ingest_function, self.trend_function

    @property
    def alert_topic_arn(self) -> str:
        """ARN of the SNS topic of alerts."""
        return f"arn:{self.partition}:sns:{self.region}:{self.account}:{self.alert_topic}"

    def as_deployed(self, physical_ids: Mapping[str, str]) -> "Names":
        """Return the names with those that a deployed stack uses (physical ids by logical id)."""
        deployed = {field: physical_ids[key] for key, field in _FIELDS.items() if physical_ids.get(key)}
        return self._replace(**deployed)


# Field by logical id, of the resources whose physical id is their name.
_FIELDS = {
    "Stream": "stream",
    "DataBucket": "bucket",
    "QuotesTable": "table",
    "AlertsTable": "alerts_table",
    "IngestFunction": "ingest_function",
    "TrendFunction": "trend_function",
    "Workgroup": "workgroup",
}


def names_of(settings: Settings, account: str, region: str, partition: str = "aws") -> Names:
    """Return the names of the pipeline that ``settings`` describe, in ``account`` and ``region``."""
    project = settings.project.name
    prefix = f"{project}-" if project else ""
    bucket = settings.archive.bucket or f"{DEFAULT_BUCKET}-{account}-{region}"
    return Names(
        account=account,
        region=region,
        partition=partition,
        stack=f"{prefix}stockctl",
        stream=prefix + settings.stream.name,
        table=prefix + settings.table.name,
        alerts_table=f"{prefix}stock-market-alerts",
        bucket=prefix + bucket,
        artifacts=f"{prefix}stockctl-artifacts-{account}-{region}",
        alert_topic=prefix + settings.alerts.topic,
        operations_topic=f"{prefix}stock-market-operations",
        ingest_function=f"{prefix}stock-market-ingest",
        trend_function=f"{prefix}stock-market-trend",
        # In SQL, a name with a hyphen would have to be quoted.
        database=prefix.replace("-", "_") + settings.analytics.database,
        sql_table=settings.analytics.table,
        workgroup=prefix + settings.analytics.workgroup,
    )
