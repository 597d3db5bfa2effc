"""The configuration: every key with its type, default and meaning."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from stockctl.config.subscriptions import check_endpoint, filter_policy
from stockctl.config.types import NO_VALIDATOR, check_sql_name, check_type, parse_path, pattern_validator
from stockctl.errors import UsageError
from stockctl.formatting import parse_duration
from stockctl.market.alert import Kind
from stockctl.market.rules import AnalysisRules, MarketClosedPolicy
from stockctl.market.symbol import parse_symbol

PROJECT_NAME = "1 to 10 lowercase letters, digits and hyphens, starting with a letter"
_SOURCE_NAME = "1 to 32 lowercase letters, digits, - and _, starting with a letter"


def _check_duration(text: str) -> str:
    if text.strip() != "0":
        parse_duration(text)
    return text.strip()


def _zero_as_text(value: object) -> object:
    return "0" if value == 0 and not isinstance(value, bool) else value


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Turn a ``UsageError`` into the ``ValueError`` that a validator has to raise."""
    try:
        yield
    except UsageError as error:
        raise ValueError(f"{error.message} {error.hint}".rstrip(".")) from None


def _without_duplicates(symbols: list[str]) -> list[str]:
    return list(dict.fromkeys(symbols))


SqlName = Annotated[str, AfterValidator(check_sql_name)]
FilePath = Annotated[Path, BeforeValidator(parse_path)]
Symbol = Annotated[str, AfterValidator(parse_symbol)]


class Section(BaseModel):
    """A table of the file. Keys that it does not have are errors.

    Pydantic builds a section's validator when it is first used: most commands use few sections, and building
    all of them takes longer than most commands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _check_type(cls, value: object, info: ValidationInfo) -> object:
        if info.field_name is not None:
            check_type(cls.model_fields[info.field_name].annotation, value)
        return value


class Project(Section):
    """The name of this pipeline: the prefix of the names of all its AWS resources."""

    name: Annotated[str, AfterValidator(pattern_validator(r"([a-z][a-z0-9-]{0,9})?", PROJECT_NAME))] = Field(
        "",
        description="prefix of the names of all AWS resources; empty: no prefix",
    )

    @property
    def label(self) -> str:
        """The name, or ``stockctl`` for a project without one."""
        return self.name or "stockctl"


class Local(Section):
    """The data folder of the embedded pipeline."""

    path: FilePath = Field(
        default_factory=lambda: user_data_path("stockctl", appauthor=False),
        description="data folder of the embedded pipeline; default: the user data folder of this platform",
        examples=["~/stocks"],
    )


class SourceSettings(Section):
    """The default source of quotes; the interval is in seconds."""

    name: Annotated[str, AfterValidator(pattern_validator(r"[a-z][a-z0-9_-]{0,31}", _SOURCE_NAME))] = Field(
        "yahoo",
        description="yahoo, yahoo-live, replay, simulate, ndjson, or a source of another package",
    )
    interval: float = Field(30.0, ge=1, le=86_400, description="seconds between polls")
    parallel: int = Field(4, ge=1, le=16, description="concurrent requests to Yahoo")
    requests_per_minute: float = Field(
        60.0,
        ge=1,
        le=6000,
        description="maximum requests to Yahoo per minute, including those for cookies",
    )
    when_closed: MarketClosedPolicy = Field(
        MarketClosedPolicy.WAIT,
        description="what a live source does while its markets are closed: wait, continue or exit",
    )
    options: dict[str, Any] = Field({}, description="options for a source of another package, as a table")


class Indicators(Section):
    """Windows of the moving averages, in quotes."""

    short: int = Field(5, ge=1, le=1000, description="quotes in the short moving average")
    long: int = Field(20, ge=2, le=1000, description="quotes in the long moving average")

    @model_validator(mode="after")
    def _check_order(self) -> "Indicators":
        if self.short >= self.long:
            raise ValueError(f"short = {self.short} must be below long = {self.long}")
        return self


class Anomaly(Section):
    """How large a price change must be to count as an anomaly, in percent of the previous close."""

    threshold_percent: Decimal = Field(
        Decimal(5),
        gt=0,
        le=1000,
        decimal_places=6,
        description="a price change of more than this percentage of the previous close is an anomaly",
    )


class Subscription(Section):
    """A subscriber to alerts, optionally of some symbols and kinds only."""

    protocol: Literal["email", "sms", "sqs", "https"]
    endpoint: str
    symbols: list[Symbol] = []
    kinds: list[Kind] = []

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str, info: ValidationInfo) -> str:
        if "protocol" in info.data:
            with _as_value_error():
                check_endpoint(info.data["protocol"], endpoint)
        return endpoint

    @model_validator(mode="after")
    def _check_filter(self) -> "Subscription":
        with _as_value_error():
            filter_policy(self.symbols, self.kinds)
        return self


class Alerts(Section):
    """The alerts that are published, and their subscribers."""

    max_age: Annotated[str, BeforeValidator(_zero_as_text), AfterValidator(_check_duration)] = Field(
        "1h",
        description="alerts of quotes older than this are logged but not published; 0: no limit",
    )
    topic: str = Field("stock-market-alerts", description="SNS topic of alerts")
    subscriptions: list[Subscription] = Field(
        [], description="subscribers on AWS: a list of tables with protocol, endpoint, symbols and kinds"
    )

    @property
    def max_age_limit(self) -> timedelta | None:
        """The age above which an alert is only logged; None means no limit."""
        return None if self.max_age == "0" else parse_duration(self.max_age) or None


class Aws(Section):
    """Account, region and endpoint; the defaults come from boto3's configuration."""

    region: str | None = Field(
        None, description="AWS region; default: the one boto3 uses", examples=["eu-west-1"]
    )
    profile: str | None = Field(
        None, description="AWS profile; default: the one boto3 uses", examples=["trading"]
    )
    endpoint_url: str | None = Field(
        None, description="URL of an AWS-compatible emulator", examples=["http://127.0.0.1:4566"]
    )
    tags: dict[str, str] = Field({}, description="tags for every resource that can have them")


class StreamSettings(Section):
    """The Kinesis stream."""

    name: str = Field("stock-market-stream", description="Kinesis stream")
    mode: Literal["provisioned", "on-demand"] = Field("provisioned", description="provisioned or on-demand")
    shards: int = Field(1, ge=1, le=500, description="shards of a provisioned stream")
    retention_hours: int = Field(24, ge=24, le=8760, description="how many hours the stream keeps records")
    aggregate: bool = Field(
        False, description="pack quotes into fewer, larger records in the aggregated format of the KPL"
    )
    outbox: FilePath | None = Field(
        None,
        description="file that queues live quotes until they are delivered; default: in the data folder, or "
        "(on AWS) in the user state folder",
        examples=["~/stocks-outbox.db"],
    )
    outbox_mb: int = Field(
        256, ge=1, le=1_000_000, description="maximum size of the outbox in MiB (2**20 bytes)"
    )
    outbox_full: Literal["block", "drop-oldest"] = Field(
        "block",
        description="when the outbox is full: block makes the source wait, drop-oldest loses quotes",
    )


class Functions(Section):
    """The Lambda functions and their triggers; the window is in seconds."""

    batch_size: int = Field(100, ge=1, le=10_000, description="maximum records per call")
    batch_window: int = Field(5, ge=0, le=300, description="seconds to wait for a full batch")
    parallelization: int = Field(1, ge=1, le=10, description="concurrent batches per shard")
    retries: int = Field(
        50, ge=0, le=10_000, description="retries of a failing batch before it is moved to the S3 bucket"
    )
    record_age_hours: int | None = Field(
        None,
        ge=1,
        le=168,
        description="hours until a failing record is moved to the S3 bucket; default: 23, the maximum "
        "in the trend stage",
        examples=[12],
    )
    bisect: bool = Field(
        True, description="halve a failing batch, so that only failing records are moved to the S3 bucket"
    )
    memory_mb: int = Field(512, ge=128, le=10_240, description="memory of a Lambda function in MB")
    timeout_seconds: int = Field(120, ge=3, le=900, description="timeout of a Lambda function")


class Table(Section):
    """The DynamoDB table of stored quotes."""

    name: str = Field("stock-market-data", description="DynamoDB table of stored quotes")
    ttl_days: int | None = Field(
        None, ge=1, description="days until a stored quote expires; default: never", examples=[90]
    )


class ArchiveSettings(Section):
    """The S3 bucket of raw quotes."""

    bucket: str | None = Field(
        None,
        description="S3 bucket; default: stock-market-data-bucket-<account>-<region>",
        examples=["my-quotes"],
    )
    retention_days: int | None = Field(
        None, ge=1, description="days until a raw quote expires; default: never", examples=[365]
    )


class Analytics(Section):
    """Glue database and table, Athena workgroup and its scan limit."""

    database: SqlName = Field("stock_data_db", description="database of the table for SQL")
    table: SqlName = Field("stock_data_table", description="table for SQL")
    workgroup: str = Field("stockctl", description="Athena workgroup")
    scan_limit_mb: int = Field(
        1024, ge=10, description="maximum data that one Athena query may scan, in MiB (2**20 bytes)"
    )


class Logs(Section):
    """The logs of the functions."""

    retention_days: int = Field(14, ge=1, description="how many days the logs of the functions are kept")


class Settings(Section):
    """The whole configuration."""

    target: Literal["local", "aws"] = Field(
        "local",
        description="where the pipeline runs: local (embedded, in one folder) or aws (managed services)",
    )
    symbols: Annotated[list[Symbol], AfterValidator(_without_duplicates)] = Field(
        ["AAPL", "MSFT", "GOOGL", "AMZN", "NVDA"],
        min_length=1,
        description="symbols to stream without --symbols (a replay streams all symbols in its files)",
    )
    project: Annotated[Project, NO_VALIDATOR] = Field(default_factory=Project.model_construct)
    local: Annotated[Local, NO_VALIDATOR] = Field(default_factory=Local.model_construct)
    source: Annotated[SourceSettings, NO_VALIDATOR] = Field(default_factory=SourceSettings.model_construct)
    indicators: Annotated[Indicators, NO_VALIDATOR] = Field(default_factory=Indicators.model_construct)
    anomaly: Annotated[Anomaly, NO_VALIDATOR] = Field(default_factory=Anomaly.model_construct)
    alerts: Annotated[Alerts, NO_VALIDATOR] = Field(default_factory=Alerts.model_construct)
    aws: Annotated[Aws, NO_VALIDATOR] = Field(default_factory=Aws.model_construct)
    stream: Annotated[StreamSettings, NO_VALIDATOR] = Field(default_factory=StreamSettings.model_construct)
    functions: Annotated[Functions, NO_VALIDATOR] = Field(default_factory=Functions.model_construct)
    table: Annotated[Table, NO_VALIDATOR] = Field(default_factory=Table.model_construct)
    archive: Annotated[ArchiveSettings, NO_VALIDATOR] = Field(default_factory=ArchiveSettings.model_construct)
    analytics: Annotated[Analytics, NO_VALIDATOR] = Field(default_factory=Analytics.model_construct)
    logs: Annotated[Logs, NO_VALIDATOR] = Field(default_factory=Logs.model_construct)

    @model_validator(mode="before")
    @classmethod
    def _build_sections(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value if name not in SECTIONS else SECTIONS[name].model_validate(value)
            for name, value in values.items()
        }

    @property
    def rules(self) -> AnalysisRules:
        """The part of the configuration that the pipeline's stages use."""
        return AnalysisRules(self.indicators.short, self.indicators.long, self.anomaly.threshold_percent)


SECTIONS: Mapping[str, type[Section]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
"""The tables of the file, by name."""


def dotted_keys() -> list[str]:
    """Return every key, dotted, in the order of the fields."""
    keys: list[str] = []
    for name in Settings.model_fields:
        section = SECTIONS.get(name)
        keys += [name] if section is None else [f"{name}.{key}" for key in section.model_fields]
    return keys
