"""Estimates the cost of the pipeline: fixed cost, and cost per million quotes.

The estimate uses list prices and ignores free tiers.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from stockctl.config.schema import Settings

PRICE_BASIS = "us-east-1 list prices of November 2026"
HOURS_PER_MONTH = 730

# Dollars.
_PRICE_PER_SHARD_HOUR = Decimal("0.015")
_PRICE_PER_EXTENDED_RETENTION_SHARD_HOUR = Decimal("0.02")
_PRICE_PER_ON_DEMAND_STREAM_HOUR = Decimal("0.04")
_PRICE_PER_ON_DEMAND_GB = Decimal("0.08") + Decimal("0.04")  # written, and read again
_PRICE_PER_MILLION_PUT_UNITS = Decimal("0.014")
_PRICE_PER_LAMBDA_GB_SECOND = Decimal("0.0000133334")
_PRICE_PER_MILLION_LAMBDA_CALLS = Decimal("0.20")
_PRICE_PER_MILLION_WRITE_UNITS = Decimal("0.625")
_PRICE_PER_MILLION_READ_UNITS = Decimal("0.125")
_PRICE_PER_MILLION_S3_PUTS = Decimal(5)
_PRICE_PER_ALARM_MONTH = Decimal("0.10")
_PRICE_PER_METRIC_MONTH = Decimal("0.30")
_PRICE_PER_LOG_GB = Decimal("0.50")

_MILLION = 1_000_000
# Properties of this pipeline.
_ALARMS = 8
_METRICS = 2 * 6 + 9  # of the two triggers, and of the two functions
_AGGREGATED_QUOTES_PER_UNIT = 100
_AGGREGATED_QUOTE_BYTES = 240
_ITEM_BYTES = 500
_READ_UNIT_BYTES = 4096
_SECONDS_PER_THOUSAND_QUOTES = Decimal("4.5")  # both functions, mostly waiting for S3
_LOG_BYTES_PER_CALL = 2000
_ALERTS_PER_QUOTE = Decimal("0.063")  # for a random walk
_WRITE_UNITS_PER_ALERT = 4  # logged, then marked, each in the table and its index


class CostLine(NamedTuple):
    """The cost of one part of the pipeline, in dollars."""

    name: str
    fixed_per_month: Decimal
    per_million_quotes: Decimal


class Cost(NamedTuple):
    """The cost by service, in dollars."""

    lines: Sequence[CostLine]
    metrics_per_month: Decimal
    """Cost of the CloudWatch metrics in a month in which quotes arrive all the time."""

    @property
    def fixed_per_month(self) -> Decimal:
        """Fixed cost per month, in dollars."""
        return sum((line.fixed_per_month for line in self.lines), Decimal(0))

    @property
    def fixed_per_day(self) -> Decimal:
        """Fixed cost per day, in dollars."""
        return self.fixed_per_hour * 24

    @property
    def fixed_per_hour(self) -> Decimal:
        """Fixed cost per hour, in dollars."""
        return self.fixed_per_month / HOURS_PER_MONTH

    @property
    def per_million_quotes(self) -> Decimal:
        """Cost per million quotes in dollars, without notifications and storage."""
        return sum((line.per_million_quotes for line in self.lines), Decimal(0))

    def __str__(self) -> str:
        return (
            f"${self.fixed_per_hour:.3f} per hour (${self.fixed_per_day:.2f} per day, "
            f"${self.fixed_per_month:.2f} per month), "
            f"plus ${self.per_million_quotes:.2f} per million quotes, "
            f"and up to ${self.metrics_per_month:.2f} per month for CloudWatch metrics while quotes arrive "
            f"({PRICE_BASIS}; storage and notifications excluded)"
        )


def estimate(settings: Settings) -> Cost:
    """Estimate the cost of the pipeline of ``settings``."""
    batches = Decimal(_MILLION) / settings.functions.batch_size
    lines = [
        _kinesis(settings),
        CostLine("S3: one object per quote", Decimal(0), _PRICE_PER_MILLION_S3_PUTS),
        CostLine(
            "DynamoDB: quotes", Decimal(0), _PRICE_PER_MILLION_WRITE_UNITS + _history(settings, batches)
        ),
        CostLine(
            "DynamoDB: alerts",
            Decimal(0),
            _ALERTS_PER_QUOTE * _WRITE_UNITS_PER_ALERT * _PRICE_PER_MILLION_WRITE_UNITS,
        ),
        CostLine("Lambda", Decimal(0), _functions(settings, batches)),
        CostLine("CloudWatch: alarms and logs", _ALARMS * _PRICE_PER_ALARM_MONTH, _logs(batches)),
    ]
    return Cost(lines, _METRICS * _PRICE_PER_METRIC_MONTH)


def _kinesis(settings: Settings) -> CostLine:
    stream = settings.stream
    if stream.mode == "on-demand":
        # A record counts as whole kilobytes.
        quote_bytes = _AGGREGATED_QUOTE_BYTES if stream.aggregate else 1024
        gigabytes = Decimal(_MILLION * quote_bytes) / 2**30
        return CostLine(
            "Kinesis: on-demand stream",
            _PRICE_PER_ON_DEMAND_STREAM_HOUR * HOURS_PER_MONTH,
            gigabytes * _PRICE_PER_ON_DEMAND_GB,
        )
    shard_hour = _PRICE_PER_SHARD_HOUR + (
        _PRICE_PER_EXTENDED_RETENTION_SHARD_HOUR if stream.retention_hours > 24 else 0
    )
    name = f"Kinesis: {stream.shards} shard{'s' if stream.shards > 1 else ''}"
    put_cost = (
        _PRICE_PER_MILLION_PUT_UNITS / _AGGREGATED_QUOTES_PER_UNIT
        if stream.aggregate
        else _PRICE_PER_MILLION_PUT_UNITS
    )
    return CostLine(name, stream.shards * shard_hour * HOURS_PER_MONTH, put_cost)


def _history(settings: Settings, batches: Decimal) -> Decimal:
    """Return the cost of reading the newest quotes of each symbol for each batch."""
    symbols = min(len(settings.symbols), settings.functions.batch_size)
    read_units = -(-settings.indicators.long * _ITEM_BYTES // _READ_UNIT_BYTES)
    return batches * symbols * read_units / _MILLION * _PRICE_PER_MILLION_READ_UNITS


def _functions(settings: Settings, batches: Decimal) -> Decimal:
    gigabytes = Decimal(settings.functions.memory_mb) / 1024
    seconds = _SECONDS_PER_THOUSAND_QUOTES * _MILLION / 1000
    return (
        2 * batches / _MILLION * _PRICE_PER_MILLION_LAMBDA_CALLS
        + seconds * gigabytes * _PRICE_PER_LAMBDA_GB_SECOND
    )


def _logs(batches: Decimal) -> Decimal:
    return 2 * batches * _LOG_BYTES_PER_CALL / 2**30 * _PRICE_PER_LOG_GB
