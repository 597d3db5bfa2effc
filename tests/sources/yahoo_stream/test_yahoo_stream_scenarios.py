"""Streaming with the real yfinance, in a child process, from a fake Yahoo server on this machine.

All scenarios of ``SCENARIOS`` run in one child, because importing yfinance costs a second; each has symbols
of its own, by which the stand-in knows its script, and ends at the quote it names last. A first poll tells
the first quote of a connection in the same words, so that it does not matter which of the two is faster.
"""

import base64
import json
import re
from collections.abc import Iterator

import pytest

from support.yahoo.polling_child import DEADLINE
from support.yahoo.server import EMPTY, YahooStandIn, status
from support.yahoo.streaming_child import FAST
from support.yahoo.streaming_run import FakeQuote, Run, Scenario, poll, run
from support.yahoo.websocket_server import CLOSE, DROP, IDLE, Close, Heartbeats, Polls, Subscribed, frame

pytestmark = pytest.mark.slow

SATURDAY = "2025-10-11T15:05:00+00:00"


def scripted(symbol: str, *seconds: float) -> list[FakeQuote]:
    """Return quotes of a symbol at these seconds past eleven in New York."""
    return [FakeQuote(symbol, 187.44 + index, second) for index, second in enumerate(seconds)]


AAPL = scripted("AAPL", 0, 0.25, 1, 7.125)
BRK = scripted("BRK-B", 0, 1)
B = scripted("B", 0, 1, 2, 3)
C = scripted("C", 0, 1, 2)
D = scripted("D", 0, 1)
E = scripted("E", 0, 9)
F = scripted("F", 0, 9)
G = scripted("G", 0, 9)
H = scripted("H", 0, 1, 2, 9)
I1, J1 = scripted("I", 0, 4, 9), scripted("J", 0, 9)
K = scripted("K", 0, 1, 9)
L, M, N = scripted("L", 0, 9), scripted("M", 0, 1), scripted("N", 1, 2)
COIN = scripted("BTC-USD", 0, 9)
P = scripted("P", 0, 9)
Q = scripted("Q", 0, 9)

PRE, POST = 0, 2
MIDNIGHT = -7 * 3600  # 04:00 in New York
GARBLED = [
    ("{", "not JSON"),
    ("7", "a message must be an object that contains a text, not 7"),
    ('{"type": "pricing"}', "a message must be an object that contains a text"),
    ('{"message": 7}', "a message must be an object that contains a text"),
    ('{"message": "%%%"}', "not base64"),
    (json.dumps({"message": base64.b64encode(b"\x0a\xff\xff").decode()}), "not a PricingData message"),
    (b"\xff\xfe", "not JSON"),
]
NAN, INFINITY = float("nan"), float("inf")
REFUSED = [
    (frame("E", NAN, E[1].milliseconds), "price NaN"),
    (frame("E", NAN, E[1].milliseconds + 1), None),  # told already
    (frame("E", INFINITY, E[1].milliseconds), "price Infinity"),
    (frame("E", 0, E[1].milliseconds), "price 0"),
    (frame("E", -37.63, E[1].milliseconds), "price -37.63"),
    (frame("E", 1, -5), "time -5 is not a time"),
    (frame("E", 1, E[1].milliseconds + 2 * 86_400_000), "lies in the future"),
    (frame("", 1, E[1].milliseconds), "symbol"),
]

SCENARIOS = {
    "normal": Scenario(
        "AAPL,BRK-B",
        [poll(AAPL[0], BRK[0])],
        [[AAPL[0].live, BRK[0].live, AAPL[1].live, BRK[1].live, AAPL[2].live, AAPL[3].live]],
        AAPL[3].at,
    ),
    "closes": Scenario(
        "B",
        [poll(B[0])],
        [[B[0].live, CLOSE], [B[1].live, Close(1001)], [B[1].live, B[2].live, CLOSE], [B[3].live, IDLE]],
        B[3].at,
    ),
    "drops": Scenario(
        "C", [poll(C[0])], [[C[0].live, C[1].live, DROP], [DROP], [C[1].live, C[2].live]], C[2].at
    ),
    "silence": Scenario(
        "D",
        [poll(D[0])],
        [[D[0].live, IDLE], [D[0].live, D[1].live]],
        D[1].at,
        {"timeouts": {"silence": 0.1}},
    ),
    "refused": Scenario("E", [poll(E[0])], [[E[0].live, *(sent for sent, _ in REFUSED), E[1].live]], E[1].at),
    "garbled": Scenario("F", [poll(F[0])], [[F[0].live, *(sent for sent, _ in GARBLED), F[1].live]], F[1].at),
    "unreadable": Scenario("G", [poll(G[0])], [[G[0].live, *["?"] * 100], [G[1].live]], G[1].at),
    "repeated": Scenario(
        "H",
        [poll(H[0])],
        [[H[0].live, H[0].live, H[2].live, H[1].live, H[2].live, H[0].live, H[3].live]],
        H[3].at,
    ),
    "stray": Scenario(
        "I,J", [poll(I1[0], J1[0])], [[K[2].live, I1[0].live, J1[0].live, I1[1].live, I1[2].live]], I1[2].at
    ),
    "extended": Scenario(
        "K",
        [poll(K[0])],
        [
            [
                K[0].live,
                K[1].live_with(market_hours=PRE),
                FakeQuote("K", 190, MIDNIGHT).live_with(market_hours=PRE),
                FakeQuote("K", 190, 10 * 3600).live_with(market_hours=POST),
                K[2].live,
            ]
        ],
        K[2].at,
    ),
    "changed": Scenario(
        "L,M",
        [EMPTY],
        [[L[0].live, Subscribed("L,N"), M[0].live, N[0].live, N[1].live, Polls(1, "L,N"), L[1].live]],
        L[1].at,
        {"at": {L[0].at: {"symbols": "L,n"}}},
    ),
    "coin": Scenario(
        "BTC-USD",
        [poll(COIN[0])],
        [[COIN[0].live, IDLE], [COIN[0].live, COIN[1].live_with(market_hours=PRE)]],
        COIN[1].at,
        {"now": SATURDAY, "timeouts": {"silence": 0.1}},
    ),
    "weekend": Scenario(
        "P",
        [poll(P[0])],
        [[P[0].live, Polls(1), Heartbeats(8), P[1].live]],
        P[1].at,
        {"now": SATURDAY, "timeouts": {"silence": 0.05, "heartbeat": 0.03}},
    ),
    "unpolled": Scenario("Q", [status(429)], [[Q[0].live, Polls(1), Q[1].live]], Q[1].at),
    # The market closes: twenty minutes past four the source is stopped by the time of day alone.
    "closing": Scenario(
        "R",
        [poll(FakeQuote("R", 190, 17_990))],
        [[FakeQuote("R", 190, 17_990).live, FakeQuote("R", 191, 18_000).live, IDLE]],
        None,
        {
            "when_closed": "exit",
            "now": "2025-10-09T19:59:55+00:00",
            "at": {FakeQuote("R", 191, 18_000).at: {"now": "2025-10-09T20:20:00+00:00"}},
        },
    ),
    "closed": Scenario("S", [EMPTY], [[IDLE]], None, {"when_closed": "exit", "now": SATURDAY}),
    "stopped": Scenario("T", [EMPTY], [[IDLE]], None, {"stop_after": 0.3, "timeouts": {"heartbeat": 60}}),
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All scenarios, run."""
    with YahooStandIn() as yahoo:
        yahoo.script("L,N", EMPTY)
        yield run(yahoo, tmp_path_factory.mktemp("live"), SCENARIOS)


def pairs(quotes: list[dict[str, object]]) -> list[tuple[object, object]]:
    """Return symbol and timestamp of quotes."""
    return [(quote["symbol"], quote["timestamp"]) for quote in quotes]


def script(*quotes: FakeQuote) -> list[tuple[str, str]]:
    """Return symbol and timestamp of what was told."""
    return [(one.symbol, one.at) for one in quotes]


def test_quotes_are_handed_on_as_the_contract_has_them(live: Run) -> None:
    """Each once, in order, the market's time to the millisecond, without the noise of 32-bit floats."""
    found = live.outcomes["normal"].quotes
    assert [quote for quote in found if quote["symbol"] == "AAPL"] == [one.quote for one in AAPL]
    assert [quote for quote in found if quote["symbol"] == "BRK-B"] == [one.quote for one in BRK]


def test_it_subscribes_where_yfinance_does(live: Run) -> None:
    """One connection, to the server that yfinance names, and one message with all symbols."""
    assert live.outcomes["normal"].connections == 1
    assert set(live.yahoo.streamer.paths) == {"/?version=2"}
    said = next(said for symbols, said in live.yahoo.streamer.seen if symbols == "AAPL,BRK-B")
    assert said[0] == {"subscribe": ["AAPL", "BRK-B"]}


def test_after_a_clean_close_it_connects_anew(live: Run) -> None:
    """Three closes, four connections; what the polls in between and the new connection repeat is left out."""
    outcome = live.outcomes["closes"]
    assert pairs(outcome.quotes) == script(*B)
    assert outcome.connections == 4
    assert outcome.counters["reconnects"] == outcome.counters["failures"] == 3
    said = outcome.said("WARNING")
    assert any(
        text.startswith("Yahoo closed the live connection. Polling until it is back; ") for text in said
    )
    assert any(text.startswith("Yahoo closed the live connection (1001)") for text in said)
    assert outcome.said("INFO").count("Live quotes of B again.") == 3
    assert sum("(1 failed in a row)" in text for text in said) == 3  # a message ends a row


def test_after_a_drop_it_connects_anew(live: Run) -> None:
    """A connection that is cut is said to have broken, and no quote of before is lost."""
    outcome = live.outcomes["drops"]
    assert pairs(outcome.quotes) == script(*C)
    assert outcome.connections == 3
    assert any(text.startswith("The live connection to Yahoo broke. ") for text in outcome.said("WARNING"))


def test_a_connection_that_fell_silent_is_replaced(live: Run) -> None:
    """In market hours, silence is a fault."""
    outcome = live.outcomes["silence"]
    assert pairs(outcome.quotes) == script(*D)
    assert outcome.connections >= 2
    assert any(re.search(r"silent for \S+ s while a market is open", one) for one in outcome.said("WARNING"))


def test_silence_at_the_weekend_is_none_and_heartbeats_go_on(live: Run) -> None:
    """No new connection on a Saturday, for all the time of eight heartbeats; each subscribes again."""
    outcome = live.outcomes["weekend"]
    assert pairs(outcome.quotes) == script(*P)
    assert (outcome.connections, outcome.counters["failures"]) == (1, 0)
    said = next(said for symbols, said in live.yahoo.streamer.seen if symbols == "P")
    assert said[:8] == [{"subscribe": ["P"]}] * 8


def test_nothing_is_done_while_nothing_comes(live: Run) -> None:
    """The loop runs once a message, once a heartbeat, and once at the end."""
    outcome = live.outcomes["weekend"]
    said = next(said for symbols, said in live.yahoo.streamer.seen if symbols == "P")
    assert outcome.counters["wakeups"] <= len(said) + outcome.counters["messages"] + 1


def test_each_connection_is_followed_by_one_poll(live: Run) -> None:
    """For what happened before it; there is no other as long as it stands."""
    assert live.outcomes["weekend"].polls == 1


def test_coins_trade_on_saturday(live: Run) -> None:
    """A market that never closes must not be silent, and has no quotes outside its session."""
    outcome = live.outcomes["coin"]
    assert pairs(outcome.quotes) == script(*COIN)
    assert outcome.connections >= 2


def test_messages_nobody_can_read_are_quarantined_and_change_nothing_else(live: Run) -> None:
    """Each with its bytes and its reason; the connection stays."""
    outcome = live.outcomes["garbled"]
    assert pairs(outcome.quotes) == script(*F)
    assert [origin for origin, _, _ in outcome.rejections] == ["yahoo-live"] * len(GARBLED)
    for (sent, reason), (_, found, data) in zip(GARBLED, outcome.rejections, strict=True):
        assert found.startswith(reason)
        assert data == (sent if isinstance(sent, str) else sent.decode("latin-1"))
    assert (outcome.connections, outcome.counters["invalid_messages"]) == (1, len(GARBLED))
    assert sum("is quarantined" in text for text in outcome.said("WARNING")) == 1


def test_a_connection_without_a_readable_message_is_given_up(live: Run) -> None:
    """After a hundred in a row, polling takes over until the next connection."""
    outcome = live.outcomes["unreadable"]
    assert pairs(outcome.quotes) == script(*G)
    assert (outcome.connections, outcome.counters["invalid_messages"]) == (2, 100)
    assert any(text.startswith("Yahoo's live messages cannot be underst") for text in outcome.said("WARNING"))


def test_prices_and_times_that_are_none_are_rejected_with_their_reason(live: Run) -> None:
    """NaN, infinity, zero, negative, no symbol, a time in the future; repetitions are only counted."""
    outcome = live.outcomes["refused"]
    assert pairs(outcome.quotes) == script(*E)
    expected = [(sent, reason) for sent, reason in REFUSED if reason is not None]
    for (sent, reason), (_, found, data) in zip(expected, outcome.rejections, strict=True):
        assert reason in found
        assert data == sent
    assert outcome.counters["rejected"] == len(REFUSED)


def test_repetitions_and_steps_back_in_time_stay_out(live: Run) -> None:
    """Two repetitions and two stale quotes among four; the poll's counts as a repetition or a stale one."""
    outcome = live.outcomes["repeated"]
    assert pairs(outcome.quotes) == script(H[0], H[2], H[3])
    counted = outcome.counters["duplicates"], outcome.counters["backwards"]
    assert counted in {(2, 2), (3, 2), (2, 3)}


def test_symbols_nobody_asked_for_stay_out(live: Run) -> None:
    """They are counted."""
    outcome = live.outcomes["stray"]
    assert {quote["symbol"] for quote in outcome.quotes} == {"I", "J"}
    assert pairs([quote for quote in outcome.quotes if quote["symbol"] == "I"]) == script(*I1)
    assert outcome.counters["unsubscribed"] == 1


def test_quotes_from_outside_the_session_stay_out(live: Run) -> None:
    """Those of four in the morning and nine at night; not one of eleven that Yahoo calls early."""
    outcome = live.outcomes["extended"]
    assert pairs(outcome.quotes) == script(*K)
    assert outcome.counters["outside_session"] == 2
    assert sum("outside the regular session" in text for text in outcome.said("INFO")) == 1


def test_symbols_change_while_it_runs(live: Run) -> None:
    """The new one is subscribed to and polled, the old one ended; a quote of the old one stays out."""
    outcome = live.outcomes["changed"]
    assert pairs(outcome.quotes) == script(L[0], N[0], N[1], L[1])
    assert outcome.connections == 1
    said = next(said for symbols, said in live.yahoo.streamer.seen if symbols == "L,M")
    assert [one for one in said if one != {"subscribe": ["L", "M"]}][:2] == [
        {"subscribe": ["L", "N"]},
        {"unsubscribe": ["M"]},
    ]
    assert len(live.yahoo.polls("L,N")) >= 1
    assert "Live quotes of L, N from now on." in outcome.said("INFO")


def test_a_poll_that_fails_does_not_stop_live_quotes(live: Run) -> None:
    """Yahoo may limit polls from an address, but still stream to it."""
    outcome = live.outcomes["unpolled"]
    assert pairs(outcome.quotes) == script(*Q)
    assert outcome.counters["fallback_polls"] == 0
    assert outcome.error is None


def test_a_market_that_closes_ends_it(live: Run) -> None:
    """Nothing else told it to stop; the closing price came before."""
    outcome = live.outcomes["closing"]
    assert pairs(outcome.quotes) == [("R", "2025-10-09T19:59:50.000Z"), ("R", "2025-10-09T20:00:00.000Z")]
    assert outcome.seconds < DEADLINE
    assert "Stopping, because of --when-closed exit." in outcome.said("INFO")[-1]


def test_a_market_that_is_closed_is_not_asked(live: Run) -> None:
    """No connection and no poll on a Saturday."""
    outcome = live.outcomes["closed"]
    assert (outcome.quotes, outcome.connections, outcome.polls) == ([], 0, 0)


def test_it_ends_soon_after_it_is_told_to(live: Run) -> None:
    """While nothing comes, too: neither a heartbeat nor the end of patience is waited for."""
    outcome = live.outcomes["stopped"]
    assert outcome.seconds < FAST["silence"]
    assert (outcome.quotes, outcome.error) == ([], None)


def test_nothing_is_left_behind_and_nothing_came_early(live: Run) -> None:
    """The caches of yfinance go with the process; importing the source imports nothing heavy."""
    assert [path.name for path in live.folder.iterdir()] == ["yahoo-standin-ca.pem"]
    assert live.process["imported_early"] == []


def test_all_that_is_said_is_our_own(live: Run) -> None:
    """Nothing from a library, each message on one line, no traceback."""
    lines = [line for outcome in live.outcomes.values() for line in outcome.log]
    assert {name.partition(".")[0] for _, name, _ in lines} == {"stockctl"}
    assert not [text for _, _, text in lines if "\n" in text or "Traceback" in text]
