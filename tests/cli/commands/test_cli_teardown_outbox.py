"""teardown and the outbox: it is listed and removed wherever it lies, and what waits is not lost unseen."""

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from stockctl.pipeline.ports import Record
from stockctl.producer.batching import Batch
from stockctl.producer.outbox.queue import Outbox
from support.cli.command import Command, finish
from support.cli.running_stream import seen, streaming

LINE = '{"timestamp": "2026-01-05T15:01:00Z", "symbol": "AAPL", "price": 101, "previous_close": 100}\n'
QUOTE = (
    b'{"symbol":"AAPL","timestamp":"2026-01-05T15:01:00.000Z","price":101,"previous_close":100,'
    b'"source":"ndjson"}'
)
FEED = ("stream", "--source", "ndjson", "--file", "-")


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """The path of an outbox outside of the home, in a folder with a stranger's file."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "box.db.notes").write_text("mine")
    return folder / "box.db"


def environment(outbox: Path) -> dict[str, str]:
    """Return what makes it the one in use."""
    return {"STOCKCTL_STREAM__OUTBOX": str(outbox)}


def left_waiting(path: Path) -> None:
    """Leave a quote there, as a stream does whose target is away."""
    with closing(Outbox(path, limit=1 << 20)) as box:
        box.put(Batch([Record(QUOTE, "test")], (), time.time()), lambda: True)


def test_an_outbox_outside_of_the_home_goes_with_it(stockctl: Command, outbox: Path) -> None:
    """Each of its files is listed and removed; what lies beside it stays."""
    stockctl.ok(*FEED, stdin=LINE, extra=environment(outbox))
    there = {path for path in outbox.parent.iterdir() if path.name != "box.db.notes"}
    assert {outbox, outbox.with_name("box.db.lock"), outbox.with_name("box.db.prices")} <= there
    shown = stockctl.ok("teardown", "--yes", extra=environment(outbox))
    assert all(f"{path} " in shown for path in there)
    assert "empty" in shown
    assert [path.name for path in outbox.parent.iterdir()] == ["box.db.notes"]
    assert not stockctl.home.exists()
    assert "Nothing to tear down" in stockctl.run("teardown", extra=environment(outbox)).stderr


def test_what_waits_is_counted_before_it_goes(stockctl: Command) -> None:
    """One who sees that a quote waits can still say no."""
    stockctl.ok("provision")
    left_waiting(stockctl.home / "outbox.db")
    declined = stockctl.run("teardown", stdin="no\n")
    assert declined.returncode == 1
    assert "1 quote waiting for delivery" in declined.stdout
    assert (stockctl.home / "outbox.db").exists()
    stockctl.ok("teardown", "--yes")
    assert not stockctl.home.exists()


@pytest.mark.parametrize("inside", [True, False])
def test_what_waits_is_kept_with_the_data(stockctl: Command, outbox: Path, inside: bool) -> None:
    """--keep-data leaves quotes that are nowhere else; the next stream delivers them."""
    path = stockctl.home / "queue.db" if inside else outbox
    stockctl.ok("provision")
    left_waiting(path)
    done = stockctl.run("teardown", "--keep-data", "--yes", extra=environment(path))
    assert done.returncode == 0
    assert f"1 quote in {path}: the next stream delivers them" in done.stderr
    assert "did not create" not in done.stderr
    assert not (stockctl.home / "stockctl.db").exists()
    sent = stockctl.run(*FEED, stdin="", extra=environment(path))
    assert "1 quote sent, 1 stored" in sent.stderr
    stockctl.ok("teardown", "--keep-data", "--yes", extra=environment(path))
    assert not path.exists()


def test_a_running_producer_refuses_the_teardown(stockctl: Command, outbox: Path) -> None:
    """By its process id, before anything is removed."""
    with streaming(stockctl, *FEED[1:], extra=environment(outbox)) as child:
        assert child.stdin is not None
        child.stdin.write(LINE)
        child.stdin.flush()
        seen(stockctl, child, lambda found: found.get("quotes"))
        told = stockctl.refused("teardown", "--yes", code=1, extra=environment(outbox))
        assert f"The outbox {outbox} is in use by process {child.pid}." in told
        assert "Stop that stream" in told
        assert stockctl.rows("status")[0]["quotes"] == 1
        assert finish(child, signal.SIGTERM)[0] == 0
    stockctl.ok("teardown", "--yes", extra=environment(outbox))
    assert not outbox.exists()


def test_a_file_that_is_no_outbox_is_not_removed(stockctl: Command, outbox: Path) -> None:
    """A configuration that names another program's file does not cost that file."""
    stockctl.ok("provision")
    with closing(sqlite3.connect(outbox)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    before = outbox.read_bytes()
    told = stockctl.refused("teardown", "--yes", code=1, extra=environment(outbox))
    assert f"{outbox} is a SQLite database, but not an outbox of stockctl" in told
    assert outbox.read_bytes() == before
    assert (stockctl.home / "stockctl.db").exists()
