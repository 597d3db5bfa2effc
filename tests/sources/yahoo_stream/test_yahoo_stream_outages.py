"""Outages of the live connection, scripted handshake by handshake, in a child process each."""

import re
from pathlib import Path

import pytest

from support.yahoo.server import DROP as HANG_UP
from support.yahoo.server import YahooStandIn, raw, status
from support.yahoo.streaming_run import FakeQuote, Outcome, Scenario, poll, run
from support.yahoo.websocket_server import CLOSE, DROP, IDLE, Heartbeats, Polls

pytestmark = pytest.mark.slow


def one(folder: Path, handshakes: list[int | tuple[str, int]], scenario: Scenario) -> Outcome:
    """Run one scenario with what the handshakes of its connections meet."""
    with YahooStandIn() as yahoo:
        yahoo.streamer.handshakes = handshakes
        return run(yahoo, folder, {"outage": scenario}).outcomes["outage"]


def times(outcome: Outcome) -> list[str]:
    """Return the time within its minute of all quotes."""
    return [str(quote["timestamp"])[17:23] for quote in outcome.quotes]


def test_polls_bridge_an_outage_without_a_gap_or_a_repetition(tmp_path: Path) -> None:
    """The delivered quotes equal the script, though each side repeats what the other told before.

    The connection breaks after second 2. It cannot be had again until the polls of seconds 3 and 5 were
    answered. It repeats seconds 5 (with its milliseconds) and 2, and the catching-up poll tells second 6.
    """
    scripted = {second: FakeQuote("AAPL", 187.44 + second, second) for second in (0, 1, 2, 3, 5, 6, 7)}
    exact = FakeQuote("AAPL", scripted[5].price, 5.375)
    scenario = Scenario(
        "AAPL",
        [poll(scripted[at]) for at in (0, 2, 3, 3, 5, 5, 6)],
        [
            [scripted[0].live, scripted[1].live, scripted[2].live, Polls(1), DROP],
            [exact.live, scripted[2].live, scripted[6].live, scripted[7].live],
        ],
        scripted[7].at,
    )
    outcome = one(tmp_path, [("AAPL", 0), ("AAPL", 6)], scenario)
    assert [quote["price"] for quote in outcome.quotes] == [one.price for one in scripted.values()]
    assert [quote["timestamp"] for quote in outcome.quotes] == [one.at for one in scripted.values()]
    assert outcome.connections == 2
    assert outcome.counters["fallback_polls"] >= 4


def test_a_429_storm_on_both_sides_is_waited_out(tmp_path: Path) -> None:
    """Polls and handshakes are limited, fail and break; in the end the connection brings the rest.

    A failed poll takes two replies. What each is called, a person is told.
    """
    scripted = [FakeQuote("B", 187.44, second) for second in range(4)]
    bad_polls = [*[status(429)] * 4, *[status(502)] * 2, raw(b"<html>"), HANG_UP, HANG_UP]
    scenario = Scenario(
        "B",
        [*bad_polls, poll(scripted[0]), poll(scripted[1])],
        [[scripted[1].live, scripted[2].live, scripted[3].live]],
        scripted[3].at,
    )
    outcome = one(tmp_path, [429, 502, 403, 503, ("B", 13)], scenario)
    assert times(outcome) == ["00.000", "01.000", "02.000", "03.000"]
    said = " ".join(outcome.said("WARNING"))
    for fault in (
        "Yahoo limits this address: too many live connections (HTTP 429). Polling until it is back",
        "Yahoo's server of live quotes failed (HTTP 502)",
        "Yahoo refuses a live connection (HTTP 403)",
        "Yahoo limits this address: too many requests (HTTP 429)",
        "Yahoo's server failed (HTTP 502)",
    ):
        assert fault in said
    assert (outcome.counters["failures"], outcome.counters["connections"]) == (4, 1)


def test_a_connection_that_never_comes_leaves_plain_polling(tmp_path: Path) -> None:
    """The same quotes; the same failure is logged less and less often."""
    scripted = [FakeQuote("C", 187.44, second) for second in range(3)]
    answers = [poll(scripted[0])] * 10 + [poll(scripted[1])] * 10 + [poll(scripted[2])]
    scenario = Scenario("C", answers, [[CLOSE]], scripted[2].at, {"timeouts": {"longest_wait": 0.02}})
    outcome = one(tmp_path, [403] * 10_000, scenario)
    assert times(outcome) == ["00.000", "01.000", "02.000"]
    levels = [level for level, _, text in outcome.log if "refuses a live connection (HTTP 403)" in text]
    told_at = [number for number, level in enumerate(levels, 1) if level == "WARNING"]
    assert told_at == [2**power for power in range(len(levels).bit_length())]
    assert outcome.counters["failures"] >= 1
    assert not outcome.counters["connected"]


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """TLS works but no answer comes: polling starts after the timeout, and the next connection is used."""
    scripted = [FakeQuote("H", 187.44, second) for second in range(2)]
    scenario = Scenario(
        "H", [poll(scripted[0])], [[scripted[1].live]], scripted[1].at, {"timeouts": {"opening": 0.3}}
    )
    outcome = one(tmp_path, [("H", 1_000_000), *[("H", 2)] * 1000], scenario)
    assert times(outcome) == ["00.000", "01.000"]
    assert any("do not answer in time. Polling until it is back" in text for text in outcome.said("WARNING"))
    assert outcome.counters["failures"] >= 1
    assert outcome.counters["connections"] == 1


def test_quiet_connections_are_left_alone_ever_longer(tmp_path: Path) -> None:
    """There may be no trades: each alarm in a row doubles the timeout, and polls bring the quotes."""
    scripted = [FakeQuote("D", 187.44, second) for second in range(2)]
    scenario = Scenario(
        "D",
        [poll(scripted[0])],
        [[IDLE], [IDLE], [scripted[1].live]],
        scripted[1].at,
        {"timeouts": {"silence": 0.02, "heartbeat": 0.01}},
    )
    # Up to three polls may be left alone when a connection ends or comes; of two more the first was heard.
    outcome = one(tmp_path, [("D", 0), ("D", 0), ("D", 5)], scenario)
    assert times(outcome) == ["00.000", "01.000"]
    found = [re.search(r"silent for (\S+) s", text) for text in outcome.said("WARNING")]
    first, second, *_ = [float(one[1]) for one in found if one]
    assert first >= 0.02
    assert second >= 0.04


def test_an_idle_connection_costs_next_to_nothing(tmp_path: Path) -> None:
    """A second of silence after a clean close and a new connection: a few hundred calls of functions.

    A loop that spins makes a million.
    """
    scripted = [FakeQuote("E", 187.44, second) for second in range(2)]
    scenario = Scenario(
        "E",
        [poll(scripted[0])],
        [[CLOSE], [Heartbeats(5), scripted[1].live]],
        scripted[1].at,
        {
            "timeouts": {"heartbeat": 0.25},
            "interval": 60,
            "profile": True,
            "now": "2025-10-11T15:05:00+00:00",
        },
    )
    with YahooStandIn() as yahoo:
        outcome = run(yahoo, tmp_path, {"idle": scenario}).outcomes["idle"]
    heard = sum(len(said) for _, said in yahoo.streamer.seen)
    assert outcome.connections == 2
    assert outcome.counters["wakeups"] <= heard + outcome.counters["messages"] + 2
    assert 100 < outcome.calls < 10_000


def test_a_limit_on_connections_is_one_on_polls(tmp_path: Path) -> None:
    """A rate limit on one part of the program applies to the others: they share the breaker."""
    scripted = FakeQuote("G", 187.44, 0)
    outcome = one(tmp_path, [429, ("G", 1)], Scenario("G", [poll(scripted)], [[IDLE]], scripted.at))
    assert outcome.counters["limits"] == 1
    assert times(outcome) == ["00.000"]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, "cannot be reached: "),
        ({"SSL_CERT_FILE": ""}, "The certificate of Yahoo's live quotes is not valid (TLS): "),
    ],
)
def test_what_is_in_the_way_is_named(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    """A proxy that does not exist, and one that decrypts connections."""
    with YahooStandIn() as yahoo:
        scenario = Scenario("F", [poll(FakeQuote("F", 1, 0))], [[CLOSE]], None, {"until_said": words})
        outcome = run(yahoo, tmp_path, {"way": scenario}, environment).outcomes["way"]
    assert any(words in text for text in outcome.said("WARNING"))
    assert outcome.connections == 0


def test_a_proxy_that_cannot_be_leaves_plain_polling(tmp_path: Path) -> None:
    """It is set for the live connection only, so that polls still work."""
    scripted = FakeQuote("I", 187.44, 0)
    with YahooStandIn() as yahoo:
        scenario = Scenario("I", [poll(scripted)], [[CLOSE]], scripted.at)
        outcome = run(yahoo, tmp_path, {"way": scenario}, {"WSS_PROXY": "http://[bad"}).outcomes["way"]
    assert times(outcome) == ["00.000"]
    assert any("Correct or unset it, and start again. Polling" in text for text in outcome.said("WARNING"))
