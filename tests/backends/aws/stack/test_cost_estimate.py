"""The cost estimate of the pipeline."""

import re
from decimal import Decimal
from pathlib import Path

import stockctl.functions
from stockctl.backends.aws.stack import cost
from stockctl.backends.aws.stack.cost import estimate
from support.aws.template import resources, settings

FUNCTIONS = Path(stockctl.functions.__file__).parent


def cents(amount: Decimal) -> Decimal:
    """Return an amount in whole cents."""
    return amount.quantize(Decimal("0.01"))


def test_a_shard_and_the_alarms_are_the_idle_bill() -> None:
    """730 hours of a shard at $0.015, eight alarms at $0.10."""
    idle = estimate(settings())

    assert cents(idle.fixed_per_month) == Decimal("11.75") == Decimal("10.95") + Decimal("0.80")
    assert cents(idle.fixed_per_day) == Decimal("0.39")
    assert idle.fixed_per_hour.quantize(Decimal("0.001")) == Decimal("0.016")


def test_the_stream_decides_the_idle_bill() -> None:
    """Shards multiply it, a longer retention adds to each shard, on-demand costs $0.04 an hour."""
    alarms = Decimal("0.80")

    assert cents(estimate(settings(stream={"shards": 4})).fixed_per_month) == 4 * Decimal("10.95") + alarms
    longer = estimate(settings(stream={"shards": 2, "retention_hours": 48}))
    assert cents(longer.fixed_per_month) == 2 * (Decimal("0.015") + Decimal("0.02")) * 730 + alarms
    assert (
        cents(estimate(settings(stream={"mode": "on-demand"})).fixed_per_month) == Decimal("29.20") + alarms
    )


def test_a_million_quotes_cost_mostly_objects() -> None:
    """A PUT for each at $5 a million, a write unit for each at $0.625, and little else."""
    lines = {line.name: line.per_million_quotes for line in estimate(settings()).lines}

    assert lines["S3: one object per quote"] == 5
    assert cents(lines["DynamoDB: alerts"]) == Decimal("0.16")
    without_alerts = sum(lines.values()) - lines["DynamoDB: alerts"]
    assert Decimal("5.65") < without_alerts < Decimal("5.80")


def test_aggregated_quotes_share_what_kinesis_counts() -> None:
    """A hundred in a unit of 25 KB; by volume, their bytes instead of a whole kilobyte each."""
    for mode in ("provisioned", "on-demand"):
        plain, packed = (
            estimate(settings(stream={"mode": mode, "aggregate": aggregate})).lines[0].per_million_quotes
            for aggregate in (False, True)
        )
        assert packed < plain / 4
    assert (
        estimate(settings(stream={"aggregate": True})).lines[0].per_million_quotes == Decimal("0.014") / 100
    )


def test_larger_batches_and_less_memory_are_cheaper() -> None:
    """Calls, history reads and log lines go with batches; run time goes with memory."""
    usual = estimate(settings()).per_million_quotes

    assert estimate(settings(functions={"batch_size": 1000})).per_million_quotes < usual
    assert estimate(settings(functions={"batch_size": 10})).per_million_quotes > usual
    assert estimate(settings(functions={"memory_mb": 2048})).per_million_quotes > usual


def test_the_sentence_names_every_figure_and_the_date() -> None:
    """Per hour, day and month, per million quotes, and of when the prices are."""
    sentence = str(estimate(settings()))

    for part in (
        "$0.016 per hour",
        "$0.39 per day",
        "$11.75 per month",
        "per million quotes",
        "November 2026",
    ):
        assert part in sentence


def test_alarms_and_metrics_are_counted_as_they_are() -> None:
    """The figures of the estimate follow the template and the handlers."""
    emitted = {
        (file.stem, name)
        for file in FUNCTIONS.glob("*.py")
        for name in re.findall(r'add_metric\("(\w+)"', file.read_text("utf-8"))
    }

    assert len(resources("AWS::CloudWatch::Alarm")) == cost._ALARMS
    assert len(emitted) + 2 * 6 == cost._METRICS, sorted(emitted)
