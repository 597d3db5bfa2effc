"""What is new in a poll, and the notices about it."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from stockctl.sources.yahoo.tracker import PollDelta, QuoteTracker
from support.yahoo.server import MARKET_TIME, good

ASKED = ["AAPL", "MSFT", "IBM"]
NOW = datetime(2025, 10, 9, 12, 0, tzinfo=UTC)


@pytest.fixture
def tracker(caplog: pytest.LogCaptureFixture) -> QuoteTracker:
    """A tracker of three symbols, whose messages are recorded."""
    caplog.set_level(logging.INFO, "stockctl.sources.yahoo")
    return QuoteTracker(ASKED)


def everything(**changes: object) -> list[dict[str, object]]:
    """Return a result of each symbol."""
    return [good(symbol, **changes) for symbol in ASKED]


def symbols(delta: PollDelta) -> list[str]:
    """Return whose quotes are new."""
    return [quote.symbol for quote in delta.quotes]


def test_a_quote_of_the_same_market_time_is_sent_once(tracker: QuoteTracker) -> None:
    """A later poll makes no new quote of an old price."""
    assert symbols(tracker.process(everything(), ASKED, NOW)) == ASKED
    assert symbols(tracker.process(everything(), ASKED, NOW + timedelta(seconds=30))) == []
    newer = [good("AAPL"), good("MSFT", regularMarketTime=MARKET_TIME + 1), good("IBM")]
    assert symbols(tracker.process(newer, ASKED, NOW + timedelta(seconds=60))) == ["MSFT"]


def test_a_quote_that_goes_back_in_time_is_counted_and_said_once(
    tracker: QuoteTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """Yahoo's servers disagree at times; what is older than the newest one sent stays out."""
    tracker.process(everything(), ASKED, NOW)
    caplog.clear()
    for _ in range(3):
        back = [good("AAPL", regularMarketTime=MARKET_TIME - 60), good("MSFT"), good("IBM")]
        assert symbols(tracker.process(back, ASKED, NOW)) == []
    assert tracker.backwards == 3
    assert [record.getMessage() for record in caplog.records] == [
        "Yahoo's quote of AAPL is older than the one sent before, so it is not sent."
    ]
    assert symbols(tracker.process(everything(regularMarketTime=MARKET_TIME + 1), ASKED, NOW)) == ASKED


def test_a_bad_answer_is_rejected_when_it_changes_and_not_at_every_poll(tracker: QuoteTracker) -> None:
    """The bid changes all the time; only the error and its market time count."""
    nan = float("nan")
    polls = [
        [good("AAPL", nan, bid=1.0)],
        [good("AAPL", nan, bid=1.5)],
        [good("AAPL", nan, bid=1.5, regularMarketTime=MARKET_TIME + 60)],
        [good("AAPL", 0, regularMarketTime=MARKET_TIME + 60)],
        [good("AAPL", 0, regularMarketTime=MARKET_TIME + 60)],
        [good("AAPL", regularMarketTime=MARKET_TIME + 60)],
        [good("AAPL", 0, regularMarketTime=MARKET_TIME + 60)],
    ]
    found = [len(tracker.process(results, ["AAPL"], NOW).rejections) for results in polls]
    assert found == [1, 0, 1, 1, 0, 0, 1]


def test_a_bad_answer_is_remembered_while_its_symbol_is_not_answered_for(tracker: QuoteTracker) -> None:
    """A request that failed, or came late, is no reason to reject the same again."""
    polls = [("AAPL", 0), ("MSFT", 12), ("AAPL", 0)]
    found = [len(tracker.process([good(symbol, price)], [symbol], NOW).rejections) for symbol, price in polls]
    assert found == [1, 0, 0]


def test_nameless_answers_are_told_apart_by_their_bytes(tracker: QuoteTracker) -> None:
    """Two different ones in a poll are two rejections, and none again when they come again."""
    assert len(tracker.process([1, 2, 2], ASKED, NOW).rejections) == 2
    assert len(tracker.process([2, 1], ASKED, NOW).rejections) == 0
    assert len(tracker.process([3], ASKED, NOW).rejections) == 1


def test_an_answer_nobody_asked_for_is_ignored(tracker: QuoteTracker) -> None:
    """A symbol that was not asked for is neither sent nor rejected."""
    delta = tracker.process([*everything(), good("META"), good("FB", 0)], ASKED, NOW)
    assert symbols(delta) == ASKED
    assert delta.rejections == []


def test_missing_symbols_are_named_once_and_when_they_come_back(
    tracker: QuoteTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """One message for all newly missing symbols, with a hint on spelling; one when a symbol is found."""
    for results in ([good("IBM")], [good("IBM")], [good("IBM"), good("MSFT")], everything()):
        tracker.process(results, ASKED, NOW)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in said] == ["WARNING", "INFO", "INFO"]
    assert said[0][1].startswith(
        "Yahoo has no quote for AAPL, MSFT. Retrying at growing intervals, up to one hour."
    )
    assert "BRK-B" in said[0][1]
    assert [text for _, text in said[1:]] == [
        "Yahoo has a quote for MSFT now.",
        "Yahoo has a quote for AAPL now.",
    ]


def test_a_symbol_that_was_not_asked_for_this_time_is_not_missing(
    tracker: QuoteTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """When a poll stops early, nothing is logged about the remaining symbols."""
    tracker.process([good("AAPL")], ["AAPL"], NOW)
    assert caplog.records == []
    tracker.process([good("AAPL")], ["AAPL", "MSFT"], NOW)
    tracker.process([good("AAPL")], ["AAPL"], NOW)
    tracker.process([good("AAPL")], ["AAPL", "MSFT"], NOW)
    assert len(caplog.records) == 1


def test_prices_without_a_market_time_are_not_sent_and_said_once(
    tracker: QuoteTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """A price of unknown age is stale."""
    for _ in range(2):
        assert symbols(tracker.process([good("AAPL", regularMarketTime=None)], ["AAPL"], NOW)) == []
    assert symbols(tracker.process([good("AAPL")], ["AAPL"], NOW)) == ["AAPL"]
    assert [record.getMessage() for record in caplog.records] == [
        "Yahoo gives no market time for AAPL. The price may be old, so it is not sent.",
        "Yahoo gives a market time for AAPL again.",
    ]


def test_the_end_and_the_beginning_of_a_session_are_said_once(
    tracker: QuoteTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """A closed market is not an error, but explains why nothing changes."""
    for state in ("REGULAR", "REGULAR", "POST", "CLOSED", "PRE", "REGULAR"):
        tracker.process(everything(marketState=state), ASKED, NOW)
    assert [record.getMessage() for record in caplog.records] == [
        "The market of AAPL, MSFT, IBM is outside its regular session; its price does not change until it "
        "opens. Polling continues.",
        "The market of AAPL, MSFT, IBM is open.",
    ]


def test_a_closed_market_does_not_open_because_an_answer_is_bad_or_absent(
    tracker: QuoteTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """Only an answer that says so opens it."""
    tracker.process([good("AAPL", marketState="CLOSED")], ["AAPL"], NOW)
    tracker.process([good("AAPL", 0, marketState="CLOSED")], ["AAPL"], NOW)
    tracker.process([good("IBM")], ["AAPL", "IBM"], NOW)
    assert not any("is open" in record.getMessage() for record in caplog.records)
    tracker.process([good("AAPL"), good("IBM")], ["AAPL", "IBM"], NOW)
    assert caplog.records[-1].getMessage() == "The market of AAPL is open."


def test_an_odd_previous_close_is_said_once(tracker: QuoteTracker, caplog: pytest.LogCaptureFixture) -> None:
    """A figure that is left out silently would look like a bug."""
    for second in range(2):
        changes = {"regularMarketPreviousClose": 0.0001, "regularMarketTime": MARKET_TIME + second}
        assert symbols(tracker.process([good("AAPL", **changes)], ["AAPL"], NOW)) == ["AAPL"]
    assert [record.getMessage() for record in caplog.records] == [
        "Yahoo's previous close of AAPL is not used: the price is more than 1000 times higher."
    ]


def test_many_symbols_make_one_short_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """Five hundred symbols whose market closes are one line, not five hundred."""
    many = [f"S{number}" for number in range(500)]
    caplog.set_level(logging.INFO, "stockctl.sources.yahoo")
    QuoteTracker(many).process([good(symbol, 0, marketState="CLOSED") for symbol in many], many, NOW)
    closed, rejected = [record.getMessage() for record in caplog.records]
    assert "S0, S1, S2, S3, S4 and 495 more" in closed
    assert rejected.endswith("; and 497 more.")


def test_symbols_that_are_asked_for_no_more_are_forgotten(
    tracker: QuoteTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """A symbol that was removed starts again; one that stayed is not sent twice."""
    tracker.process([good("AAPL"), good("IBM")], ASKED, NOW)
    tracker.set_symbols(["IBM"])
    assert symbols(tracker.process([good("AAPL"), good("IBM")], ["IBM"], NOW)) == []
    tracker.set_symbols(["AAPL", "IBM", "MSFT"])
    caplog.clear()
    assert symbols(tracker.process([good("AAPL"), good("IBM")], ASKED, NOW)) == ["AAPL"]
    assert [record.getMessage()[:27] for record in caplog.records] == ["Yahoo has no quote for MSFT"]


def test_what_was_known_and_is_missing_is_told_apart_from_the_unknown(
    tracker: QuoteTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """The former may be back at the next poll, the latter is misspelt."""
    for results in (everything(), [good("AAPL")], everything()):
        tracker.process(results, ASKED, NOW)
    assert [record.getMessage() for record in caplog.records] == [
        "Yahoo has no quote for MSFT, IBM any more. Retrying at every poll.",
        "Yahoo has a quote for MSFT, IBM again.",
    ]


def test_why_a_symbol_gave_no_quote_is_known(tracker: QuoteTracker) -> None:
    """A single poll needs it for its error message."""
    results = [good("AAPL", 0), good("MSFT", regularMarketTime=0)]
    assert tracker.process(results, ASKED, NOW).unusable == {
        "AAPL": "price 0 is not above zero (6 decimals count)",
        "MSFT": "without a market time",
        "IBM": "unknown to Yahoo",
    }
