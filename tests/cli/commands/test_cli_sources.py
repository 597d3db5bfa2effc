"""Feeds of other programs and sources of other packages, as a user runs them."""

import json
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stockctl.sources.calendars import MarketHours
from support.cli.command import Command, finish, running
from support.cli.running_stream import seen


def line(minute: int, price: int) -> str:
    """Return a line of a feed."""
    fields = {"timestamp": f"2026-01-05T15:{minute:02}:00Z", "symbol": "AAPL", "price": price}
    return json.dumps(fields) + "\n"


def prices(stockctl: Command, symbol: str) -> list[float]:
    """Return what is stored of a symbol, oldest first."""
    return [row["price"] for row in stockctl.rows("query", "history", symbol)]


@pytest.mark.slow
def test_any_program_can_be_piped_in(stockctl: Command) -> None:
    """What a feed writes is stored, what cannot be read is set aside, and the end of the feed ends it."""
    done = stockctl.run(
        "stream", "--source", "ndjson", "--file", "-", stdin=line(1, 101) + "oops\n" + line(2, 102)
    )
    assert done.returncode == 0, done.stderr
    assert "2 quotes sent, 2 stored, 1 quarantined, 0 alerts." in done.stderr
    assert prices(stockctl, "AAPL") == [101, 102]


@pytest.mark.slow
def test_a_line_is_stored_while_the_feed_goes_on(stockctl: Command) -> None:
    """A quote is there before the next one comes, and SIGTERM ends the wait for it with nothing lost."""
    child = stockctl.start(
        *("stream", "--source", "ndjson", "--file", "-", "-o", "json"),
        extra={"STOCKCTL_INDICATORS__SHORT": "1", "STOCKCTL_INDICATORS__LONG": "2"},
        stdin=subprocess.PIPE,
    )
    with running(child):
        assert child.stdin is not None
        assert child.stdout is not None
        # Up, then down: the third quote raises an alert, which is written once it is stored.
        for minute, price in enumerate((101, 109, 102)):
            child.stdin.write(line(minute, price))
            child.stdin.flush()
        alert = json.loads(child.stdout.readline())
        assert (alert["symbol"], alert["kind"], alert["price"]) == ("AAPL", "trend_down", 102)
        assert prices(stockctl, "AAPL") == [101, 109, 102]
        code, _, told = finish(child, signal.SIGTERM)
    assert code == 0, told
    assert "3 quotes sent" in told


def test_a_growing_file_is_followed_until_ctrl_c(stockctl: Command) -> None:
    """Lines that come later are stored as well; Ctrl-C ends it with its own code."""
    feed = stockctl.folder / "feed.ndjson"
    feed.write_text(line(1, 101))
    child = stockctl.start(
        "stream", "--file", str(feed), "--follow", "-o", "json",
        extra={"STOCKCTL_INDICATORS__SHORT": "1", "STOCKCTL_INDICATORS__LONG": "2"},
    )  # fmt: skip
    with running(child):
        with feed.open("a") as file:
            file.write(line(2, 105) + line(3, 90))
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["price"] == 90
        assert finish(child)[0] == 130
    assert prices(stockctl, "AAPL") == [101, 105, 90]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--source", "ndjson"), "The source ndjson reads one feed."),
        (("--source", "ndjson", "--file", "a", "--file", "b"), "The source ndjson reads one feed."),
        (("--source", "ndjson", "--file", "nothing"), "nothing cannot be read: No such file or directory."),
        (("--source", "ndjson", "--file", "-", "--once"), "--once is for --source yahoo"),
        (("--source", "yahoo", "--follow"), "--follow is for --source ndjson, not for yahoo."),
        (("--source", "acme"), "The source 'acme' is unknown."),
    ],
)
def test_what_makes_no_sense_is_refused(stockctl: Command, arguments: tuple[str, ...], words: str) -> None:
    """Before a home is made, with the reason."""
    assert words in stockctl.refused("stream", *arguments, code=2)
    assert not stockctl.home.exists()


ACME = """
from datetime import UTC, datetime
from decimal import Decimal

from stockctl.market.quote import Quote


class Acme:
    name = "acme"
    expected = None
    repeatable = True

    def __init__(self, request):
        self.request = request

    def ticks(self, stop):
        start = self.request.options["start"]
        for number, symbol in enumerate(self.request.symbols):
            price = Decimal(start + number)
            figures = (price, None, None, None, None, None)
            yield [Quote(symbol, "2026-01-05T15:00:00.000Z", *figures, "acme", None)]


class Changing(Acme):
    repeatable = False

    def change_symbols(self, symbols):
        self.request = self.request._replace(symbols=symbols)

    def ticks(self, stop):
        told = ()
        while not stop.wait(0.01):
            if self.request.symbols != told:
                told = self.request.symbols
                yield from super().ticks(stop)


class Hourly(Acme):
    repeatable = False
    follows_market_hours = True


def make_source(request):
    return Acme(request)


def make_hourly(request):
    return Hourly(request)


def make_changing(request):
    return Changing(request)


def make_nothing(request):
    return object()


def make_failing(request):
    raise ValueError("no key for the feed")
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with an installed package that brings six sources, three of which work."""
    folder = tmp_path / "site"
    described = folder / "acme_quotes-1.0.dist-info"
    described.mkdir(parents=True)
    (folder / "acme_quotes.py").write_text(ACME)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-quotes\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[stockctl.sources]\nacme = acme_quotes:make_source\nchanging = acme_quotes:make_changing\n"
        "hourly = acme_quotes:make_hourly\n"
        "failing = acme_quotes:make_failing\nabsent = acme_quotes:gone\nempty = acme_quotes:make_nothing\n"
    )
    return folder


def with_packages(stockctl: Command, packages: Path) -> dict[str, str]:
    """Return the environment in which the package is installed."""
    found = [str(packages), stockctl.environment().get("PYTHONPATH", "")]
    return {"PYTHONPATH": ":".join(filter(None, found)), "STOCKCTL_SOURCE__OPTIONS": "{start = 40}"}


def test_a_source_of_another_package_is_found_by_its_name(stockctl: Command, packages: Path) -> None:
    """It gets the symbols and its own options, and its quotes are stored."""
    stockctl.ok("stream", "--source", "acme", "--symbols", "IBM,T", extra=with_packages(stockctl, packages))
    rows = stockctl.rows("query", "latest")
    assert [(row["symbol"], row["price"], row["source"]) for row in rows] == [
        ("IBM", 40, "acme"),
        ("T", 41, "acme"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [("--speed", "5"), ("--seed", "3"), ("--timezone", "UTC"), ("--follow",), ("--start", "2026-01-05")],
)
def test_it_is_not_asked_for_what_it_is_never_told(
    stockctl: Command, packages: Path, arguments: tuple[str, ...]
) -> None:
    """An option without effect is refused, as it is for the sources that come with stockctl."""
    extra = with_packages(stockctl, packages)
    refused = stockctl.refused("stream", "--source", "acme", *arguments, code=2, extra=extra)
    assert f"{arguments[0]} is for --source" in refused
    assert "not for acme" in refused


def test_one_that_cannot_be_made_is_named(stockctl: Command, packages: Path) -> None:
    """The fault is its package's, whatever it raises."""
    extra = with_packages(stockctl, packages)
    refused = stockctl.refused("stream", "--source", "failing", code=1, extra=extra)
    assert "The source failing of acme-quotes has failed: ValueError: no key for the feed." in refused


@pytest.mark.slow
def test_one_that_follows_market_hours_rests_while_they_are_closed(stockctl: Command, packages: Path) -> None:
    """As --when-closed says; what never closes is streamed at any time."""
    extra, hours, now = with_packages(stockctl, packages), MarketHours(), datetime.now(UTC)
    # New York and Tokyo are never open at the same time; which one is closed depends on when this runs.
    ahead = now + timedelta(minutes=10)
    closed = next(
        one
        for one in ("AAPL", "7203.T")
        if not hours.session_end([one], now) and not hours.session_end([one], ahead)
    )
    command = ("stream", "--source", "hourly", "--symbols")
    rested = stockctl.run(*command, closed, "--when-closed", "exit", extra=extra)
    assert rested.returncode == 0, rested.stderr
    assert f"The market of {closed} is closed until" in rested.stderr
    assert "0 quotes sent" in rested.stderr
    for arguments in ((closed, "--when-closed", "continue"), ("BTC-USD",)):
        assert "1 quote sent" in stockctl.run(*command, *arguments, extra=extra).stderr


def test_one_that_does_not_follow_market_hours_has_no_use_for_the_option(
    stockctl: Command, packages: Path
) -> None:
    """Wrong usage, with the reason, rather than silence."""
    arguments = ("--source", "acme", "--symbols", "IBM", "--when-closed", "exit")
    told = stockctl.refused("stream", *arguments, code=2, extra=with_packages(stockctl, packages))
    assert "--when-closed is for sources that follow market hours; acme does not." in told


def hang_up(
    stockctl: Command, packages: Path, change: Callable[[Path], object], *arguments: str
) -> tuple[list[str], str]:
    """Change the configuration of a running stream, send it SIGHUP, and return what is stored and said."""
    configuration = stockctl.folder / "stockctl.toml"
    configuration.write_text('symbols = ["IBM"]')
    extra = with_packages(stockctl, packages)
    given = ("stream", "--source", "changing", "-o", "json", *arguments)
    with running(stockctl.start(*given, extra=extra)) as child:
        assert child.stderr is not None
        told = child.stderr.readline()
        seen(stockctl, child, lambda found: found.get("quotes"))
        change(configuration)
        child.send_signal(signal.SIGHUP)
        told += child.stderr.readline()
        if "Reloaded the configuration" in told:
            seen(stockctl, child, lambda found: found.get("quotes") == 2)
        code, _, rest = finish(child, signal.SIGTERM)
    assert code == 0, rest
    return [row["symbol"] for row in stockctl.rows("query", "latest")], told


def add_a_symbol(configuration: Path) -> None:
    """Have the configuration name another one."""
    configuration.write_text('symbols = ["IBM", "T"]')


def put_a_folder_in_its_place(configuration: Path) -> None:
    """Have nothing that can be read where the configuration was."""
    configuration.unlink()
    configuration.mkdir()


def test_sighup_reads_the_symbols_again(stockctl: Command, packages: Path) -> None:
    """A stream that runs for months takes a new symbol without an end."""
    stored, told = hang_up(stockctl, packages, add_a_symbol)
    assert stored == ["IBM", "T"]
    assert "Reloaded the configuration: 2 symbols." in told


def test_sighup_leaves_symbols_of_the_command_line(stockctl: Command, packages: Path) -> None:
    """What was named on the command line stays, and that is said."""
    stored, told = hang_up(stockctl, packages, add_a_symbol, "--symbols", "AAPL")
    assert stored == ["AAPL"]
    assert "Ignored SIGHUP: the symbols were set with --symbols." in told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Path.unlink, "The configuration stockctl.toml cannot be read: No such file or directory."),
        (put_a_folder_in_its_place, "The configuration stockctl.toml cannot be read: Is a directory."),
        (lambda configuration: configuration.write_text(""), "stockctl.toml does not set them any more."),
    ],
    ids=["gone", "a folder", "just being written"],
)
def test_sighup_without_the_configuration_keeps_the_symbols(
    stockctl: Command, packages: Path, change: Callable[[Path], object], words: str
) -> None:
    """The default ones are no substitute for those that a file named."""
    stored, told = hang_up(stockctl, packages, change)
    assert stored == ["IBM"]
    assert f"The symbols were not changed: {words}" in told


def test_sighup_ends_no_stream_whose_symbols_cannot_change(stockctl: Command) -> None:
    """It says so and goes on."""
    given = ("stream", "--source", "ndjson", "--file", "-")
    with running(stockctl.start(*given, stdin=subprocess.PIPE)) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        seen(stockctl, child, lambda found: found.get("producer") == "running")
        child.send_signal(signal.SIGHUP)
        next(words for words in child.stderr if "the symbols of the source ndjson cannot be changed" in words)
        child.stdin.write(line(1, 101))
        child.stdin.flush()
        seen(stockctl, child, lambda found: found.get("quotes"))
        code, _, told = finish(child, signal.SIGTERM)
    assert code == 0, told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "The source absent cannot be loaded from acme_quotes:gone"),
        ("empty", "What acme_quotes:make_nothing creates is not a source: it has no name, no expected"),
    ],
)
def test_a_source_that_is_none_is_told(stockctl: Command, packages: Path, name: str, words: str) -> None:
    """A broken package is named, so that its maintainer can be asked."""
    told = stockctl.refused("stream", "--source", name, code=1, extra=with_packages(stockctl, packages))
    assert words in told
    assert "acme-quotes" in told
