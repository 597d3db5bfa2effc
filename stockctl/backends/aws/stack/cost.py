"""What the pipeline costs: left alone, and for the quotes that go through it.

An estimate to decide by, from list prices; free tiers are not counted.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from stockctl.config.schema import Settings

PRICES_OF = "us-east-1 list prices of November 2026"
HOURS_A_MONTH = 730

# Dollars.
_SHARD_HOUR = Decimal("0.015")
_EXTENDED_RETENTION_SHARD_HOUR = Decimal("0.02")
_ON_DEMAND_STREAM_HOUR = Decimal("0.04")
_ON_DEMAND_GB = Decimal("0.08") + Decimal("0.04")  # in, and out again
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
# Of this pipeline.
_ALARMS = 8
_METRICS = 2 * 6 + 9  # of the two triggers, and of the two handlers
_AGGREGATED_QUOTES_PER_UNIT = 100
_AGGREGATED_QUOTE_BYTES = 240
_ITEM_BYTES = 500
_READ_UNIT_BYTES = 4096
_SECONDS_PER_THOUSAND_QUOTES = Decimal("4.5")  # both stages, mostly waiting for S3
_LOG_BYTES_PER_CALL = 2000
_ALERTS_PER_QUOTE = Decimal("0.063")  # of a random walk
_WRITE_UNITS_PER_ALERT = 4  # claimed, then marked, each in the table and its index


class CostLine(NamedTuple):
    """One part of the bill, in dollars."""

    what: str
    month: Decimal
    """For being there."""
    million: Decimal
    """For a million quotes."""


class Cost(NamedTuple):
    """The bill, by service; ``active_month`` comes on top in a month in which quotes flow all the time."""

    lines: Sequence[CostLine]
    active_month: Decimal

    @property
    def month(self) -> Decimal:
        """Dollars a month, left alone."""
        return sum((line.month for line in self.lines), Decimal(0))

    @property
    def day(self) -> Decimal:
        """Dollars a day, left alone."""
        return self.hour * 24

    @property
    def hour(self) -> Decimal:
        """Dollars an hour, left alone."""
        return self.month / HOURS_A_MONTH

    @property
    def million(self) -> Decimal:
        """Dollars for a million quotes, notifications and storage aside."""
        return sum((line.million for line in self.lines), Decimal(0))

    def __str__(self) -> str:
        return (
            f"left alone ${self.hour:.3f} an hour, ${self.day:.2f} a day, ${self.month:.2f} a month; "
            f"${self.million:.2f} for a million quotes, and up to ${self.active_month:.2f} a month for "
            f"metrics while they flow ({PRICES_OF}; storage and notifications come on top)"
        )


def estimate(settings: Settings) -> Cost:
    """Return what the pipeline of ``settings`` costs."""
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
            "Kinesis: on-demand stream", _ON_DEMAND_STREAM_HOUR * HOURS_A_MONTH, gigabytes * _ON_DEMAND_GB
        )
    hour = _SHARD_HOUR + (_EXTENDED_RETENTION_SHARD_HOUR if stream.retention_hours > 24 else 0)
    what = f"Kinesis: {stream.shards} shard{'s' if stream.shards > 1 else ''}"
    units = _MILLION_PUT_UNITS / _AGGREGATED_QUOTES_PER_UNIT if stream.aggregate else _MILLION_PUT_UNITS
    return CostLine(what, stream.shards * hour * HOURS_A_MONTH, units)


def _history(settings: Settings, batches: Decimal) -> Decimal:
    """Return what reading the newest quotes of each symbol of each batch costs."""
    symbols = min(len(settings.symbols), settings.functions.batch_size)
    units = -(-settings.indicators.long * _ITEM_BYTES // _READ_UNIT_BYTES)
    return batches * symbols * units / _MILLION * _MILLION_READ_UNITS


def _functions(settings: Settings, batches: Decimal) -> Decimal:
    gigabytes = Decimal(settings.functions.memory_mb) / 1024
    seconds = _SECONDS_PER_THOUSAND_QUOTES * _MILLION / 1000
    return 2 * batches / _MILLION * _LAMBDA_MILLION_CALLS + seconds * gigabytes * _LAMBDA_GB_SECOND


def _logs(batches: Decimal) -> Decimal:
    return 2 * batches * _LOG_BYTES_PER_CALL / 2**30 * _LOGS_GB
