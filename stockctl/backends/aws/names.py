"""What everything on AWS is called."""

from collections.abc import Mapping
from typing import NamedTuple

from stockctl.config.schema import Settings

DEFAULT_BUCKET = "stock-market-data-bucket"


class Names(NamedTuple):
    """The names of one pipeline in one account and region.

    ``project.name`` stands before every one of them, so that several pipelines fit into an account.
    """

    account: str
    region: str
    partition: str
    """``aws``, or what China and GovCloud have instead."""
    stack: str
    stream: str
    table: str
    alerts_table: str
    bucket: str
    artifacts: str
    """The bucket of the functions' code; bucket names are shared by all accounts and regions."""
    alert_topic: str
    operations_topic: str
    ingest_function: str
    trend_function: str
    database: str
    sql_table: str
    workgroup: str

    @property
    def functions(self) -> tuple[str, str]:
        """Both functions, in the order in which a quote meets them."""
        return self.ingest_function, self.trend_function

    def as_deployed(self, physical_ids: Mapping[str, str]) -> "Names":
        """Return the names, with those in their place that a stack has (by logical id)."""
        moved = {field: physical_ids[key] for key, field in _IDENTIFIED.items() if physical_ids.get(key)}
        return self._replace(**moved)


# Resources of the template whose physical id is their name.
_IDENTIFIED = {
    "Stream": "stream",
    "DataBucket": "bucket",
    "QuotesTable": "table",
    "AlertsTable": "alerts_table",
    "IngestFunction": "ingest_function",
    "TrendFunction": "trend_function",
    "Workgroup": "workgroup",
}


def names_of(settings: Settings, account: str, region: str, partition: str = "aws") -> Names:
    """Return the names that ``settings`` give to a pipeline in ``account`` and ``region``."""
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
        # SQL knows no hyphen in a name that is not quoted.
        database=prefix.replace("-", "_") + settings.analytics.database,
        sql_table=settings.analytics.table,
        workgroup=prefix + settings.analytics.workgroup,
    )
