"""Bad days of Yahoo, from yfinance to what is stored: exactly what the stand-in told, once and in order."""

import signal

import pytest

from support.cli.command import Command, finish
from support.cli.running_stream import seen, streaming
from support.yahoo.server import EMPTY, MARKET_TIME, YahooStandIn, good, quotes, status
from support.yahoo.streaming_run import FakeQuote, poll
from support.yahoo.websocket_server import CLOSE, DROP, IDLE, frame

pytest_plugins = ["support.yahoo.fixtures"]

pytestmark = pytest.mark.slow

Q = [FakeQuote("AAPL", 187.44 + second, second) for second in range(5)]
OTHER = FakeQuote("MSFT", 300, 1)


def streamed(stockctl: Command, extra: dict[str, str], quotes: int, *arguments: str) -> str:
    """Stream until so many quotes are stored; return what was said."""
    given = ("--when-closed", "continue", *arguments)
    with streaming(stockctl, *given, extra=extra) as child:
        seen(stockctl, child, lambda found: found.get("quotes") == quotes)
        code, out, err = finish(child, signal.SIGTERM)
    assert (code, out) == (0, ""), err
    return err


def stored(stockctl: Command, symbol: str) -> list[tuple[str, float]]:
    """Return time and price of what is stored, oldest first."""
    return [(row["timestamp"], row["price"]) for row in stockctl.rows("query", "history", symbol)]


def script(*told: FakeQuote) -> list[tuple[str, float]]:
    """Return time and price of what was told."""
    return [(one.at, one.price) for one in told]


def test_a_live_connection_that_closes_drops_and_stammers(
    stockctl: Command, yahoo: YahooStandIn, yahoo_environment: dict[str, str]
) -> None:
    """A poll fails, the connection closes and drops, repeats quotes, goes back, and sends what is none."""
    yahoo.script("AAPL,MSFT", status(502), status(502), poll(Q[0]), EMPTY)
    yahoo.streamer.script(
        "AAPL,MSFT",
        [Q[0].live, Q[1].live, frame("AAPL", float("nan"), Q[2].milliseconds), "not JSON", Q[1].live, CLOSE],
        [Q[1].live, Q[2].live, Q[0].live, DROP],
        [Q[2].live, OTHER.live, Q[3].live, Q[3].live, Q[4].live, IDLE],
    )
    said = streamed(stockctl, yahoo_environment, 6, "--source", "yahoo-live", "--symbols", "AAPL,MSFT")
    assert stored(stockctl, "AAPL") == script(*Q)
    assert stored(stockctl, "MSFT") == script(OTHER)
    assert stockctl.rows("status")[0]["quarantined"] == 2
    assert "6 quotes sent, 6 stored, 2 quarantined" in said


def test_polls_that_bring_nothing_new(
    stockctl: Command, yahoo: YahooStandIn, yahoo_environment: dict[str, str]
) -> None:
    """A stale quote, an error page, NaN: what came before and after is stored, each once."""
    stale = quotes(good("AAPL", 187.44))
    nan = quotes(good("AAPL", float("nan"), regularMarketTime=MARKET_TIME + 60))
    then = quotes(good("AAPL", 188.5, regularMarketTime=MARKET_TIME + 60))
    yahoo.script("AAPL", stale, stale, status(502), status(502), nan, then)
    streamed(stockctl, yahoo_environment, 2, "--source", "yahoo", "--symbols", "AAPL", "--interval", "1")
    assert stored(stockctl, "AAPL") == [
        ("2025-10-09T08:53:20.000Z", 187.44),
        ("2025-10-09T08:54:20.000Z", 188.5),
    ]
