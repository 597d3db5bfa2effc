"""Errors and crashes at any point: each quote is stored once, each alert is logged and published once."""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.backends.aws.dynamodb.items import read_alert, read_quote
from stockctl.market.alert import alerts_for
from stockctl.market.rules import AnalysisRules
from stockctl.market.timestamp import object_name
from support.aws.lambda_functions import Functions, load_functions
from support.aws.lambda_model import EventSource
from support.aws.lambda_pipeline import RULES, Pipeline
from support.aws.memory_services import FAULTS, PARTIAL
from support.quote_strategies import examples, plain_quotes
from support.real_data import wire
from support.reference_figures import Book, book_of

pytestmark = pytest.mark.slow

UNREADABLE = (b"\xff", b"", b"{}", b"[]", b'{"symbol":"AAPL"}', b"null", b'{"price":NaN}')
SOURCES = st.builds(
    EventSource, st.integers(1, 40), st.integers(1, 3), st.booleans(), st.just(True), st.none(), st.none()
)
PLANS = st.dictionaries(st.integers(0, 300), st.sampled_from(FAULTS), max_size=12)


@pytest.fixture(scope="module")
def functions() -> Iterator[Functions]:
    """The functions, given back as they were."""
    loaded = load_functions()
    kept = loaded.ingest.function, loaded.trend.function
    yield loaded
    loaded.ingest.function, loaded.trend.function = kept


@st.composite
def deliveries(draw: Any) -> list[dict[str, Any] | bytes]:
    """Draw quotes in order of time, some of them again with another price, and what is no quote."""
    items: list[dict[str, Any] | bytes] = list(draw(plain_quotes()))
    for place, item in draw(
        st.lists(st.tuples(st.integers(0, 30), st.sampled_from(UNREADABLE) | st.integers(0, 29)), max_size=6)
    ):
        if isinstance(item, bytes):
            items.insert(place, item)
        elif item < len(items) and isinstance(items[item], dict):
            items.insert(max(place, item + 1), {**items[item], "price": "77"})
    return items


def payload(item: dict[str, Any] | bytes) -> bytes:
    """Return what travels."""
    return item if isinstance(item, bytes) else wire(item)


def keys(items: list[dict[str, Any] | bytes]) -> list[str]:
    """Return partition keys: the symbol, or for what has none a key of its own."""
    return [f"?{n}" if isinstance(item, bytes) else item["symbol"] for n, item in enumerate(items)]


def assert_complete(pipeline: Pipeline, items: list[dict[str, Any] | bytes], book: Book) -> None:
    """Everything is as if nothing had gone wrong, but for alerts published more than once."""
    memory = pipeline.memory
    quotes = [item for item in items if not isinstance(item, bytes)]
    stored = [read_quote(item) for item in memory.quotes.values()]
    assert {quote[:2]: quote._asdict() for quote in stored} == book.rows
    assert [change["eventName"] for change in memory.inserted] == ["INSERT"] * len(book.rows)
    first: dict[str, bytes] = {}
    for quote in quotes:
        first.setdefault(f"raw-data/{quote['symbol']}/{object_name(quote['timestamp'])}.json", wire(quote))
    raw = {key: body for key, body in memory.objects.items() if key.startswith("raw-data/")}
    assert raw == first
    assert sorted(quarantined(pipeline)) == sorted(item for item in items if isinstance(item, bytes))
    logged = {alert_id: read_alert(item) for alert_id, item in memory.alerts.items()}
    assert {alert.alert_id: alert.message for alert in logged.values()} == {
        alert_id: alert["message"] for alert_id, alert in book.alerts.items()
    }
    assert all(alert.published_at for alert in logged.values())
    assert set(pipeline.published) == set(book.alerts)
    assert pipeline.unexcused() == []


def quarantined(pipeline: Pipeline) -> list[bytes]:
    """Return the bytes of the quarantined records."""
    documents = [body for key, body in pipeline.memory.objects.items() if key.startswith("quarantine/")]
    return [b64decode(json.loads(document)["bytes"]) for document in documents]


@examples(120)
@given(deliveries(), SOURCES, PLANS)
def test_nothing_is_lost_and_nothing_counts_twice(
    functions: Functions, items: list[dict[str, Any] | bytes], source: EventSource, plan: dict[int, str]
):
    """Faults at any calls of either function, batches and lanes of any size: the outcome is the same."""
    pipeline = Pipeline(functions, plan)
    pipeline.run([payload(item) for item in items], keys(items), source)
    quotes = [item for item in items if not isinstance(item, bytes)]
    assert_complete(pipeline, items, book_of(quotes, **RULES))


@examples(60)
@given(
    deliveries(),
    st.integers(1, 10),
    st.booleans(),
    st.integers(0, 2),
    st.dictionaries(st.integers(0, 120), st.sampled_from(FAULTS), min_size=20, max_size=60),
)
def test_what_is_given_up_is_in_the_failure_destination(
    functions: Functions,
    items: list[dict[str, Any] | bytes],
    size: int,
    bisect: bool,
    retries: int,
    plan: dict[int, str],
):
    """With few retries and many faults a record is handled, or it was set aside with its data."""
    pipeline = Pipeline(functions, plan)
    source = EventSource(size, bisect=bisect, retries=retries)
    pipeline.run([payload(item) for item in items], keys(items), source)
    set_aside = [b64decode(record.event["kinesis"]["data"]) for record in pipeline.unstored]
    kept = quarantined(pipeline)
    for item in items:
        if isinstance(item, bytes):
            assert item in kept or item in set_aside
        else:
            assert (item["symbol"], item["timestamp"]) in pipeline.memory.quotes or wire(item) in set_aside
    assert_alerted_or_set_aside(pipeline)


def assert_alerted_or_set_aside(pipeline: Pipeline) -> None:
    """Each stored quote's alerts are logged and published, unless the quote was set aside."""
    set_aside = {read_quote(record.event["dynamodb"]["NewImage"])[:2] for record in pipeline.unwatched}
    rules = AnalysisRules(**RULES)
    for item in pipeline.memory.quotes.values():
        quote = read_quote(item)
        for alert in alerts_for(quote, rules, ""):
            done = alert.alert_id in pipeline.memory.alerts and pipeline.published[alert.alert_id]
            assert done or quote[:2] in set_aside


def turning_quotes() -> list[dict[str, Any]]:
    """Return quotes that raise every kind of alert, two at once among them."""
    prices = ["100", "100", "100", "100", "90", "101", "120", "80", "60", "61"]
    return [
        {
            "symbol": "AAPL",
            "timestamp": f"2019-02-11T15:{minute:02}:00.000Z",
            "price": price,
            "previous_close": "100",
            "open": None,
            "high": None,
            "low": None,
            "volume": minute,
            "source": "replay",
        }
        for minute, price in enumerate(prices)
    ]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("size", [3, 100])
def test_one_fault_at_each_call_in_turn(functions: Functions, fault: str, size: int):
    """There is no moment at which a fault does harm."""
    items: list[dict[str, Any] | bytes] = [*turning_quotes()[:4], b"\xff", *turning_quotes()[4:]]
    book = book_of(turning_quotes(), **RULES)
    assert {alert["kind"] for alert in book.alerts.values()} == {"trend_up", "trend_down", "anomaly"}
    smooth = Pipeline(functions)
    smooth.run([payload(item) for item in items], keys(items), EventSource(size))
    assert set(smooth.published.values()) == {1}
    for call in range(sum(smooth.memory.calls.values())):
        pipeline = Pipeline(functions, {call: fault})
        pipeline.run([payload(item) for item in items], keys(items), EventSource(size))
        assert len(pipeline.faults.incidents) == 1
        assert_complete(pipeline, items, book)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != PARTIAL])
def test_an_alert_is_published_twice_only_when_its_own_mark_is_missing(functions: Functions, fault: str):
    """Only what strikes between publishing and marking sends an alert again, and no other one with it."""
    items = turning_quotes()
    smooth = Pipeline(functions)
    smooth.run([payload(item) for item in items], keys(items), EventSource())
    for call in range(sum(smooth.memory.calls.values())):
        pipeline = Pipeline(functions, {call: fault})
        pipeline.run([payload(item) for item in items], keys(items), EventSource())
        ((_, incident),) = pipeline.faults.incidents
        again = {alert_id for alert_id, count in pipeline.published.items() if count > 1}
        assert not again or (again == {incident.about} and incident.operation in ("Publish", "UpdateItem"))
