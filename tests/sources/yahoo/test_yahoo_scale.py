"""Thousands of symbols: the real yfinance, in a child process, against a stand-in for Yahoo.

Each test has its own child process, because it counts the requests.
"""

from collections import Counter
from pathlib import Path

import pytest

from stockctl.sources.yahoo.client import TIMEOUT
from stockctl.sources.yahoo.poller import PARTIAL_RESULTS_AFTER, split_symbols
from support.yahoo.polling_run import LAST, Outcome, Run, Scenario, last, run
from support.yahoo.server import EMPTY, HANG, MARKET_TIME, YahooStandIn, good, quotes, raw, status

pytest_plugins = ["support.yahoo.fixtures"]

pytestmark = pytest.mark.slow

MANY = [f"SYM{number:06d}" for number in range(3000)]
PARTS = [",".join(part) for part in split_symbols(MANY)]


def answers(part: str, **changes: object) -> object:
    """Return a sound answer for all symbols of a request."""
    return quotes(*(good(symbol, **changes) for symbol in part.split(",")))


def polled(
    yahoo: YahooStandIn, environment: dict[str, str], folder: Path, symbols: list[str], **options: object
) -> tuple[Outcome, Run]:
    """Poll for symbols, and return what came of it."""
    scenario = Scenario(",".join(symbols), [], {"until": LAST, **options})
    ran = run(yahoo, environment, {"it": scenario}, folder)
    return ran.outcomes["it"], ran


def asked(ran: Run) -> Counter[str]:
    """Return how often each list of symbols was asked for."""
    return Counter(one.query["symbols"] for one in ran.requests if one.path == "/v7/finance/quote")


def first(outcome: Outcome) -> list[str]:
    """Return whose quotes of the first market time were sent, in order of their names."""
    times = [quote for tick in outcome.ticks for quote in tick if "08:53:20" in str(quote["timestamp"])]
    return sorted(str(quote["symbol"]) for quote in times)


def test_three_thousand_symbols_are_few_requests_of_which_some_are_at_once(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path
) -> None:
    """As many at once as allowed and not one more, each thread with one cookie and one crumb."""
    yahoo.gather = 3
    for part in PARTS:
        yahoo.script(part, answers(part))
    outcome, ran = polled(yahoo, yahoo_environment, tmp_path, MANY, once=True, parallel=3)
    assert len(PARTS) == 6
    assert asked(ran) == dict.fromkeys(PARTS, 1)
    assert yahoo.most_at_once == 3
    assert [[str(quote["symbol"]) for quote in tick] for tick in outcome.ticks] == [MANY]
    assert "in 6 requests a poll" in outcome.said()[0]
    others = Counter(one.host + one.path for one in ran.requests if one.path != "/v7/finance/quote")
    assert others == {"fc.yahoo.com/": 3, "query1.finance.yahoo.com/v1/test/getcrumb": 3}


def test_a_storm_of_429_on_one_request_costs_the_others_nothing_and_stops_all(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path
) -> None:
    """The quotes of the others are sent; then one request tests the limit, before the rest is sent."""
    storm = 4
    for part in PARTS:
        yahoo.script(part, answers(part), answers(part, regularMarketTime=LAST))
    # The first request of a poll is the one that goes alone after a limit.
    yahoo.script(PARTS[0], *[status(429)] * storm, answers(PARTS[0], regularMarketTime=LAST - 1))
    # Beside a limit, another fault is of no account.
    yahoo.script(PARTS[1], *[status(502)] * 2, answers(PARTS[1], regularMarketTime=LAST))
    yahoo.gather = 6
    outcome, ran = polled(yahoo, yahoo_environment, tmp_path, MANY, parallel=6)
    assert asked(ran) == {PARTS[0]: storm + 1, PARTS[1]: 3, **dict.fromkeys(PARTS[2:], 2)}
    assert first(outcome) == sorted(",".join(PARTS[2:]).split(","))
    assert [len(tick) for tick in outcome.ticks] == [2000, 500, 2500]
    told = [text for text in outcome.said("WARNING") if text.startswith("Yahoo limits this address")]
    assert len(told) == storm
    assert f"Yahoo answers again after {storm} failed polls." in outcome.said()
    assert outcome.breaker == "closed"


def test_a_request_that_hangs_does_not_keep_the_quotes_of_the_others(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path
) -> None:
    """They come after some seconds, long before the request is given up."""
    yahoo.script(PARTS[0], HANG)
    yahoo.script(PARTS[1], answers(PARTS[1], regularMarketTime=LAST))
    symbols = [symbol for part in PARTS[:2] for symbol in part.split(",")]
    outcome, _ = polled(yahoo, yahoo_environment, tmp_path, symbols, patience=PARTIAL_RESULTS_AFTER)
    assert [len(tick) for tick in outcome.ticks] == [len(PARTS[1].split(","))]
    assert outcome.seconds < TIMEOUT


def test_what_fails_in_one_request_is_told_once_and_costs_the_others_nothing(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path
) -> None:
    """A 502 page, then an answer that is none: the others have their quotes at every poll."""
    for number, part in enumerate(PARTS[:3]):
        rounds = [answers(part, regularMarketTime=MARKET_TIME + each) for each in range(6)]
        yahoo.script(part, *(rounds if number else []), answers(part, regularMarketTime=LAST))
    yahoo.script(PARTS[1], *[status(502)] * 4, raw(b"<html>"), raw(b"<html>"), answers(PARTS[1]))
    symbols = [symbol for part in PARTS[:3] for symbol in part.split(",")]
    yahoo.script(PARTS[0], *(answers(PARTS[0], regularMarketTime=MARKET_TIME + n) for n in range(6)), last())
    outcome, _ = polled(yahoo, yahoo_environment, tmp_path, symbols)
    sent = Counter(str(quote["symbol"]) for tick in outcome.ticks for quote in tick)
    assert {sent[symbol] for symbol in PARTS[0].split(",")} == {6}
    assert {sent[symbol] for symbol in PARTS[2].split(",")} == {7}
    assert {sent[symbol] for symbol in PARTS[1].split(",")} == {1}
    warnings = [text for text in outcome.said("WARNING") if "retrying at the next poll" in text]
    assert [text.partition(".")[0] for text in warnings] == [
        "Yahoo's server failed (HTTP 502)",
        "Yahoo's answer cannot be understood: it is not JSON (Expecting value at character 0)",
    ]
    assert outcome.said().count("Yahoo answers for all symbols again.") == 1
    assert not any("Next try in" in text for text in outcome.said())


def test_an_empty_answer_to_one_request_does_not_make_its_symbols_unknown(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path
) -> None:
    """What was known before is asked for at the next poll like always, in the same request."""
    for part in PARTS[:2]:
        yahoo.script(part, answers(part), answers(part), answers(part, regularMarketTime=LAST))
    yahoo.script(PARTS[1], answers(PARTS[1]), EMPTY, answers(PARTS[1], regularMarketTime=LAST))
    symbols = [symbol for part in PARTS[:2] for symbol in part.split(",")]
    outcome, ran = polled(yahoo, yahoo_environment, tmp_path, symbols)
    assert asked(ran) == dict.fromkeys(PARTS[:2], 3)
    assert [len(tick) for tick in outcome.ticks] == [len(symbols)] * 2
    assert outcome.unknown == []
    assert sum("Retrying at every poll" in text for text in outcome.said("WARNING")) == 1
