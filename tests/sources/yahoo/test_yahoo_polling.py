"""Polling with the real yfinance, in a child process, against a fake Yahoo server on this machine.

All scenarios of ``SCENARIOS`` run in one child, because importing yfinance costs a second; each has
symbols of its own, by which the stand-in knows its script. A scenario ends at the quote of ``LAST``.
"""

import json
from collections.abc import Iterator

import pytest

from stockctl.sources.yahoo.client import TIMEOUT
from stockctl.sources.yahoo.poller import split_symbols
from support.yahoo.polling_run import LAST, Run, Scenario, last, run
from support.yahoo.server import (
    CRUMB,
    DROP,
    EMPTY,
    HANG,
    MARKET_TIME,
    YahooStandIn,
    good,
    quotes,
    raw,
    status,
)

pytestmark = pytest.mark.slow

LATER = MARKET_TIME + 60
NAN, INFINITY = float("nan"), float("inf")
MANY = [f"SYM{number}" for number in range(1000)]
HALVES = [",".join(symbols) for symbols in split_symbols(MANY)]
BAD_PRICES = {"A1": NAN, "A2": INFINITY, "A3": 0, "A4": -37.63, "A5": None, "A6": "12.5"}

SCENARIOS = {
    "normal": Scenario(
        "AAPL,BRK-B,^GSPC,EURUSD=X",
        [
            quotes(
                good("AAPL", 187.4400024414, regularMarketTime=LAST),
                good("BRK-B", 23.229999542236328, regularMarketTime=LAST + 1),
                good("^GSPC", 5241.53, regularMarketVolume=0, regularMarketTime=LAST + 2),
                good("EURUSD=X", 1.09529, regularMarketOpen=None, regularMarketTime=LAST + 3),
            )
        ],
    ),
    "unchanged": Scenario("B", [quotes(good("B")), quotes(good("B")), quotes(good("B", 99)), last("B")]),
    "limited": Scenario("C", [quotes(good("C")), *[status(429)] * 2, last("C")]),
    "server": Scenario("D", [quotes(good("D")), *[status(502)] * 2, *[status(503)] * 2, last("D")]),
    "refused": Scenario("E", [*[status(403)] * 2, *[status(999)] * 2, last("E")]),
    "empty": Scenario("F", [EMPTY, last("F")]),
    "stale": Scenario(
        "G", [quotes(good("G", regularMarketTime=LATER)), quotes(good("G")), quotes(good("G")), last("G")]
    ),
    "bad prices": Scenario(
        ",".join(BAD_PRICES),
        [
            quotes(*(good(symbol, price, bid=1) for symbol, price in BAD_PRICES.items())),
            quotes(*(good(symbol, price, bid=2) for symbol, price in BAD_PRICES.items())),
            last(*BAD_PRICES),
        ],
    ),
    "timeless": Scenario("H", [quotes(good("H", regularMarketTime=None))] * 2 + [last("H")]),
    "missing": Scenario("I,NOPE", [quotes(good("I"))], {"until": LAST, "max_unknown_interval": 0.01}),
    "malformed": Scenario(
        "J",
        [
            raw(b'{"quoteResponse":{"result":[{"symbol":"J"'),
            raw(b"<!doctype html><title>Yahoo</title>", "text/html"),
            raw(b""),
            raw(b"[]"),
            raw(b'{"quoteResponse":null}'),
            raw(
                b'{"quoteResponse":{"result":null,"error":{"code":"bad","description":"no \\u001b[31mway"}}}'
            ),
            raw(b'{"quoteResponse":{"result":{"symbol":"J"},"error":null}}'),
            raw(b'{"quoteResponse":"\xff"}'),
            quotes(7, None, {"price": 1}, good("J", regularMarketTime=LAST)),
        ],
    ),
    "closed": Scenario("K", [quotes(good("K", marketState="CLOSED"))] * 3 + [last("K")]),
    "dropped": Scenario("L", [DROP, DROP, last("L")]),
    "halves": Scenario(",".join(MANY), [], {"until": LAST}),
    "waiting": Scenario("X", [status(429)], {"interval": 60, "until_said": "Next try in"}),
    # Last, for its thread is still waiting when the program ends.
    "hanging": Scenario("Y", [HANG], {"until_asked": True}),
}


@pytest.fixture(scope="module")
def polling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All scenarios, run."""
    folder = tmp_path_factory.mktemp("yahoo")
    with YahooStandIn() as standin:
        for scenario in SCENARIOS.values():
            standin.script(scenario.symbols, *scenario.replies)
        first = quotes(*map(good, HALVES[0].split(",")))
        standin.script(HALVES[0], first, last(*HALVES[0].split(",")))
        standin.script(HALVES[1], status(502), status(502), last(*HALVES[1].split(",")))
        standin.script("I", quotes(good("I")))
        standin.script("NOPE", *[EMPTY] * 3, last("NOPE"))
        yield run(standin, standin.environment(folder), SCENARIOS, folder)


def test_a_poll_is_one_request_for_all_symbols(polling: Run) -> None:
    """Four symbols cost one request, and the cookie and the crumb were fetched once for all of it."""
    [poll] = polling.outcomes["normal"].polls
    assert poll.host == "query1.finance.yahoo.com"
    assert poll.query["symbols"] == "AAPL,BRK-B,^GSPC,EURUSD=X"
    before = polling.requests[: polling.requests.index(poll)]
    assert [request.host for request in before] == ["fc.yahoo.com", "query1.finance.yahoo.com"]


def test_a_poll_gives_quotes_as_the_contract_has_them(polling: Run) -> None:
    """The market's time, prices without noise, null for unknown, and when we looked."""
    [tick] = polling.outcomes["normal"].ticks
    observed = {quote.pop("observed_at") for quote in tick}
    assert len(observed) == 1
    rest = {
        "previous_close": 185,
        "open": 186.25,
        "high": 188.5,
        "low": 184.75,
        "volume": 1_234_567,
        "source": "yahoo",
    }
    assert tick == [
        {"symbol": "AAPL", "timestamp": "2025-10-09T08:55:20.000Z", "price": 187.44, **rest},
        {"symbol": "BRK-B", "timestamp": "2025-10-09T08:55:21.000Z", "price": 23.23, **rest},
        {
            "symbol": "^GSPC",
            "timestamp": "2025-10-09T08:55:22.000Z",
            "price": 5241.53,
            **rest,
            "volume": None,
        },
        {
            "symbol": "EURUSD=X",
            "timestamp": "2025-10-09T08:55:23.000Z",
            "price": 1.09529,
            **rest,
            "open": None,
        },
    ]


def test_it_says_what_it_asks_for_and_what_came_first(polling: Run) -> None:
    """The user sees at once that it works."""
    said = polling.outcomes["normal"].said("INFO")
    assert said == [
        "Asking Yahoo for AAPL, BRK-B, ^GSPC, EURUSD=X every 0.002 s, in one request.",
        "First quotes: AAPL, BRK-B, ^GSPC, EURUSD=X.",
    ]


def test_an_unchanged_quote_is_not_sent_again(polling: Run) -> None:
    """Four polls, two market times, two quotes."""
    outcome = polling.outcomes["unchanged"]
    assert outcome.times == ["08:53:20", "08:55:20"]
    assert len(outcome.polls) == 4


def test_a_rate_limit_is_waited_out(polling: Run) -> None:
    """It is called what it is, the wait grows, and the first good answer ends it."""
    outcome = polling.outcomes["limited"]
    assert outcome.times == ["08:53:20", "08:55:20"]
    *_, first, second = outcome.said("WARNING")
    assert "too many requests (HTTP 429)" in first
    assert "Next try in" in first
    assert first.endswith("(1 failed in a row).")
    assert second.endswith("(2 failed in a row).")
    assert outcome.said()[-1] == "Yahoo answers again after 2 failed polls."


def test_an_error_page_is_a_fault_of_the_server(polling: Run) -> None:
    """A 502 page says nothing about the symbol, and the message says so."""
    outcome = polling.outcomes["server"]
    assert outcome.times == ["08:53:20", "08:55:20"]
    *_, first, second = outcome.said("WARNING")
    assert first.startswith("Yahoo's server failed (HTTP 502). Such errors usually go away by themselves")
    assert second.startswith("Yahoo's server failed (HTTP 503).")


def test_being_refused_is_told_apart_from_being_limited(polling: Run) -> None:
    """A blocked network gets another explanation than a busy one."""
    outcome = polling.outcomes["refused"]
    assert outcome.times == ["08:55:20"]
    *_, first, second = outcome.said("WARNING")
    assert first.startswith("Yahoo refuses the request (HTTP 403). Yahoo blocks some networks")
    assert second.startswith("Yahoo refuses the request (HTTP 999).")


def test_an_empty_answer_is_waited_out(polling: Run) -> None:
    """No results for any symbol slows polling down and drops no symbol."""
    outcome = polling.outcomes["empty"]
    assert outcome.times == ["08:55:20"]
    assert outcome.said("WARNING")[-1].startswith("Yahoo answers, but has no quote for F.")


def test_a_quote_older_than_one_sent_is_not_sent(polling: Run) -> None:
    """Two older answers yield nothing, and are logged once."""
    outcome = polling.outcomes["stale"]
    assert outcome.times == ["08:54:20", "08:55:20"]
    assert len(outcome.polls) == 4
    assert [text[:38] for text in outcome.said("WARNING")[1:]] == ["Yahoo's quote of G is older than the o"]


def test_prices_that_are_none_are_rejected_once_with_their_bytes(polling: Run) -> None:
    """NaN, infinity, zero, a negative, nothing and text; the second poll has them wrong in the same way."""
    rejections, final = polling.outcomes["bad prices"].ticks
    assert [(origin, reason.partition(" is ")[0]) for origin, reason, _ in rejections] == [
        ("yahoo:A1", "price NaN"),
        ("yahoo:A2", "price Infinity"),
        ("yahoo:A3", "price 0"),
        ("yahoo:A4", "price -37.63"),
        ("yahoo:A5", "price"),
        ("yahoo:A6", "price '12.5'"),
    ]
    assert json.loads(rejections[3][2]) == good("A4", -37.63, bid=1)
    assert [quote["symbol"] for quote in final] == list(BAD_PRICES)


def test_a_price_of_unknown_time_is_not_sent(polling: Run) -> None:
    """It may be yesterday's price; logged once."""
    outcome = polling.outcomes["timeless"]
    assert outcome.times == ["08:55:20"]
    assert sum("gives no market time for H" in text for text in outcome.said("WARNING")) == 1


def test_a_missing_symbol_is_told_once_and_asked_for_apart(polling: Run) -> None:
    """The others go on without it, and its first quote is sent."""
    outcome = polling.outcomes["missing"]
    assert [[quote["symbol"] for quote in tick] for tick in outcome.ticks] == [["I"], ["NOPE"]]
    assert len(outcome.polls) == 1
    asked = [one.query["symbols"] for one in polling.requests if one.query.get("symbols") in ("I", "NOPE")]
    assert asked.count("NOPE") == 4
    assert asked.count("I") >= 4
    assert sum("no quote for NOPE" in text for text in outcome.said("WARNING")) == 1
    assert "Yahoo has a quote for NOPE now." in outcome.said("INFO")
    assert outcome.unknown == []


def test_answers_nobody_can_understand_are_waited_out(polling: Run) -> None:
    """Each is explained on one line without control characters, and strange results are quarantined."""
    outcome = polling.outcomes["malformed"]
    prefix = "Yahoo's answer cannot be understood: "
    reasons = [text.removeprefix(prefix) for text in outcome.said("WARNING") if text.startswith(prefix)]
    expected = [
        "it is not JSON",
        "it is not JSON",
        "it is empty",
        "it has no quoteResponse",
        "it has no quoteResponse",
        r"it reports no \x1b[31mway.",
        "it has no list of results",
        "yfinance fails to process it (UnicodeDecodeError",
    ]
    assert [reason[: len(start)] for reason, start in zip(reasons, expected, strict=True)] == expected
    [[*rejections, quote]] = outcome.ticks
    assert [reason for _, reason, _ in rejections] == [
        "a result must be an object, not 7",
        "a result must be an object, not None",
        "symbol is missing",
    ]
    assert quote["symbol"] == "J"


def test_a_closed_market_is_said_once(polling: Run) -> None:
    """The last price is sent with its own time, then nothing changes, and the log says why."""
    outcome = polling.outcomes["closed"]
    assert outcome.times == ["08:53:20", "08:55:20"]
    assert sum("market of K" in text for text in outcome.said("INFO")) == 2
    assert "The market of K is open." in outcome.said("INFO")


def test_a_dropped_connection_is_waited_out(polling: Run) -> None:
    """A server that hangs up is a network fault, not a fault of the symbol."""
    outcome = polling.outcomes["dropped"]
    assert outcome.times == ["08:55:20"]
    assert any(text.startswith("Yahoo cannot be reached: curl: (") for text in outcome.said("WARNING"))


def test_very_many_symbols_take_few_requests_and_one_fault_does_not_undo_the_rest(polling: Run) -> None:
    """A thousand symbols are two requests at once; one is answered though the other fails."""
    outcome = polling.outcomes["halves"]
    asked = [one.query["symbols"] for one in polling.requests if one.query.get("symbols") in HALVES]
    assert sorted(asked[:3]) == sorted([HALVES[0], HALVES[1], HALVES[1]])
    assert sorted(asked[3:]) == sorted(HALVES)
    first = len(HALVES[0].split(","))
    assert [len(tick) for tick in outcome.ticks] == [first, 1000]
    assert "in 2 requests a poll" in outcome.said()[0]
    assert not any("no quote for" in text for text in outcome.said())
    [fault] = [text for text in outcome.said("WARNING") if "HTTP 502" in text]
    assert "Affected: SYM678, SYM679, SYM680, SYM681, SYM682 and 317 more; retrying" in fault
    assert outcome.said()[-1] == "Yahoo answers for all symbols again."


@pytest.mark.parametrize("name", ["waiting", "hanging"])
def test_it_ends_soon_after_it_is_told_to(polling: Run, name: str) -> None:
    """Neither a minute's wait after an error nor a request without an answer delays it."""
    outcome = polling.outcomes[name]
    assert outcome.seconds < TIMEOUT
    assert (outcome.ticks, outcome.error) == ([], None)
    assert outcome.polls != []


def test_nothing_is_left_behind_and_nothing_came_early(polling: Run) -> None:
    """The caches of yfinance go with the process; importing the source imports nothing of it."""
    assert [path.name for path in polling.folder.iterdir()] == ["yahoo-standin-ca.pem"]
    assert polling.process["imported_early"] == []


def test_libraries_have_no_word_and_secrets_stay_out(polling: Run) -> None:
    """All that is logged is our own, on one line, without a traceback, a cookie or a crumb."""
    lines = [line for outcome in polling.outcomes.values() for line in outcome.log]
    assert {name for level, name, _ in lines if level != "DEBUG"} == {
        "stockctl.sources.yahoo.notices",
        "stockctl.sources.yahoo.source",
        "stockctl.sources.yahoo.tracker",
    }
    assert {name for _, name, _ in lines if not name.startswith("stockctl.")} == set()
    assert not [text for _, _, text in lines if "\n" in text or "Traceback" in text or CRUMB in text]
