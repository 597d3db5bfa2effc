"""stream with an outbox, as a user meets it."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from stockctl.market.quote import encode_quote
from stockctl.producer.outbox.inspect import outbox_summary
from support.aws.kinesis_server import NullKinesis, Script, journal, kinesis_null
from support.cli.command import SECONDS, Command, running
from support.producer_inputs import ticks_of

pytestmark = pytest.mark.slow

WAITING = "event=change subject=delivery state=waiting"
"""What a log has once a stream is away."""


class Piped(Command):
    """The command line, fed with NDJSON on its standard input, before a stand-in for AWS."""

    def __init__(self, folder: Path, server: NullKinesis) -> None:
        super().__init__(folder)
        self.outbox = folder / "outbox.db"
        self._aws = {
            "STOCKCTL_TARGET": "aws",
            "STOCKCTL_AWS__ENDPOINT_URL": server.url,
            "STOCKCTL_STREAM__OUTBOX": str(self.outbox),
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def environment(self, extra=None):
        """Return the environment of a child."""
        return super().environment({**self._aws, **(extra or {})})

    def piped(self, *arguments: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Start with pipes, and end it if the test does not."""
        given = ("stream", "--source", "ndjson", "--file", "-", *arguments)
        return running(self.start(*given, stdin=subprocess.PIPE, text=False))

    def await_waiting(self, quotes: int) -> None:
        """Return once so many quotes wait in the outbox."""
        deadline = time.monotonic() + SECONDS
        while (found := outbox_summary(self.outbox)) is None or found.quotes < quotes:
            assert time.monotonic() < deadline, found


def lines_of(symbols: int, ticks: int, first: int = 0) -> list[bytes]:
    """Return quotes as lines."""
    return [encode_quote(quote) for tick in ticks_of(symbols, ticks, first) for quote in tick]


def moments(lines: list[bytes]) -> list[tuple[str, str]]:
    """Return symbol and timestamp of each line."""
    quotes = map(json.loads, lines)
    return [(quote["symbol"], quote["timestamp"]) for quote in quotes]


def arrived(path: Path) -> list[tuple[str, str]]:
    """Return symbol and timestamp of what a stand-in kept, in order."""
    return moments([data for _, data in journal(path)])


def read_until(child: subprocess.Popen[bytes], word: str) -> str:
    """Read standard error up to the first line with ``word``."""
    assert child.stderr is not None
    for line in child.stderr:
        if word in line.decode():
            return line.decode()
    raise AssertionError(f"no line with {word}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NullKinesis]:
    """A stand-in with a journal."""
    with kinesis_null(Script(journal=str(tmp_path / "journal"))) as found:
        yield found


def test_a_pipe_is_delivered(tmp_path: Path, server: NullKinesis):
    """What is piped in arrives, and the summary says so."""
    command = Piped(tmp_path, server)
    lines = lines_of(3, 50)
    done = command.run("stream", "--source", "ndjson", "--file", "-", stdin=b"\n".join(lines) + b"\n")
    assert done.returncode == 0, done.stderr
    assert "150 quotes sent; the pipeline is processing them." in done.stderr
    assert arrived(tmp_path / "journal") == moments(lines)


def test_a_stop_says_what_waits_and_the_next_run_sends_it(tmp_path: Path, server: NullKinesis):
    """Stopped while the stream is away: how many quotes wait where; the next run sends them first."""
    command = Piped(tmp_path, server)
    lines = lines_of(2, 20)
    server.stop()
    with command.piped("--grace", "0.3") as child:
        assert child.stdin is not None
        child.stdin.write(b"\n".join(lines) + b"\n")
        child.stdin.flush()
        assert "cannot be reached" in read_until(child, WAITING)
        command.await_waiting(40)
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=SECONDS)
        assert child.returncode == 0
    assert f"40 quotes in the outbox {tmp_path / 'outbox.db'}" in err.decode()
    assert "Traceback" not in err.decode()
    server.start()
    more = lines_of(2, 25, 20)
    done = command.run("stream", "--source", "ndjson", "--file", "-", stdin=b"\n".join(more) + b"\n")
    assert "40 quotes wait in the outbox from an earlier run" in done.stderr
    assert "50 quotes sent" in done.stderr
    assert arrived(tmp_path / "journal") == moments(lines + more)


def test_what_a_full_outbox_dropped_is_in_the_last_words(tmp_path: Path, server: NullKinesis):
    """How many quotes are gone, and how many wait, with what could not be read."""
    server.stop()
    lines = [b"?", *lines_of(10, 800), b"?"]
    bounds = {"STOCKCTL_STREAM__OUTBOX_MB": "1", "STOCKCTL_STREAM__OUTBOX_FULL": "drop-oldest"}
    done = Piped(tmp_path, server).run(
        "stream", "--source", "ndjson", "--file", "-", "--grace", "0.2",
        stdin=b"\n".join(lines) + b"\n", extra=bounds,
    )  # fmt: skip
    words = done.stderr.replace(",", "")
    [gone] = re.findall(r"\n(\d+) quotes and 1 unreadable record dropped because the outbox was full", words)
    [left] = re.findall(r"\n(\d+) quotes and 1 unreadable record in the outbox", words)
    assert int(gone) + int(left) == 8000, done.stderr


def test_a_second_signal_stops_at_once(tmp_path: Path, server: NullKinesis):
    """Whatever the grace, a second one ends it, and nothing is lost.

    It is another one here: two of a kind that come soon after each other may count as one.
    """
    command = Piped(tmp_path, server)
    server.stop()
    with command.piped("--grace", "1000") as child:
        assert child.stdin is not None
        child.stdin.write(b"\n".join(lines_of(1, 5)) + b"\n")
        child.stdin.flush()
        read_until(child, WAITING)
        command.await_waiting(5)
        child.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=SECONDS)
        assert child.returncode == 130
    server.start()
    done = command.run("stream", "--source", "ndjson", "--file", "-")
    assert "5 quotes sent" in done.stderr


def test_a_stream_that_is_not_there_ends_it_with_its_reason(tmp_path: Path, server: NullKinesis):
    """No stream: exit 1, the reason, and where the quotes wait."""
    server.stop()
    server.start(refuses="ResourceNotFoundException")
    done = Piped(tmp_path, server).run(
        "stream", "--source", "ndjson", "--file", "-", stdin=b"\n".join(lines_of(1, 5)) + b"\n"
    )
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert "stockctl provision" in done.stderr
    assert "5 quotes in the outbox" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_producer_is_refused(tmp_path: Path, server: NullKinesis):
    """The process id of the first one is in the message."""
    command = Piped(tmp_path, server)
    server.stop()
    with command.piped() as child:
        assert child.stdin is not None
        child.stdin.write(b"\n".join(lines_of(1, 5)) + b"\n")
        child.stdin.flush()
        read_until(child, WAITING)
        err = command.refused("stream", "--source", "ndjson", "--file", "-", code=1)
        assert f"is in use by process {child.pid}." in err


def test_embedded_the_outbox_is_in_the_home_and_goes_with_it(stockctl: Command):
    """Live quotes are stored; teardown names the outbox and leaves nothing."""
    lines = lines_of(2, 30)
    done = stockctl.run("stream", "--source", "ndjson", "--file", "-", stdin=b"\n".join(lines) + b"\n")
    assert "60 quotes sent, 60 stored" in done.stderr, done.stderr
    assert (stockctl.home / "outbox.db").exists()
    assert "outbox" in stockctl.run("teardown", "--yes").stdout
    assert not stockctl.home.exists()
