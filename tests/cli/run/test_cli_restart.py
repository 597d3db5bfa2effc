"""A feed whose unit changes while stockctl is not running, or was killed."""

import json
import signal
import subprocess
import time

import pytest

from stockctl.sources.price_store import SqlitePriceStore
from support.cli.command import SECONDS, Command, finish
from support.cli.running_stream import seen
from support.yahoo.server import MARKET_TIME, YahooStandIn, good, quotes

pytest_plugins = ["support.yahoo.fixtures"]

pytestmark = pytest.mark.slow

FEED = ("stream", "--source", "ndjson", "--file", "-", "--quiet")
WRONG = "VOD.L: price 7200 is off by a factor of 100 from the last price, 72"
UNREACHABLE = {
    "STOCKCTL_TARGET": "aws", "STOCKCTL_AWS__ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


def line(time: str, price: int, close: int | None = None) -> str:
    """Return a line of the feed, of a day in January."""
    fields = {"timestamp": f"2026-01-05T{time}Z", "symbol": "VOD.L", "price": price, "previous_close": close}
    return json.dumps(fields) + "\n"


def prices(stockctl: Command) -> list[float]:
    """Return what is stored, oldest first."""
    return [row["price"] for row in stockctl.rows("query", "history", "VOD.L")]


def test_a_price_off_by_100_is_refused_in_the_next_run(stockctl: Command):
    """It goes to quarantine with the reason, and the next right one is stored."""
    stockctl.ok(*FEED, stdin=line("10:00:00", 72, 71))
    done = stockctl.run(*FEED, stdin=line("10:00:30", 7200, 7100) + line("10:01:00", 73, 71))
    assert WRONG in done.stderr
    assert "1 quote sent, 1 stored, 1 quarantined" in done.stderr
    assert prices(stockctl) == [72, 73]


def test_a_split_between_two_runs_is_stored(stockctl: Command):
    """After a night, and with a previous close that agrees."""
    stockctl.ok(*FEED, stdin=line("10:00:00", 7200, 7100))
    stockctl.ok(*FEED, stdin=line("15:00:00", 72, 71))
    assert prices(stockctl) == [7200, 72]


def test_a_kill_does_not_make_it_forget(stockctl: Command):
    """What was taken some seconds before it is known, whatever ended the run."""
    child = stockctl.start(*FEED, stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(line("10:00:00", 72, 71))
    child.stdin.flush()
    deadline = time.monotonic() + SECONDS
    while SqlitePriceStore(stockctl.home / "outbox.db").load("VOD.L") is None:
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.05)
    seen(stockctl, child, lambda found: found.get("quotes"))
    finish(child, signal.SIGKILL)
    assert WRONG in stockctl.run(*FEED, stdin=line("10:00:30", 7200, 7100)).stderr
    assert prices(stockctl) == [72]


def test_a_stream_that_cannot_be_reached_makes_no_difference(stockctl: Command):
    """The last price is known beside the outbox, and nobody has to be asked for it."""
    arguments = (*FEED, "--grace", "0")
    first = stockctl.run(*arguments, stdin=line("10:00:00", 72, 71), extra=UNREACHABLE)
    assert (first.returncode, "1 quote in the outbox" in first.stderr) == (1, True), first.stderr
    second = stockctl.run(*arguments, stdin=line("10:00:30", 7200, 7100), extra=UNREACHABLE)
    assert WRONG in second.stderr
    assert "1 quote and 1 unreadable record in the outbox" in second.stderr


def test_single_polls_of_yahoo_are_judged_by_those_before(
    stockctl: Command, yahoo: YahooStandIn, yahoo_environment: dict[str, str]
):
    """The same quote once more is no fault; a wrong unit is one, with the reason."""
    later = MARKET_TIME + 30
    yahoo.script(
        "VOD.L",
        *[quotes(good("VOD.L", 72))] * 2,
        quotes(good("VOD.L", 7200, regularMarketTime=later, regularMarketPreviousClose=7100)),
        quotes(good("VOD.L", 73, regularMarketTime=later + 30)),
    )
    arguments = ("stream", "--source", "yahoo", "--once", "--symbols", "VOD.L")
    first, again, wrong, right = (stockctl.run(*arguments, extra=yahoo_environment) for _ in range(4))
    assert "1 quote sent, 1 stored" in first.stderr
    assert (again.returncode, "1 already stored" in again.stderr) == (0, True), again.stderr
    assert wrong.returncode == 1
    assert "VOD.L (price 7200 is off by a factor of 100 from the last price, 72" in wrong.stderr
    assert right.returncode == 0, right.stderr
    assert prices(stockctl) == [72, 73]
