"""stream: what a user sees and gets, whatever the source."""

import json
import signal
from pathlib import Path

import pytest

from stockctl.cli.output.summary import summarize
from stockctl.producer.stats import Totals
from support.cli.command import Command, finish, running

HEAD = "timestamp,symbol,price,previous_close\n"


def minutes(count: int, symbol: str = "AAPL") -> str:
    """Return a file of one quote a minute, each far above the close before."""
    rows = (
        f"2026-01-05T{15 + minute // 60}:{minute % 60:02}:00Z,{symbol},{150 + minute}.25,100"
        for minute in range(count)
    )
    return HEAD + "\n".join(rows) + "\n"


def test_a_first_stream_makes_the_home_and_says_so(stockctl: Command) -> None:
    """No provision is needed before the first stream."""
    done = stockctl.run("stream", "--file", "-", stdin=minutes(3))
    assert done.returncode == 0
    assert f"Created a data folder in {stockctl.home}" in done.stderr
    assert "3 quotes sent, 3 stored, 1 alert." in done.stderr
    assert "AAPL 150.25, up 50.2 % on the day: moved more than 5 %" in done.stdout


def test_a_second_stream_of_the_same_stores_nothing_new(stockctl: Command) -> None:
    """Repeated quotes are counted, not stored, and alert nobody."""
    stockctl.ok("stream", "--file", "-", stdin=minutes(3))
    done = stockctl.run("stream", "--file", "-", stdin=minutes(3))
    assert done.stdout == ""
    assert "0 stored, 3 already stored" in done.stderr


def test_alerts_come_as_json_lines_while_it_streams(stockctl: Command) -> None:
    """With -o json each alert is one object a line, with exact numbers."""
    (line,) = stockctl.ok("stream", "--file", "-", "-o", "json", stdin=minutes(2)).splitlines()
    alert = json.loads(line)
    assert alert["alert_id"] == "AAPL|anomaly|up|2026-01-05"
    assert '"price": 150.25' in line
    assert alert["published_at"] is None
    assert alert["not_published"] == "its quote is older than 1h"


def test_the_raw_archive_has_the_layout_of_the_contract(stockctl: Command) -> None:
    """One JSON object a file, by symbol and time, colons replaced."""
    stockctl.ok("stream", "--file", "-", stdin=HEAD + "2026-01-05T15:00:00Z,brk-b,1.50,\n")
    (file,) = (stockctl.home / "raw-data").rglob("*.json")
    assert file.relative_to(stockctl.home) == Path("raw-data/BRK-B/2026-01-05T15-00-00.000Z.json")
    assert file.read_bytes() == (
        b'{"symbol":"BRK-B","timestamp":"2026-01-05T15:00:00.000Z","price":1.5,"previous_close":null,'
        b'"open":null,"high":null,"low":null,"volume":null,"source":"replay"}'
    )


def test_limit_ends_the_stream(stockctl: Command) -> None:
    """--limit counts quotes."""
    done = stockctl.run("stream", "--file", "-", "--limit", "2", stdin=minutes(9))
    assert "2 quotes sent, 2 stored" in done.stderr


def test_symbols_filter_a_replay_and_default_to_all_of_it(stockctl: Command) -> None:
    """A replay takes every symbol of its file; --symbols narrows it."""
    both = minutes(2, "ABC") + minutes(3, "XYZ").removeprefix(HEAD)
    assert "3 quotes sent" in stockctl.run("stream", "--file", "-", "--symbols", "xyz", stdin=both).stderr
    assert "5 quotes sent" in stockctl.run("stream", "--file", "-", stdin=both).stderr


REFUSED = [
    (("--symbols", "AAPL,m$ft"), "--symbols: symbol 'm$ft' is not 1 to 20 letters"),
    (("--symbols", "../etc"), "--symbols: symbol '../etc' is not"),
    (("--symbols", ","), "--symbols: ',' names no symbol"),
    (("--source", "bloomberg"), "The source 'bloomberg' is unknown"),
    (("--source", "replay"), "A replay needs a file"),
    (("--source", "yahoo", "--file", "x.csv"), "--file is for --source replay or ndjson, not for yahoo"),
    (("--source", "simulate", "--interval", "5"), "--interval is for --source yahoo or yahoo-live, not for"),
    (("--source", "yahoo", "--speed", "5"), "--speed is for --source replay or simulate, not for yahoo"),
    (("--source", "yahoo", "--seed", "5"), "--seed is for --source simulate, not for yahoo"),
    (("--source", "simulate", "--start", "noon"), "--start 'noon' is not a UTC time"),
    (("--file", "-", "--timezone", "Mars/Olympus"), "Mars/Olympus"),
    (("--limit", "-1", "--source", "simulate"), "--limit"),
]


@pytest.mark.parametrize(("arguments", "fragment"), REFUSED, ids=[" ".join(args) for args, _ in REFUSED])
def test_wrong_usage_is_refused_before_anything_is_made(
    stockctl: Command, arguments: tuple[str, ...], fragment: str
) -> None:
    """Exit 2, the reason names the option, and no home appears."""
    assert fragment in stockctl.refused("stream", *arguments, code=2)
    assert not stockctl.home.exists()


def test_a_file_without_the_columns_is_refused_before_anything_is_sent(stockctl: Command) -> None:
    """A file with no usable column is named, and nothing is stored."""
    (stockctl.folder / "odd.csv").write_text("when,what,how_much\n1,2,3\n")
    done = stockctl.run("stream", "--file", "odd.csv")
    assert done.returncode in (1, 2)
    assert "odd.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert stockctl.rows("status")[0]["quotes"] == 0 if stockctl.home.exists() else True


def test_sigint_ends_a_stream_cleanly_with_130(stockctl: Command) -> None:
    """Ctrl-C finishes the batch, says what was done, and exits 130; what was sent is stored."""
    child = stockctl.start(
        "stream", "--source", "simulate", "--symbols", "AAA,BBB", "--speed", "0", "-o", "json"
    )
    with running(child):
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["symbol"] in ("AAA", "BBB")
        code, _, err = finish(child, signal.SIGINT)
        assert code == 130
        assert "quotes sent" in err
        assert "Traceback" not in err
        sent = int(err.split(" quotes sent")[0].split()[-1].replace(",", ""))
        assert stockctl.rows("status")[0]["quotes"] == sent


def test_sigterm_ends_a_stream_cleanly_with_0(stockctl: Command) -> None:
    """A supervisor's SIGTERM is an order, not a failure."""
    child = stockctl.start(
        "stream", "--source", "simulate", "--symbols", "AAA,BBB", "--speed", "0", "-o", "json"
    )
    with running(child):
        assert child.stdout is not None
        child.stdout.readline()
        code, _, err = finish(child, signal.SIGTERM)
        assert code == 0
        assert "quotes sent" in err


@pytest.mark.parametrize("output", ["json", "csv", "table"])
def test_a_closed_pipe_ends_a_stream_cleanly(stockctl: Command, output: str) -> None:
    """When whoever reads the alerts has gone, the stream ends with 0 and no traceback."""
    child = stockctl.start(
        "stream", "--source", "simulate", "--symbols", "AAA,BBB", "--speed", "0", "-o", output
    )
    with running(child):
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr is not None
        err = child.stderr.read()
        assert child.wait(timeout=60) == 0
        assert "Traceback" not in err


def test_a_teardown_stops_a_stream_that_runs(stockctl: Command) -> None:
    """A home that is torn down under a stream makes it fail with a reason instead of losing quotes."""
    child = stockctl.start(
        "stream", "--source", "simulate", "--symbols", "AAA,BBB", "--speed", "0", "-o", "json"
    )
    with running(child):
        assert child.stdout is not None
        child.stdout.readline()
        stockctl.ok("teardown", "--yes")
        _, err = child.communicate(timeout=60)
        assert child.returncode == 1
        assert "was torn down" in err
        assert "Traceback" not in err


@pytest.mark.slow
def test_a_simulation_repeats_itself(stockctl: Command) -> None:
    """The same seed gives the same quotes: the second run finds all of them there."""
    first = (
        "stream",
        "--source",
        "simulate",
        "--symbols",
        "AAA",
        "--speed",
        "0",
        "--limit",
        "500",
        "--seed",
        "7",
    )
    stockctl.ok(*first)
    assert "500 already stored" in stockctl.run(*first).stderr


def test_where_nothing_was_sent_nothing_is_said_of_what_was_stored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On AWS nobody here would know; nor is there anything for the pipeline to go on with."""
    summarize(Totals())
    summarize(Totals(is_final=False, quarantined=2), left_out=3)
    assert capsys.readouterr().err.splitlines() == [
        "0 quotes sent.",
        "0 quotes sent, 2 quarantined, 3 left out.",
    ]
