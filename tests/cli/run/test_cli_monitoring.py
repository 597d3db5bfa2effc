"""Watching a stream as a person on a terminal does, and as a log, a scraper and a supervisor do."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import time
import urllib.request
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stockctl.market.quote import encode_quote
from support.aws.kinesis_server import NullKinesis, Script, kinesis_null
from support.cli.command import SECONDS, Command, finish, running
from support.cli.running_stream import seen
from support.cli.screen import Screen
from support.producer_inputs import ticks_of

pytestmark = pytest.mark.slow

FEED = ("stream", "--source", "ndjson", "--file", "-")

ACME = """
import sys
from datetime import UTC, datetime
from decimal import Decimal

from stockctl.market.quote import Quote
from stockctl.market.timestamp import format_timestamp


class Acme:
    name = "acme"
    expected = None
    repeatable = False

    def __init__(self, request):
        self.symbols = request.symbols

    def ticks(self, stop):
        number = 0
        try:
            while not stop.wait(0.1):
                number += 1
                moment = format_timestamp(datetime.now(UTC))
                yield [self.quote(place, symbol, moment, number) for place, symbol in enumerate(self.symbols)]
                if number == 1:
                    print("acme has begun", file=sys.stderr, flush=True)
        finally:
            print("acme has ended", file=sys.stderr, flush=True)

    def quote(self, place, symbol, moment, number):
        price = Decimal(100 + (place + number) % 9)
        return Quote(symbol, moment, price, Decimal(100), None, None, None, None, "acme", moment)


def make_source(request):
    return Acme(request)
"""


@pytest.fixture
def acme(tmp_path: Path) -> dict[str, str]:
    """The environment in which a package with a live source is installed."""
    folder = tmp_path / "site"
    described = folder / "acme_quotes-1.0.dist-info"
    described.mkdir(parents=True)
    (folder / "acme_quotes.py").write_text(ACME)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-quotes\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[stockctl.sources]\nacme = acme_quotes:make_source\n")
    return {"PYTHONPATH": ":".join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))}


class Terminal:
    """A pseudo-terminal with a program on it."""

    def __init__(self, person: int, child: subprocess.Popen[bytes]) -> None:
        self._person = person
        self.child = child
        self.text = ""
        self._decoder = getincrementaldecoder("utf-8")()

    def read_until(self, seen: Callable[[str], object]) -> None:
        """Read until all that was written has what is looked for."""
        while not seen(self.text):
            self.text += self._decoder.decode(os.read(self._person, 1 << 16))

    def type(self, keys: bytes) -> None:
        """Type something."""
        os.write(self._person, keys)

    def rest(self) -> str:
        """Read to the end of the program, and return all that was written."""
        try:
            while True:
                self.text += self._decoder.decode(os.read(self._person, 1 << 16))
        except OSError:  # the other side is closed
            return self.text


@contextmanager
def terminal(
    command: Command, arguments: Sequence[str], extra: dict[str, str], *, stdout: int | None = None
) -> Iterator[Terminal]:
    """Run stockctl with stderr (and stdout, unless it goes elsewhere) on a terminal of 120x40."""
    person, terminal_side = pty.openpty()
    fcntl.ioctl(terminal_side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    child = command.start(
        "stream",
        *arguments,
        extra={"TERM": "xterm", "COLUMNS": None, **extra},
        stdout=terminal_side if stdout is None else stdout,
        stderr=terminal_side,
        text=False,
    )
    os.close(terminal_side)
    try:
        yield Terminal(person, child)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        os.close(person)


def many(symbols: int) -> list[str]:
    """Return the arguments of a live stream of so many symbols."""
    return ["--source", "acme", "--symbols", ",".join(f"S{number}" for number in range(symbols))]


def test_a_live_stream_is_seen_and_leaves_a_clean_terminal(stockctl: Command, acme: dict[str, str]):
    """Hundreds of symbols in columns, the rest counted, totals below; after Ctrl-C nothing of it stays."""
    with terminal(stockctl, many(300), acme) as watched:
        watched.read_until(lambda text: "S299" in text)
        watched.read_until(lambda text: len(re.findall(r"sent [1-9]", text)) >= 3)
        live = watched.text
        watched.child.send_signal(signal.SIGINT)
        screen = Screen(120)
        screen.feed(watched.rest())
        assert watched.child.wait(SECONDS) == 130
    assert live.count("SYMBOL") >= 6
    assert "... and " in live
    assert "acme: delivering for " in live
    assert "S299" in live
    assert "━" not in live
    assert not [line for line in screen.lines if "SYMBOL" in line or "lag p50" in line]
    # Behind the summary stands what waits, and perhaps an alert, when the delivery was not over in time.
    said = [line for line in screen.lines if "moved more than" not in line]
    assert any("quotes sent" in line for line in said[-4:])
    assert screen.cursor_shown


def test_alerts_stand_above_the_view(stockctl: Command, acme: dict[str, str]):
    """They scroll by, and stay when the view has gone."""
    with terminal(stockctl, many(9), acme) as watched:
        watched.read_until(lambda text: re.search(r"alerts [1-9]", text))
        watched.child.send_signal(signal.SIGTERM)
        screen = Screen(120)
        screen.feed(watched.rest())
        assert watched.child.wait(SECONDS) == 0
    alerts = [line for line in screen.lines if "moved more than 5 %" in line]
    assert alerts
    assert all(line.startswith("20") for line in alerts)


def test_data_goes_where_it_belongs_while_the_view_is_on(stockctl: Command, acme: dict[str, str]):
    """With stdout piped, alerts as JSON are in the pipe and not on the terminal."""
    reader, writer = os.pipe()
    with terminal(stockctl, [*many(9), "-o", "json"], acme, stdout=writer) as watched, open(reader) as piped:
        os.close(writer)
        assert json.loads(piped.readline())["symbol"].startswith("S")
        watched.read_until(lambda text: re.search(r"alerts [1-9]", text))
        watched.child.send_signal(signal.SIGTERM)
        watched.rest()
        for line in piped:
            json.loads(line)
    assert "alert_id" not in watched.text
    assert "SYMBOL" in watched.text


def test_a_terminal_that_stands_still_stops_nothing_else(stockctl: Command, acme: dict[str, str]):
    """After Ctrl-S quotes are delivered, status sees them, Ctrl-Q shows them, and the stream ends in time."""
    with terminal(stockctl, many(9), acme) as watched:
        watched.read_until(lambda text: "SYMBOL" in text)
        watched.type(b"\x13")
        sent = seen(stockctl, watched.child, lambda found: found.get("producer_sent"))["producer_sent"]
        seen(stockctl, watched.child, lambda found: found.get("producer_sent", 0) > sent + 15)
        watched.type(b"\x11")
        before = len(watched.text)
        watched.read_until(lambda text: "SYMBOL" in text[before:])
        watched.type(b"\x13")
        watched.child.send_signal(signal.SIGTERM)
        assert watched.child.wait(SECONDS) == 0


def test_a_pipe_that_nobody_reads_stops_nothing_else(stockctl: Command, acme: dict[str, str]):
    """As with 'stream -o json | less': quotes are delivered, and the end comes in time, with a word."""
    turning = {**acme, "STOCKCTL_INDICATORS__SHORT": "1", "STOCKCTL_INDICATORS__LONG": "2"}
    with running(stockctl.start("stream", *many(200), "-o", "json", extra=turning)) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        seen(stockctl, child, lambda found: found.get("producer_alerts", 0) > 400)
        child.send_signal(signal.SIGTERM)
        assert child.wait(SECONDS) == 0
        assert (
            "The last output was dropped, because the reader of standard output is blocked."
            in child.stderr.read()
        )


def test_a_closed_pipe_ends_a_live_stream(stockctl: Command, acme: dict[str, str]):
    """When whoever reads the alerts has gone, it ends as after a wish to stop, with 0."""
    turning = {**acme, "STOCKCTL_INDICATORS__SHORT": "1", "STOCKCTL_INDICATORS__LONG": "2"}
    with running(stockctl.start("stream", *many(9), extra=turning)) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        told = child.stderr.read()
        assert child.wait(SECONDS) == 0
    assert "quotes sent" in told
    assert "producer" not in stockctl.rows("status")[0]


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_a_plain_terminal_is_respected(stockctl: Command, acme: dict[str, str], name: str):
    """NO_COLOR has the view without colours; a dumb terminal has no view, and no control codes at all."""
    extra, word = ({"NO_COLOR": "1"}, "SYMBOL") if name == "NO_COLOR" else ({"TERM": "dumb"}, "moved more")
    with terminal(stockctl, many(9), {**acme, **extra}) as watched:
        watched.read_until(lambda text: word in text)
        watched.child.send_signal(signal.SIGTERM)
        text = watched.rest()
        assert watched.child.wait(SECONDS) == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", text)
    assert ("SYMBOL" in text) == (name == "NO_COLOR")
    assert ("\x1b" in text) == (name == "NO_COLOR")
    assert re.search(r"\d quotes sent", text)


def test_a_replay_keeps_its_bar(stockctl: Command):
    """What has an end shows how far it is."""
    rows = "".join(f"2026-01-05T15:{number // 60:02}:{number % 60:02}Z,AAA,10\n" for number in range(900))
    (stockctl.folder / "quotes.csv").write_text("timestamp,symbol,price\n" + rows)
    with terminal(stockctl, ["--file", "quotes.csv"], {}) as watched:
        text = watched.rest()
        assert watched.child.wait(SECONDS) == 0
    assert "900/900" in text
    assert "SYMBOL" not in text


def scraped(port: str) -> dict[str, float]:
    """Return the samples without labels of a metrics port."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {one.name: one.value for family in families for one in family.samples if not one.labels}


def test_scraper_and_supervisor_see_a_stream(stockctl: Command, acme: dict[str, str]):
    """Port 0 finds a port and says which; the file is there while it runs, and gone after SIGTERM."""
    file = stockctl.folder / "health.json"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(stockctl.folder / "notify"))
        supervisor.settimeout(SECONDS)
        child = stockctl.start(
            "stream", *many(3), "--quiet", "--metrics-port", "0", "--health-file", str(file),
            extra={**acme, "NOTIFY_SOCKET": str(stockctl.folder / "notify")},
        )  # fmt: skip
        with running(child):
            assert supervisor.recv(4096) == b"READY=1"
            assert child.stderr is not None
            port = next(
                match[1] for line in child.stderr if (match := re.search(r"127.0.0.1:(\d+)/metrics", line))
            )
            deadline = time.monotonic() + SECONDS
            while (samples := scraped(port))["stockctl_quotes_sent_total"] < 3:
                assert time.monotonic() < deadline
            document = json.loads(file.read_text())
            code, _, err = finish(child, signal.SIGTERM)
            while (heard := supervisor.recv(4096)) != b"STOPPING=1":
                assert heard.startswith(b"WATCHDOG=1")
    assert code == 0, err
    assert (document["pid"], document["source"], document["health"]) == (child.pid, "acme", "healthy")
    assert samples["stockctl_symbols"] == 3
    assert samples["stockctl_delivering"] == samples["stockctl_healthy"] == 1
    assert not file.exists()


def test_a_killed_stream_leaves_its_file_to_grow_old(stockctl: Command, acme: dict[str, str]):
    """Its age is what a supervisor looks at."""
    file = stockctl.folder / "health.json"
    child = stockctl.start("stream", *many(1), "--quiet", "--health-file", str(file), extra=acme)
    with running(child):
        deadline = time.monotonic() + SECONDS
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        finish(child, signal.SIGKILL)
    assert json.loads(file.read_text())["pid"] == child.pid


def test_a_port_in_use_is_refused(stockctl: Command, acme: dict[str, str]):
    """With exit code 1, the port, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = stockctl.refused("stream", *many(1), "--metrics-port", str(port), code=1, extra=acme)
    assert f"Metrics cannot be served on 127.0.0.1:{port}: the port is in use." in told
    assert "--metrics-port 0" in told


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--health-file", "absent/health.json"), 1, "The health file absent/health.json cannot be written"),
        (("--health-file", "/"), 2, "--health-file"),
        (("--metrics-port", "70000"), 2, "--metrics-port"),
        (("--metrics-port", "-1"), 2, "--metrics-port"),
    ],
)
def test_what_cannot_be_used_is_refused(
    stockctl: Command, acme: dict[str, str], arguments: tuple[str, ...], code: int, words: str
):
    """With the option and the reason."""
    assert words in stockctl.refused("stream", *many(1), *arguments, code=code, extra=acme)


def on_aws(stockctl: Command, server: NullKinesis) -> dict[str, str]:
    """The environment in which quotes go to ``server``."""
    return {
        "STOCKCTL_TARGET": "aws", "STOCKCTL_AWS__ENDPOINT_URL": server.url,
        "STOCKCTL_STREAM__OUTBOX": str(stockctl.folder / "outbox.db"), "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip


def test_without_a_terminal_a_change_is_one_line(stockctl: Command):
    """The stream goes away and comes back: two lines, and none a quote; all else parses, too."""
    with kinesis_null(Script()) as server:
        server.stop()
        child = stockctl.start(*FEED, extra=on_aws(stockctl, server), stdin=subprocess.PIPE)
        with running(child):
            assert child.stdin is not None
            assert child.stderr is not None
            told = []
            for tick in ticks_of(2, 20):
                child.stdin.writelines(encode_quote(quote).decode() + "\n" for quote in tick)
            child.stdin.flush()
            told += through(child.stderr, "event=change")
            child.send_signal(signal.SIGHUP)
            told += through(child.stderr, "event=message")
            server.start()
            told += through(child.stderr, "event=change")
            *rest, summary = child.communicate(timeout=SECONDS)[1].splitlines()
    there, message, back = told
    assert "level=warning event=change subject=delivery state=waiting was=delivering" in there
    assert 'reason="' in there
    assert 'level=info event=message text="Ignored SIGHUP: the symbols of the source ndjson cannot' in message
    assert "level=info event=change subject=delivery state=delivering was=waiting" in back
    assert rest == []
    assert "40 quotes sent" in summary


def through(lines: Iterable[str], mark: str) -> list[str]:
    """Return the lines up to the first that has a mark."""
    found: list[str] = []
    for line in lines:
        found.append(line)
        if mark in line:
            return found
    raise AssertionError(found)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_it_at_once(stockctl: Command, acme: dict[str, str], number: int, code: int):
    """Whatever waits and for how long; it is said where the quotes are, to status as well."""
    with kinesis_null(Script()) as server:
        environment = {**acme, **on_aws(stockctl, server)}
        server.stop()
        arguments = ("stream", *many(3), "--grace", "3600")
        with running(stockctl.start(*arguments, extra=environment)) as child:
            assert child.stderr is not None
            through(child.stderr, "acme has begun")
            child.send_signal(number)
            through(child.stderr, "acme has ended")
            ended, _, told = finish(child, number)
    beside = {"STOCKCTL_STREAM__OUTBOX": environment["STOCKCTL_STREAM__OUTBOX"]}
    (status,) = json.loads(stockctl.run("status", "-o", "json", extra=beside).stdout)
    assert ended == code
    assert re.search(
        r"at once by a second signal: 0 quotes sent, [1-9]\d* quotes in the outbox .*first", told
    )
    assert (status["producer"], status["producer_failure"]) == (
        "failed", "Stopped at once by a second signal; undelivered quotes are in the outbox",
    )  # fmt: skip


def test_a_log_that_nobody_reads_ends_no_stream(stockctl: Command):
    """Whoever read standard error has gone: quotes go on, and what status sees; the end is clean."""
    with running(stockctl.start(*FEED, stdin=subprocess.PIPE)) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        seen(stockctl, child, lambda found: found.get("producer") == "running")
        child.stderr.close()
        child.send_signal(signal.SIGHUP)  # it is told in the log that this changes nothing
        child.stdin.writelines(
            encode_quote(quote).decode() + "\n" for tick in ticks_of(1, 3) for quote in tick
        )
        child.stdin.flush()
        seen(stockctl, child, lambda found: found.get("producer_sent") == 3)
        assert finish(child, signal.SIGTERM)[0] == 0
    (status,) = stockctl.rows("status")
    assert (status["quotes"], "producer" in status) == (3, False)


@pytest.mark.parametrize("arguments", [FEED, ("stream", "--file", "-"), ("stream", "--file", "absent")])
def test_a_log_on_a_full_disk_changes_no_end(stockctl: Command, arguments: tuple[str, ...]):
    """Exit codes are as ever, and quotes are stored."""
    quotes = "".join(encode_quote(quote).decode() + "\n" for tick in ticks_of(2, 20) for quote in tick)
    with open("/dev/full", "w") as full:
        done = stockctl.start(*arguments, stdin=subprocess.PIPE, stderr=full)
        done.communicate(quotes, timeout=SECONDS)
    failed = "absent" in arguments
    assert done.returncode == (2 if failed else 0)
    assert failed or stockctl.rows("status")[0]["quotes"] == 40
