"""Estimates the cost of the pipeline: fixed cost, and cost per million quotes.

The estimate uses list prices and ignores free tiers.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from stockctl.config.schema import Settings

PRICE_SOURCE = "us-east-1 list prices of November 2026"
HOURS_PER_MONTH = 730

# Dollars.
_SHARD_HOUR = Decimal("0.015")
_EXTENDED_RETENTION_SHARD_HOUR = Decimal("0.02")
_ON_DEMAND_STREAM_HOUR = Decimal("0.04")
_ON_DEMAND_GB = Decimal("0.08") + Decimal("0.04")  # written, and read again
_MILLION_PUT_UNITS = Decimal("0.014")
_LAMBDA_GB_SECOND = Decimal("0.0000133334")
_LAMBDA_MILLION_CALLS = Decimal("0.20")
_MILLION_WRITE_UNITS = Decimal("0.625")
_MILLION_READ_UNITS = Decimal("0.125")
_S3_MILLION_PUTS = Decimal(5)
_ALARM_MONTH = Decimal("0.10")
_METRIC_MONTH = Decimal("0.30")
_LOGS_GB = Decimal("0.50")

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
    """The cost of one part, in dollars."""

    name: str
    month: Decimal
    """Fixed cost per month."""
    million: Decimal
    """Cost per million quotes."""


class Cost(NamedTuple):
    """The cost by service; ``active_month`` is added in a month in which quotes arrive all the time."""

    lines: Sequence[CostLine]
    active_month: Decimal

    @property
    def month(self) -> Decimal:
        """Fixed cost per month, in dollars."""
        return sum((line.month for line in self.lines), Decimal(0))

    @property
    def day(self) -> Decimal:
        """Fixed cost per day, in dollars."""
        return self.hour * 24

    @property
    def hour(self) -> Decimal:
        """Fixed cost per hour, in dollars."""
        return self.month / HOURS_PER_MONTH

    @property
    def million(self) -> Decimal:
        """Cost per million quotes in dollars, without notifications and storage."""
        return sum((line.million for line in self.lines), Decimal(0))

    def __str__(self) -> str:
        return (
            f"${self.hour:.3f} an hour (${self.day:.2f} a day, ${self.month:.2f} a month) even without "
            f"quotes; plus ${self.million:.2f} for a million quotes, and up to ${self.active_month:.2f} a "
            f"month for metrics while quotes arrive ({PRICE_SOURCE}; storage and notifications not included)"
        )


def estimate(settings: Settings) -> Cost:
    """Estimate the cost of the pipeline of ``settings``."""
    batches = Decimal(_MILLION) / settings.functions.batch_size
    lines = [
        _kinesis(settings),
        CostLine("S3: one object a quote", Decimal(0), _S3_MILLION_PUTS),
        CostLine("DynamoDB: quotes", Decimal(0), _MILLION_WRITE_UNITS + _history(settings, batches)),
        CostLine(
            "DynamoDB: alerts", Decimal(0), _ALERTS_PER_QUOTE * _WRITE_UNITS_PER_ALERT * _MILLION_WRITE_UNITS
        ),
        CostLine("Lambda", Decimal(0), _functions(settings, batches)),
        CostLine("CloudWatch: alarms and logs", _ALARMS * _ALARM_MONTH, _logs(batches)),
    ]
    return Cost(lines, _METRICS * _METRIC_MONTH)


def _kinesis(settings: Settings) -> CostLine:
    stream = settings.stream
    if stream.mode == "on-demand":
        # A record counts as whole kilobytes.
        quote_bytes = _AGGREGATED_QUOTE_BYTES if stream.aggregate else 1024
        gigabytes = Decimal(_MILLION * quote_bytes) / 2**30
        return CostLine(
            "Kinesis: on-demand stream", _ON_DEMAND_STREAM_HOUR * HOURS_PER_MONTH, gigabytes * _ON_DEMAND_GB
        )
    hour = _SHARD_HOUR + (_EXTENDED_RETENTION_SHARD_HOUR if stream.retention_hours > 24 else 0)
    name = f"Kinesis: {stream.shards} shard{'s' if stream.shards > 1 else ''}"
    units = _MILLION_PUT_UNITS / _AGGREGATED_QUOTES_PER_UNIT if stream.aggregate else _MILLION_PUT_UNITS
    return CostLine(name, stream.shards * hour * HOURS_PER_MONTH, units)


def _history(settings: Settings, batches: Decimal) -> Decimal:
    """Return the cost of reading the newest quotes of each symbol for each batch."""
    symbols = min(len(settings.symbols), settings.functions.batch_size)
    units = -(-settings.indicators.long * _ITEM_BYTES // _READ_UNIT_BYTES)
    return batches * symbols * units / _MILLION * _MILLION_READ_UNITS


def _functions(settings: Settings, batches: Decimal) -> Decimal:
    gigabytes = Decimal(settings.functions.memory_mb) / 1024
    seconds = _SECONDS_PER_THOUSAND_QUOTES * _MILLION / 1000
    return 2 * batches / _MILLION * _LAMBDA_MILLION_CALLS + seconds * gigabytes * _LAMBDA_GB_SECOND


def _logs(batches: Decimal) -> Decimal:
    return 2 * batches * _LOG_BYTES_PER_CALL / 2**30 * _LOGS_GB
