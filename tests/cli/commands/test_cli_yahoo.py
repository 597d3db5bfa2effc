"""stream --source yahoo, with the real yfinance against a stand-in for Yahoo."""

import json

import pytest

from support.cli.command import Command
from support.yahoo.server import YahooStandIn, good, quotes, status

pytest_plugins = ["support.yahoo.fixtures"]

pytestmark = pytest.mark.slow


def test_one_poll_stores_what_yahoo_says(
    stockctl: Command, yahoo: YahooStandIn, yahoo_environment: dict[str, str]
) -> None:
    """--once polls with one request for all symbols, and the quotes are in the table."""
    yahoo.script("AAPL,MSFT", quotes(good("AAPL"), good("MSFT")))
    done = stockctl.run("stream", "--symbols", "AAPL,MSFT", "--once", extra=yahoo_environment)
    assert done.returncode == 0, done.stderr
    assert "2 quotes sent, 2 stored" in done.stderr
    latest = json.loads(stockctl.ok("query", "latest", "-o", "json"))
    assert [(quote["symbol"], quote["source"]) for quote in latest] == [("AAPL", "yahoo"), ("MSFT", "yahoo")]
    assert all(quote["observed_at"] for quote in latest)


def test_a_poll_that_reads_no_symbol_fails_with_the_reason(
    stockctl: Command, yahoo: YahooStandIn, yahoo_environment: dict[str, str]
) -> None:
    """Limited by Yahoo at every try, --once ends with 1 and says what that means."""
    yahoo.script("AAPL", *[status(429)] * 6)
    done = stockctl.run("stream", "--symbols", "AAPL", "--once", extra=yahoo_environment)
    assert done.returncode == 1
    assert "429" in done.stderr or "limit" in done.stderr
    assert "Traceback" not in done.stderr
