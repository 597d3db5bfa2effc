"""Parsing of live messages, merging of quotes, the watchdog and the queue."""

from datetime import UTC, datetime
from decimal import Decimal
from struct import pack, unpack
from threading import Event, Thread
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.errors import SourceError, UsageError
from stockctl.market.errors import InvalidQuote
from stockctl.market.plausibility import PlausibilityChecker
from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo_stream.connection_manager import Watchdog
from stockctl.sources.yahoo_stream.context import Counters
from stockctl.sources.yahoo_stream.protocol import close_before, parse_pricing, subscribe_messages
from stockctl.sources.yahoo_stream.reader import QuoteMerger, ReceivedQuote
from stockctl.sources.yahoo_stream.source import BoundedQueue, QueueClosed, YahooStreamSource
from support.quote_strategies import examples

NOW = datetime(2025, 10, 9, 15, 5, tzinfo=UTC)
TIME = 1_760_022_000_123
"""2025-10-09T15:00:00.123Z."""


def single(value: float) -> float:
    """Return the 32-bit float nearest to a number, as the protocol carries it."""
    return unpack("<f", pack("<f", value))[0]


class Message(NamedTuple):
    """A message as it is decoded: what was not sent is zero."""

    id: str = "AAPL"
    price: float = single(187.44)
    time: int = TIME
    market_hours: int = 1
    change: float = 0.0
    previous_close: float = 0.0
    open_price: float = 0.0
    day_high: float = 0.0
    day_low: float = 0.0
    day_volume: int = 0


def read(**fields: object) -> Quote:
    """Return the quote in a message with these fields."""
    quote = parse_pricing(Message(**fields), NOW).quote
    assert quote is not None
    return quote


def test_what_was_not_sent_is_unknown() -> None:
    """Never zero; neither a close nor a change says nothing about the close."""
    assert read() == Quote(
        "AAPL", "2025-10-09T15:00:00.123Z", Decimal("187.44"), None, None, None, None, None, "yahoo",
        "2025-10-09T15:05:00.000Z",
    )  # fmt: skip


def test_session_figures_are_taken_over() -> None:
    """Free of the noise of 32-bit floats."""
    quote = read(
        open_price=single(186.2299957), day_high=single(188.01), day_low=single(0.1), day_volume=8_589_934_592
    )
    assert quote[4:8] == (Decimal("186.23"), Decimal("188.01"), Decimal("0.1"), 8_589_934_592)


@pytest.mark.parametrize(
    ("price", "close"),
    [
        (187.44, "185"), (16.63, "16.6298"), (1.09529, "1.09501"), (5241.53, "5254.35"), (0.0512, "0.0498"),
        (103822.15, "103426.05"), (23.23, "24.91"), (9.95, "100"), (415.26, "415.25"), (2.5, "2.4999"),
        (14.62, "46.56"), (129.02, "1.01"),
    ],
)  # fmt: skip
def test_a_close_that_is_missing_is_the_price_less_the_change(price: float, close: str) -> None:
    """Exactly the close, whether Yahoo subtracts 32-bit floats or rounds the exact change to one."""
    for change in (
        single(single(price) - single(float(close))),
        single(float(Decimal(str(price)) - Decimal(close))),
    ):
        assert read(price=single(price), change=change).previous_close == Decimal(close)


@examples(200)
@given(st.integers(100, 99_999), st.integers(100, 99_999))
def test_prices_in_cents_give_their_close_to_the_cent(price: int, close: int) -> None:
    """Any price and close up to a thousand that have two decimals."""
    if price == close:
        return
    change = single(single(price / 100) - single(close / 100))
    assert close_before(single(price / 100), change) == Decimal(close) / 100


def test_a_close_that_was_sent_is_not_computed() -> None:
    """The change may be of another session then."""
    assert read(previous_close=single(185.12), change=1.0).previous_close == Decimal("185.12")


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_close": float("nan")},
        {"change": float("nan")},
        {"change": float("inf")},
        {"change": 500.0},
        {"previous_close": 0.001},
        {"previous_close": -3.0},
    ],
)
def test_a_close_that_cannot_be_is_left_out(fields: dict[str, float]) -> None:
    """The quote is valid without it."""
    assert read(**fields).previous_close is None


def test_a_price_of_unknown_time_is_no_quote() -> None:
    """It may be old."""
    assert parse_pricing(Message(time=0), NOW).quote is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": 0.0}, "price 0.0 is not above zero"),
        ({"price": float("nan")}, "price NaN"),
        ({"price": -1.5}, "price -1.5"),
        ({"id": "A B"}, "symbol 'A B'"),
        ({"time": -1}, "time -1 is not a time in milliseconds"),
        ({"time": 10**15}, "is not a time in milliseconds"),
        ({"time": TIME + 90_000_000}, "lies in the future"),
    ],
)
def test_what_decides_must_be_right(fields: dict[str, object], reason: str) -> None:
    """Each refusal names the field and the value."""
    with pytest.raises(InvalidQuote, match=reason):
        parse_pricing(Message(**fields), NOW)


def arrival(second: str, price: str = "10", *, polled: bool = False) -> ReceivedQuote:
    """Return a quote of this second of a minute."""
    quote = Quote("A", f"2025-10-09T15:00:{second}Z", Decimal(price), *[None] * 5, "yahoo", None)
    return ReceivedQuote(quote, polled)


@pytest.mark.parametrize(
    ("arrivals", "new"),
    [
        ([arrival("01.000"), arrival("01.000")], [1, 0]),
        ([arrival("01.000"), arrival("01.000", "11")], [1, 0]),
        ([arrival("02.000"), arrival("01.000", "11")], [1, 0]),
        ([arrival("01.400"), arrival("01.700")], [1, 1]),
        # A poll tells no milliseconds: the same trade of both sides is handed on once.
        ([arrival("01.000", polled=True), arrival("01.400"), arrival("01.700")], [1, 0, 1]),
        ([arrival("01.400"), arrival("01.000", polled=True), arrival("02.000", polled=True)], [1, 0, 1]),
        ([arrival("01.000", polled=True), arrival("01.400", "11")], [1, 1]),
        ([arrival("01.000", polled=True), arrival("02.000", polled=True)], [1, 1]),
    ],
)
def test_only_what_is_new_is_handed_on(arrivals: list[ReceivedQuote], new: list[int]) -> None:
    """Time never goes back for a symbol, and what is left out is counted."""
    counters = Counters()
    merger = QuoteMerger(counters, PlausibilityChecker(), lambda: NOW)
    assert [merger.merge(one) for one in arrivals] == [
        one.quote if is_new else None for one, is_new in zip(arrivals, new, strict=True)
    ]
    assert counters.duplicates + counters.backwards == new.count(0)


def test_a_quote_that_cannot_be_true_blocks_none_after_it() -> None:
    """A time of tomorrow and a price in pence are rejected once each, and the next good one is new."""
    counters = Counters()
    merger = QuoteMerger(counters, PlausibilityChecker(), lambda: NOW)
    tomorrow = arrival("02.000")._replace(
        quote=arrival("02.000").quote._replace(timestamp="2025-10-10T15:00:00.000Z")
    )
    arrivals = [arrival("01.000"), tomorrow, tomorrow, arrival("03.000", "1000"), arrival("04.000")]
    found = [merger.merge(one) for one in arrivals]
    assert [getattr(one, "timestamp", None) for one in found] == [
        arrivals[0].quote.timestamp, None, None, None, arrivals[4].quote.timestamp
    ]  # fmt: skip
    assert [one.reason.partition(" is ")[2][:25] for one in found if isinstance(one, Rejection)] == [
        "more than 5 minutes ahead", "off by a factor of 100 fr"
    ]  # fmt: skip
    assert counters.rejected == 3


def test_silence_counts_only_while_a_market_is_open() -> None:
    """The night before the open is no silence."""
    watchdog = Watchdog(60)
    watchdog.start(0)
    assert watchdog.check(59, market_open=True) is None
    assert watchdog.check(40_000, market_open=False) is None
    assert watchdog.check(40_059, market_open=True) is None
    assert watchdog.check(40_060, market_open=True) == 60


def test_patience_doubles_until_something_is_heard() -> None:
    """One minute, two, four, eight, sixteen, sixteen; a message brings the first back."""
    watchdog = Watchdog(60)
    found = []
    for _ in range(6):
        watchdog.start(0)
        found.append(next(now for now in range(0, 2000, 10) if watchdog.check(now, market_open=True)))
    assert found == [60, 120, 240, 480, 960, 960]
    watchdog.message_received(5000)
    assert watchdog.check(5060, market_open=True) == 60


def test_a_full_queue_makes_the_writer_wait() -> None:
    """Nothing is dropped, and the order stays."""
    queue: BoundedQueue[int] = BoundedQueue(2)

    def write() -> None:
        for number in range(100):
            queue.put([number])

    writer = Thread(target=write)
    writer.start()
    found: list[int] = []
    while len(found) < 100:
        taken = queue.get_all(60)
        assert 0 < len(taken) <= 2
        found += taken
    writer.join()
    assert found == list(range(100))


def test_a_closed_queue_returns_its_items_and_then_raises_its_error() -> None:
    """A waiting writer is released, and the first error counts."""
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put([1])
    queue.close(SourceError("unfit"))
    queue.close()
    with pytest.raises(QueueClosed):
        queue.put([2])
    assert queue.get_all(0) == [1]
    with pytest.raises(SourceError, match="unfit"):
        queue.get_all(0)


def test_what_has_come_is_handed_on_after_a_wish_to_stop() -> None:
    """Once, checked like the rest; later writers get an error."""
    queue: BoundedQueue[ReceivedQuote | Rejection] = BoundedQueue(10)
    queue.put([ReceivedQuote(read(), polled=False), ReceivedQuote(read(), polled=False)])
    stop = Event()
    stop.set()
    source = YahooStreamSource(["AAPL"], clock=lambda: NOW)
    assert list(source._read(queue, stop)) == [[read()]]
    assert list(source._read(queue, stop)) == []
    with pytest.raises(QueueClosed):
        queue.put([ReceivedQuote(read(), polled=False)])


def test_many_symbols_are_subscribed_to_in_several_messages() -> None:
    """Each stays below what servers take, and every symbol is in one."""
    symbols = [f"SYMBOL{number:05}.XX" for number in range(2500)]
    messages = list(subscribe_messages("subscribe", symbols))
    assert [len(message) < 65536 for message in messages] == [True] * 3
    assert "".join(messages).count("SYMBOL") == 2500
    assert list(subscribe_messages("unsubscribe", [])) == []


def test_there_must_be_symbols_and_an_interval() -> None:
    """Wrong usage is an error at once, and an invalid change changes nothing."""
    with pytest.raises(UsageError, match="no symbol to ask Yahoo for"):
        YahooStreamSource([])
    with pytest.raises(UsageError, match="interval of 0 s is not above zero"):
        YahooStreamSource(["AAPL"], interval=0)
    source = YahooStreamSource(["AAPL"])
    with pytest.raises(InvalidQuote, match="A B"):
        source.change_symbols(["MSFT", "A B"])
    with pytest.raises(UsageError):
        source.change_symbols([])


def test_the_first_late_quote_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """A poll knows whole seconds; what the connection tells of an earlier one afterwards is out of order."""
    caplog.set_level("INFO", "stockctl")
    counters = Counters()
    merger = QuoteMerger(counters, PlausibilityChecker(), lambda: NOW)
    quote = read()
    assert merger.merge(ReceivedQuote(quote._replace(timestamp="2025-10-09T15:00:05.000Z"), polled=True))
    for _ in range(3):
        assert merger.merge(ReceivedQuote(quote, polled=False)) is None
    assert counters.left_out["backwards"] == 3
    assert [record.getMessage() for record in caplog.records] == [
        "Quotes older than the last of their symbol are left out and counted; the first is of AAPL."
    ]
