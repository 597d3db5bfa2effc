"""Rate limits, unknown symbols and implausible quotes: the real yfinance in one child process."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import REPOSITORY, TESTS
from support.yahoo.polling_run import LAST, Run, Scenario, last, once, run
from support.yahoo.server import EMPTY, MARKET_TIME, YahooStandIn, good, quotes, status

pytest_plugins = ["support.yahoo.fixtures"]

pytestmark = pytest.mark.slow

SESSION = ["/", "/v1/test/getcrumb", "/v7/finance/quote"]
FUTURE = 4_000_000_000


def limit(seconds: int) -> object:
    """Return a 429 that asks to wait."""
    return status(429)._replace(headers=(("Retry-After", str(seconds)),))


def with_options(symbols: str, *replies: object, **options: object) -> Scenario:
    """Return a scenario that ends at the quote of ``LAST``."""
    return Scenario(symbols, list(replies), {"until": LAST, **options})


SCENARIOS = {
    "limited": with_options("A", limit(1), last("A")),
    "limited for long": once("B", limit(1800)),
    "open": with_options("C", quotes(good("C")), once=True, limited=1800),
    "change": with_options("D,E", quotes(good("D"), good("E")), change_to="E,F"),
    "slow": with_options("G", last("G"), requests_per_minute=0.01),
    "told": with_options("P", limit(1800), until_said="Next try in"),
    "unknown": with_options("H,NOPE,I,NADA", quotes(good("H"), good("I")), interval=0.01),
    "only unknown": with_options("O,NONE", quotes(good("O")), change_to="NONE"),
    "implausible": with_options(
        "J,K,L,M",
        quotes(good("J", 72.5), good("K", regularMarketPreviousClose=None), good("L"), good("M", 0)),
        quotes(good("J", 7250, regularMarketTime=MARKET_TIME + 30), good("L", regularMarketTime=FUTURE)),
        quotes(good("J", 7250, regularMarketTime=MARKET_TIME + 30), good("L", regularMarketTime=FUTURE)),
        quotes(good("J", 72.75, regularMarketTime=MARKET_TIME + 60), good("K", regularMarketTime=1)),
        last("J"),
    ),
    "rescaled": with_options(
        "N",
        quotes(good("N", 7200)),
        *(quotes(good("N", 72, regularMarketTime=MARKET_TIME + 30 * n)) for n in range(1, 4)),
        quotes(good("N", 72.5, regularMarketTime=LAST)),
    ),
}


@pytest.fixture(scope="module")
def polling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All scenarios, run in one child."""
    folder = tmp_path_factory.mktemp("yahoo")
    with YahooStandIn() as standin:
        for scenario in SCENARIOS.values():
            standin.script(scenario.symbols, *scenario.replies)
        standin.script("E,F", quotes(good("E"), good("F")), last("F", "E"))
        later = [quotes(good("H", regularMarketTime=MARKET_TIME + n), good("I")) for n in range(20)]
        standin.script("H,I", *later, last("H", "I"))
        standin.script("NOPE,NADA", EMPTY)
        standin.script("NONE", *[EMPTY] * 3, last("NONE"))
        yield run(standin, standin.environment(folder), SCENARIOS, folder)


def asked(polling: Run) -> Counter[str]:
    """Return how often each list of symbols was asked for."""
    return Counter(one.query["symbols"] for one in polling.requests if "symbols" in one.query)


def test_a_limit_costs_one_request_and_retry_after_is_kept(polling: Run) -> None:
    """The library would retry at once with another cookie; we wait for as long as Yahoo asks."""
    outcome = polling.outcomes["limited"]
    assert [one.path for one in polling.requests[:6]] == SESSION * 2
    limited, answered = outcome.polls
    assert answered.at - limited.at >= 1
    assert sum("HTTP 429" in text for text in outcome.said("WARNING")) == 1
    assert outcome.breaker == "closed"


def test_how_long_yahoo_asks_to_wait_is_told(polling: Run) -> None:
    """Half an hour plus a tenth of it at most, less the time that has passed."""
    [told] = [text for text in polling.outcomes["told"].said("WARNING") if "HTTP 429" in text]
    assert 1800 - 60 < float(re.findall(r"Next try in (\S+) s", told)[0]) <= 1800 * 1.1


def test_a_single_poll_does_not_wait_for_long(polling: Run) -> None:
    """It gives up at once, with the reason, if Yahoo asks for half an hour."""
    outcome = polling.outcomes["limited for long"]
    assert outcome.error is not None
    assert outcome.error[0].startswith("Yahoo limits this address: too many requests (HTTP 429).")
    assert len(outcome.polls) == 1
    assert outcome.breaker == "open"


def test_a_limit_at_the_crumb_ends_it_there(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path
) -> None:
    """The library would continue without one, get a 401 and start again; we send no more requests."""
    yahoo.crumb = limit(1800)
    found = run(yahoo, yahoo_environment, {"crumb": once("A")}, tmp_path)
    assert [one.path for one in found.requests] == SESSION[:2]
    assert found.outcomes["crumb"].breaker == "open"


def test_nothing_at_all_is_sent_while_a_breaker_is_open(polling: Run) -> None:
    """Whoever got the 429; and the reason is reported."""
    outcome = polling.outcomes["open"]
    assert outcome.polls == []
    assert outcome.error is not None
    assert outcome.error[0].startswith(
        "No request is sent while Yahoo's rate limit is in force (HTTP 429). No quotes"
    )
    place = next(n for n, one in enumerate(polling.requests) if one.query.get("symbols") == "D,E")
    before = [one.query.get("symbols") for one in polling.requests[: place - 2]]
    assert before[-1] == "B"  # not even a cookie was asked for in between


STEP_BY_STEP = """
from threading import Event
from stockctl.sources.yahoo.client import URL
from stockctl.sources.yahoo.errors import CircuitOpen
from stockctl.sources.yahoo.client import YahooSession

steps = []

def check():
    steps.append("request")
    if len(steps) == 2:
        raise CircuitOpen

session = YahooSession(check)
try:
    session.get(URL, {"symbols": "A"}, 5)
except CircuitOpen as fault:
    print(fault, session.requests_sent, len(steps))
"""


def test_a_session_on_its_way_stops_when_another_meets_the_limit(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str]
) -> None:
    """The breaker is checked again between the cookie, the crumb and the quotes."""
    yahoo.script("A", quotes(good("A")))
    child = subprocess.run(
        [sys.executable, "-c", STEP_BY_STEP],
        env={**yahoo_environment, "PYTHONPATH": f"{REPOSITORY}:{TESTS}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert child.stdout == "No request is sent while Yahoo's rate limit is in force (HTTP 429) 1 2\n"
    assert [one.path for one in yahoo.requests] == SESSION[:1]


def test_symbols_change_while_it_runs(polling: Run) -> None:
    """Removed symbols are not requested any more, new ones are, and remaining quotes are not sent again."""
    outcome = polling.outcomes["change"]
    assert (asked(polling)["D,E"], asked(polling)["E,F"]) == (1, 2)
    assert [[quote["symbol"] for quote in tick] for tick in outcome.ticks] == [["D", "E"], ["F"], ["F", "E"]]
    assert "Symbols changed: F added, D removed." in outcome.said("INFO")


def test_the_limiter_counts_all_that_is_sent_and_says_when_it_is_too_slow(polling: Run) -> None:
    """A poll of one symbol is three requests, cookie and crumb included: the next waits for three turns."""
    outcome = polling.outcomes["slow"]
    turn = 60 / 0.01
    assert 3 * turn - 60 < outcome.next_turn <= 3 * turn
    said = "At 0.01 requests a minute a poll takes 6e+03 s, longer than the interval of 0.002 s."
    assert said in outcome.said("WARNING")


def test_unknown_symbols_rest_while_the_others_go_on(polling: Run) -> None:
    """After 0.02 s, then 0.04, 0.08 and so on: seldom, while the others are asked for twenty times."""
    outcome, counts = polling.outcomes["unknown"], asked(polling)
    assert (counts["H,NOPE,I,NADA"], counts["H,I"]) == (1, 21)
    assert 2 <= counts["NOPE,NADA"] <= 10
    [told] = [text for text in outcome.said("WARNING") if "no quote for" in text]
    assert told.startswith("Yahoo has no quote for NOPE, NADA. Retrying at growing intervals")
    assert outcome.unknown == ["NOPE", "NADA"]


def test_no_answer_for_unknown_symbols_alone_is_no_fault(polling: Run) -> None:
    """It is expected; they are requested again later, and found when they exist."""
    outcome = polling.outcomes["only unknown"]
    assert asked(polling)["NONE"] == 4
    assert [[quote["symbol"] for quote in tick] for tick in outcome.ticks] == [["O"], ["NONE"]]
    assert not any("Next try in" in text for text in outcome.said("WARNING"))
    assert "Yahoo has a quote for NONE now." in outcome.said("INFO")


def test_implausible_quotes_are_refused_once_flagged_and_counted(polling: Run) -> None:
    """A wrong unit, a future time, an older quote, no previous close: each has its reason and count."""
    outcome = polling.outcomes["implausible"]
    flat = [each for tick in outcome.ticks for each in tick]
    sent = [(each["symbol"], each["price"]) for each in flat if isinstance(each, dict)]
    assert sent == [("J", 72.5), ("K", 187.44), ("L", 187.44), ("J", 72.75), ("J", 187.44)]
    rejected = [(each[0], each[1]) for each in flat if not isinstance(each, dict)]
    assert [origin for origin, _ in rejected] == ["yahoo:M", "yahoo:J", "yahoo:L"]
    assert rejected[1][1].startswith("price 7250 is off by a factor of 100 from the last price, 72.5")
    assert "lies in the future" in rejected[2][1]
    assert {issue: count for issue, count in outcome.issues.items() if count} == {
        "unreadable": 1,
        "future": 1,
        "scale": 1,
        "backwards": 1,
        "no_previous_close": 1,
    }


def test_a_split_is_believed_when_it_lasts_and_that_is_said(polling: Run) -> None:
    """Three quotes are quarantined, the fourth and all later ones are sent."""
    outcome = polling.outcomes["rescaled"]
    flat = [each for tick in outcome.ticks for each in tick]
    assert [each["price"] for each in flat if isinstance(each, dict)] == [7200, 72.5]
    assert sum(not isinstance(each, dict) for each in flat) == 3
    [told] = [text for text in outcome.said("WARNING") if text.startswith("N: ")]
    assert told.startswith(
        "N: price 72.5 is off by a factor of 99.3 from the last price, 7200; accepted because"
    )
