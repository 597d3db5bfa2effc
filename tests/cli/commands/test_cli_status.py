"""stockctl status beside a stream that runs, was killed, has failed, or has ended well."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stockctl.backends.factory import open_backend
from stockctl.backends.local.database import Database
from stockctl.config.schema import Settings
from support.cli.command import SECONDS, Command, finish
from support.cli.running_stream import seen, streaming
from support.yahoo.server import YahooStandIn, status

pytest_plugins = ["support.yahoo.fixtures"]

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)
LINE = '{"timestamp": "2026-01-05T15:01:00Z", "symbol": "AAPL", "price": 101, "previous_close": 100}\n'


@contextmanager
def fed(stockctl: Command) -> Iterator[subprocess.Popen[str]]:
    """Run a stream of a feed that has written a line, and goes on."""
    with streaming(stockctl, "--source", "ndjson", "--file", "-") as child:
        assert child.stdin is not None
        child.stdin.write(LINE)
        child.stdin.flush()
        yield child


def test_a_running_stream_is_seen_and_a_clean_end_leaves_nothing(stockctl: Command):
    """As flat facts and in the table; nothing of it is left after SIGTERM."""
    with fed(stockctl) as child:
        # The quote is counted as sent just after it waits no more.
        facts = seen(
            stockctl, child, lambda found: found.get("producer_sent") and not found["producer_waiting"]
        )
        table = stockctl.ok("status")
        flat = dict(line.split(",", 1) for line in stockctl.ok("status", "-o", "csv").splitlines())
        code, _, err = finish(child, signal.SIGTERM)
    assert code == 0, err
    assert (facts["producer"], facts["producer_pid"], facts["producer_source"]) == (
        "running", child.pid, "ndjson",
    )  # fmt: skip
    assert (facts["producer_delivery"], facts["producer_health"]) == ("delivering", "healthy")
    assert (facts["producer_sent"], facts["producer_waiting"]) == (1, 0)
    since = datetime.fromisoformat(facts["producer_since"])
    assert timedelta(0) <= datetime.now(UTC) - since < timedelta(seconds=SECONDS)
    assert 0 <= facts["producer_age"] < 15
    assert "producer_breaker" not in facts
    assert f"producer:      running, process {child.pid}\n  source:      ndjson\n" in table
    assert re.search(r"\n  figures: +\d+s old\n", table)
    assert (flat["producer"], flat["producer_sent"]) == ("running", "1")
    assert "producer" not in stockctl.ok("status")
    assert not list(stockctl.home.glob("*state*"))


def test_quotes_that_go_nowhere_are_counted(stockctl: Command):
    """A quote older than the last one of its symbol is in the table and in the facts as left out."""
    with fed(stockctl) as child:
        assert child.stdin is not None
        child.stdin.write(LINE.replace("15:01", "14:59"))
        child.stdin.flush()
        facts = seen(stockctl, child, lambda found: found.get("producer_left_out"))
        table = stockctl.ok("status")
        finish(child, signal.SIGTERM)
    assert facts["producer_left_out"] == 1
    assert re.search(r"\n  left out: +1\n", table)


def test_a_stream_that_was_killed_has_died(stockctl: Command):
    """Its figures are no longer shown; the next clean end clears it away, and so does a teardown."""
    with fed(stockctl) as child:
        seen(stockctl, child, lambda found: found.get("producer_sent"))
        finish(child, signal.SIGKILL)
    (facts,) = stockctl.rows("status")
    of_producer = {name for name in facts if name.startswith("producer")}
    assert of_producer == {
        "producer", "producer_pid", "producer_source", "producer_since", "producer_seen", "producer_age",
    }  # fmt: skip
    assert (facts["producer"], facts["producer_pid"]) == ("died", child.pid)
    assert f"died: process {child.pid} ended without cleaning up; last seen " in stockctl.ok("status")
    stockctl.ok("stream", "--source", "ndjson", "--file", "-", stdin=LINE)
    assert "producer" not in stockctl.ok("status")
    with fed(stockctl) as child:
        seen(stockctl, child, lambda found: found.get("producer_sent"))
        finish(child, signal.SIGKILL)
    stockctl.ok("teardown", "--yes")
    assert not stockctl.home.exists()


def test_the_breaker_is_shown_while_yahoo_wants_to_be_left_alone(
    stockctl: Command, yahoo: YahooStandIn, yahoo_environment: dict[str, str]
):
    """After a 429 it is open, with the time at which Yahoo may be asked again."""
    yahoo.script("AAPL", status(429)._replace(headers=(("Retry-After", "1800"),)))
    arguments = ("--symbols", "AAPL", "--when-closed", "continue")
    began = datetime.now(UTC)
    with streaming(stockctl, *arguments, extra=yahoo_environment) as child:
        facts = seen(stockctl, child, lambda found: found.get("producer_breaker") == "open")
        asked = datetime.now(UTC)
        table = stockctl.ok("status")
        finish(child, signal.SIGTERM)
    until, told = datetime.fromisoformat(facts["producer_breaker_until"]), datetime.now(UTC)
    assert began + timedelta(minutes=30) <= until <= asked + timedelta(minutes=33)
    shown = re.search(rf"\n  breaker: +open until {until:%Y-%m-%d %H:%M:%S} UTC, in (\d+)m\n", table)
    assert shown is not None
    assert (until - told) // MINUTE <= int(shown[1]) <= (until - asked) // MINUTE


def test_a_stream_that_failed_is_seen_to_have(stockctl: Command, tmp_path: Path):
    """With its own words, that went to a log that nobody read."""
    environment = {"STOCKCTL_STREAM__OUTBOX": str(tmp_path / "outbox.db")}
    with streaming(stockctl, "--source", "ndjson", "--file", "-", extra=environment) as child:
        assert child.stdin is not None
        child.stdin.write(LINE)
        child.stdin.flush()
        seen(stockctl, child, lambda found: found.get("quotes"))
        with closing(Database(stockctl.home / "stockctl.db")) as database:
            database.mark_torn_down()
        shutil.rmtree(stockctl.home)
        child.stdin.write(LINE.replace("15:01", "15:02"))
        child.stdin.flush()
        _, told = child.communicate(timeout=SECONDS)
    assert child.returncode == 1, told
    without_home = stockctl.run("status", extra=environment)
    stockctl.ok("provision")
    done = stockctl.run("status", extra=environment)
    assert (without_home.returncode, done.returncode) == (1, 0)
    assert "error: There is no stockctl data folder in " in without_home.stderr
    for shown in (without_home.stdout, done.stdout):
        [words] = re.findall(r"\nproducer: +failed \w+ ago: (.*)\n", shown)
        assert f"error: {words}" in told


def test_what_waits_is_shown_while_aws_is_away(stockctl: Command, tmp_path: Path):
    """An outage is when it matters: the producer and its outbox are told of, then what is wrong."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        environment = {
            "STOCKCTL_STREAM__OUTBOX": str(tmp_path / "outbox.db"),
            "STOCKCTL_AWS__ENDPOINT_URL": f"http://127.0.0.1:{closed.getsockname()[1]}",
            "STOCKCTL_AWS__REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "000000000001",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        with streaming(stockctl, "--source", "ndjson", "--file", "-", extra=environment) as child:
            seen(stockctl, child, lambda found: found.get("producer") == "running", environment)
            facts = stockctl.run("--target", "aws", "status", "-o", "json", extra=environment)
            table = stockctl.run("--target", "aws", "status", extra=environment)
            finish(child, signal.SIGTERM)
    assert (facts.returncode, table.returncode) == (1, 1)
    [told] = json.loads(facts.stdout)
    assert (told["producer"], told["producer_pid"], told["latest"]) == ("running", child.pid, [])
    assert told["outbox"] == environment["STOCKCTL_STREAM__OUTBOX"]
    assert re.search(r"\nproducer: +running, process \d+\n", table.stdout)
    assert "cannot be reached" in table.stderr


@pytest.mark.parametrize("content", [b"", b"\xff{", b'{"pid": "x"}', b"[" * 60_000])
def test_a_damaged_file_is_named_and_everything_else_shown(stockctl: Command, content: bytes):
    """With what to do about it, and no traceback."""
    stockctl.ok("stream", "--source", "ndjson", "--file", "-", stdin=LINE)
    (stockctl.home / "outbox.db.state.json").write_bytes(content)
    table = stockctl.ok("status")
    assert f"producer:      unknown: {stockctl.home}/outbox.db.state.json cannot be read: it" in table
    assert "Remove it" in table
    assert "AAPL" in table
    assert stockctl.rows("status")[0]["producer"] == "unknown"


def test_what_a_foreign_file_says_cannot_move_the_cursor(stockctl: Command):
    """Control characters in it are shown escaped."""
    stockctl.ok("stream", "--source", "ndjson", "--file", "-", stdin=LINE)
    document = {"pid": 7, "time": 2, "seconds": 1, "source": "\x1b[2Jx"}
    (stockctl.home / "outbox.db.state.json").write_text(json.dumps(document))
    assert "\\x1b[2Jx" in stockctl.ok("status")


def test_a_replay_leaves_nothing_behind(stockctl: Command):
    """It has no outbox, and can be run again."""
    stockctl.ok("stream", "--file", "-", stdin="timestamp,symbol,price\n2026-01-05T15:00:00Z,AAPL,101.5\n")
    assert "producer" not in stockctl.ok("status")


def test_what_goes_while_it_is_counted_is_left_out(stockctl: Command, monkeypatch: pytest.MonkeyPatch):
    """A stream that runs replaces its files, so that one may be gone between its name and its size."""
    backend, real = open_backend(Settings.model_validate({"local": {"path": stockctl.home}})), os.scandir
    backend.prepare()
    before = backend.status().facts
    going = stockctl.home / ".outbox.db.state.json.7.partial"
    going.write_text("{}")

    def scandir(folder: Path) -> nullcontext[list[os.DirEntry[str]]]:
        found = list(real(folder))
        going.unlink(missing_ok=True)
        return nullcontext(found)

    monkeypatch.setattr(os, "scandir", scandir)
    assert backend.status().facts == before


def test_an_outbox_that_is_damaged_hides_nothing_else(stockctl: Command):
    """The home is shown, then what is wrong with the outbox."""
    stockctl.ok("stream", "--source", "ndjson", "--file", "-", stdin=LINE)
    (stockctl.home / "outbox.db").write_bytes(b"no database at all" * 100)
    done = stockctl.run("status")
    assert done.returncode == 1
    assert "AAPL" in done.stdout
    assert "outbox.db is damaged or is not an outbox" in done.stderr


def test_an_outbox_behind_a_link_is_the_one_it_leads_to(stockctl: Command, tmp_path: Path):
    """A second producer is refused, and status finds the first, by whatever name the outbox has."""
    (tmp_path / "link.db").symlink_to(tmp_path / "store" / "outbox.db")
    direct, linked = (
        {"STOCKCTL_STREAM__OUTBOX": str(tmp_path / name)} for name in ("store/outbox.db", "link.db")
    )
    with streaming(stockctl, "--source", "ndjson", "--file", "-", extra=direct) as child:
        seen(stockctl, child, lambda found: found.get("producer") == "running", linked)
        done = stockctl.run("stream", "--source", "ndjson", "--file", "-", stdin=LINE, extra=linked)
        finish(child, signal.SIGTERM)
    assert done.returncode == 1
    assert f"is in use by process {child.pid}." in done.stderr
