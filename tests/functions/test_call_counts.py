"""The number of AWS calls for 1,000 quotes, which determines cost and run time."""

from typing import Any

import pytest

from support.aws.lambda_functions import Context, Functions, event_of, kinesis_record, table_records, walk_of
from support.aws.memory_services import Memory
from support.real_data import wire
from support.reference_figures import book_of

pytestmark = pytest.mark.slow

SYMBOLS = [f"S{number}" for number in range(10)]


def quotes_in_order() -> list[dict[str, Any]]:
    """Return 1,000 quotes of ten symbols in order of time."""
    quotes = [quote for symbol in SYMBOLS for quote in walk_of(symbol, 100)]
    return sorted(quotes, key=lambda quote: (quote["timestamp"], quote["symbol"]))


def run_ingest(functions: Functions, batch: int) -> None:
    """Hand 1,000 quotes to the ingest function, ``batch`` at a time."""
    records = [kinesis_record(wire(quote), number) for number, quote in enumerate(quotes_in_order())]
    for start in range(0, len(records), batch):
        functions.ingest.handler(event_of(records[start : start + batch]), Context())


@pytest.mark.parametrize("batch", [100, 500, 1000])
def test_ingest_asks_once_a_symbol_and_batch_and_writes_in_batches(
    functions: Functions, memory: Memory, batch: int
):
    """1,000 objects, 40 batch writes, and one read for each symbol of each batch; nothing else."""
    run_ingest(functions, batch)
    assert memory.calls == {
        "s3:PutObject": 1000,
        "dynamodb:BatchWriteItem": 40,
        "dynamodb:Query": len(SYMBOLS) * 1000 // batch,
    }


def test_a_late_or_repeated_run_costs_one_more_read(functions: Functions, memory: Memory):
    """The same quotes again: two reads for each symbol of each batch, and no write at all."""
    run_ingest(functions, 100)
    memory.calls.clear()
    run_ingest(functions, 100)
    assert memory.calls == {"dynamodb:Query": 2 * len(SYMBOLS) * 10}


def test_trend_reads_nothing_to_decide(functions: Functions, memory: Memory):
    """One claim, one message and one mark an alert; quotes that raise none cost no call."""
    run_ingest(functions, 1000)
    memory.calls.clear()
    records = table_records(memory.inserted)
    for start in range(0, len(records), 100):
        functions.trend.handler(event_of(records[start : start + 100]), Context())
    alerts = len(book_of(quotes_in_order()).alerts)
    assert 50 < alerts < 200
    assert memory.calls == {
        "dynamodb:PutItem": alerts,
        "sns:Publish": alerts,
        "dynamodb:UpdateItem": alerts,
    }


def test_quotes_without_alerts_cost_the_trend_stage_nothing(functions: Functions, memory: Memory):
    """A quiet market is free."""
    quiet = [{**quote, "price": "100", "previous_close": "100"} for quote in walk_of("AAPL", 100)]
    records = [kinesis_record(wire(quote), number) for number, quote in enumerate(quiet)]
    functions.ingest.handler(event_of(records), Context())
    memory.calls.clear()
    functions.trend.handler(event_of(table_records(memory.inserted)), Context())
    assert not memory.calls
