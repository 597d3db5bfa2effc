"""Parsing of one result of Yahoo."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from stockctl.market.quote import Quote
from stockctl.sources.yahoo.parser import parse_result
from support.yahoo.server import MARKET_TIME, good

NOW = datetime(2025, 10, 9, 9, 0, 0, 250_000, UTC)


def test_a_sound_result_becomes_a_quote_with_the_markets_time() -> None:
    """Every field comes from its own field; the time is the market's, the observation ours."""
    finding = parse_result(good("BRK-B", 23.229999542236328), NOW)
    assert finding.quote == Quote(
        "BRK-B",
        "2025-10-09T08:53:20.000Z",
        Decimal("23.23"),
        Decimal(185),
        Decimal("186.25"),
        Decimal("188.5"),
        Decimal("184.75"),
        1_234_567,
        "yahoo",
        "2025-10-09T09:00:00.250Z",
    )
    assert (finding.rejection, finding.market_closed, finding.has_wrong_close) == (None, False, False)


@pytest.mark.parametrize(
    ("yahoos", "ours"),
    [
        ("regularMarketPreviousClose", "previous_close"),
        ("regularMarketOpen", "open"),
        ("regularMarketDayHigh", "high"),
        ("regularMarketDayLow", "low"),
        ("regularMarketVolume", "volume"),
    ],
)
@pytest.mark.parametrize("value", [None, 0, 0.0, float("nan"), float("inf"), -1, "1", [], {"raw": 1}])
def test_a_session_figure_that_is_none_is_unknown(yahoos: str, ours: str, value: object) -> None:
    """It becomes null, never 0, and the quote is sent all the same."""
    quote = parse_result(good("AAPL", **{yahoos: value}), NOW).quote
    assert quote is not None
    assert getattr(quote, ours) is None
    assert quote.price == Decimal("187.44")


@pytest.mark.parametrize(
    ("close", "kept"), [(0.0001, False), (0.18744, False), (0.18745, True), (18744.0, True)]
)
def test_a_previous_close_out_of_all_proportion_is_left_out(close: float, kept: bool) -> None:
    """A price a thousand times its previous close is not a real move, and must not raise an anomaly."""
    finding = parse_result(good("^VIX", 187.44, regularMarketPreviousClose=close), NOW)
    assert finding.quote is not None
    assert (finding.quote.previous_close is not None) is kept
    assert finding.has_wrong_close is not kept


@pytest.mark.parametrize("time", [None, 0, 0.0])
def test_an_unknown_market_time_is_no_quote_and_no_fault(time: object) -> None:
    """Without a time the price may be old."""
    finding = parse_result(good("AAPL", regularMarketTime=time), NOW)
    assert finding.is_timeless
    assert finding.quote is None
    assert finding.rejection is None


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (MARKET_TIME * 1000, "not a time in seconds"),
        (-1, "not a time in seconds"),
        (float("nan"), "not a time in seconds"),
        (float("inf"), "not a time in seconds"),
        (True, "not a time in seconds"),
        ("1760000000", "not a time in seconds"),
        ({"raw": MARKET_TIME}, "not a time in seconds"),
        (MARKET_TIME + 2 * 86400, "lies in the future"),
        (253_402_300_799, "lies in the future"),
    ],
)
def test_a_market_time_that_cannot_be_is_rejected(time: object, reason: str) -> None:
    """Milliseconds, text and the day after tomorrow would break the order of later quotes."""
    finding = parse_result(good("AAPL", regularMarketTime=time), NOW)
    assert finding.quote is None
    assert finding.rejection is not None
    assert reason in finding.rejection.reason


def test_a_market_time_a_little_ahead_is_taken() -> None:
    """A clock of ours that is hours behind is no reason to drop quotes."""
    finding = parse_result(good("AAPL", regularMarketTime=MARKET_TIME + 7200.5), NOW)
    assert finding.quote is not None
    assert finding.quote.timestamp == "2025-10-09T10:53:20.500Z"


@pytest.mark.parametrize(
    ("result", "origin", "reason"),
    [
        (good("AAPL", float("nan")), "yahoo:AAPL", "price NaN is not a finite number"),
        (good("AAPL", None), "yahoo:AAPL", "price is missing"),
        (good("aapl", 0), "yahoo:AAPL", "price 0 is not above zero"),
        (good("A/../B"), "yahoo", "symbol 'A/../B' is not"),
        ({"regularMarketPrice": 1}, "yahoo", "symbol is missing"),
        (None, "yahoo", "a result must be an object, not None"),
        ([1, "\x1b[31m"], "yahoo", r"a result must be an object, not [1, '\x1b[31m']"),
    ],
)
def test_a_result_that_cannot_be_read_keeps_its_bytes(result: object, origin: str, reason: str) -> None:
    """The rejection names the symbol where there is one, the reason, and holds the result as JSON."""
    rejection = parse_result(result, NOW).rejection
    assert rejection is not None
    assert rejection.origin == origin
    assert rejection.reason.startswith(reason)
    assert repr(json.loads(rejection.data)) == repr(result)


@pytest.mark.parametrize(
    ("state", "closed"),
    [("REGULAR", False), (None, False), ("PRE", True), ("POST", True), ("POSTPOST", True), ("CLOSED", True)],
)
def test_only_the_regular_session_is_open(state: str | None, closed: bool) -> None:
    """The regular price does not change before and after hours; without a state the market counts as open."""
    assert parse_result(good("AAPL", marketState=state), NOW).market_closed is closed
