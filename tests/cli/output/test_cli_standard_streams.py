"""Standard output that takes no more: its reader has gone, its disk is full, it is closed."""

import os
import subprocess
import sys

import pytest

from support.cli.command import Command, running
from support.paths import DEMO

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A home that holds the daily quotes of autumn 2008."""
    stockctl = Command(tmp_path_factory.mktemp("output"))
    stockctl.ok("stream", "--quiet", "--file", DEMO)
    return stockctl


def redirected(stockctl: Command, redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run to the end with the streams as the shell sets them."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "stockctl", *arguments],
        env=stockctl.environment({"TMPDIR": str(stockctl.folder)}),
        cwd=stockctl.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def unread(stockctl: Command, *arguments: str) -> tuple[int, str]:
    """Run to the end with a pipe that nobody reads as output; return exit code and standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    child = stockctl.start(*arguments, stdout=writing, extra={"TMPDIR": str(stockctl.folder)})
    os.close(writing)
    with running(child):
        _, said = child.communicate(timeout=60)
    return child.returncode, said


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("query", "--help"),
        ("--version",),
        ("demo",),
        ("status",),
        ("query", "latest"),
        ("query", "latest", "-o", "json"),
        ("alerts", "list"),
        ("alerts", "tail", "--since", "9000d"),
        ("alerts", "tail", "--since", "9000d", "-o", "json"),
        ("config", "show"),
    ],
    ids=" ".join,
)
def test_a_reader_who_has_gone_is_no_failure(filled: Command, arguments: tuple[str, ...]) -> None:
    """Exit 0 and no complaint, whatever is written and however."""
    code, said = unread(filled, *arguments)
    assert code == 0
    for word in ("error", "Traceback", "BrokenPipe"):
        assert word not in said


def test_a_reader_of_alerts_as_they_come_may_go(stockctl: Command) -> None:
    """The first alert of a replay ends it."""
    code, said = unread(stockctl, "stream", "--file", DEMO)
    assert code == 0
    assert "error" not in said
    assert "sent" not in said


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("query", "latest"),
        ("query", "latest", "-o", "json"),
        ("query", "history", "AAPL", "--limit", "0", "-o", "json"),
        ("alerts", "list", "-o", "csv"),
        ("alerts", "tail", "--since", "9000d"),
        ("config", "check"),
    ],
    ids=" ".join,
)
def test_a_full_disk_is_told(filled: Command, arguments: tuple[str, ...]) -> None:
    """Exit 1 and the reason, once."""
    with open("/dev/full", "w") as full:
        child = filled.start(*arguments, stdout=full.fileno())
    with running(child):
        _, said = child.communicate(timeout=60)
    assert child.returncode == 1
    told = said.splitlines()[-1]
    assert told == "error: Standard output cannot be written: no space left on device."
    assert "Traceback" not in said
    assert "bug" not in said


def test_a_failure_keeps_its_code_when_its_words_cannot_leave(filled: Command) -> None:
    """Who listens to neither stream still gets the exit code."""
    assert redirected(filled, ">&- 2>&-", "query", "history", "a b").returncode == 2


def test_closed_output_is_told_where_there_is_data(filled: Command) -> None:
    """Exit 1 and the reason; a command that writes none is not hindered by it."""
    done = redirected(filled, ">&-", "query", "latest")
    assert (done.returncode, done.stderr) == (1, "error: Standard output cannot be written: it is closed.\n")
    assert redirected(filled, "<&- >&- 2>&-", "provision").returncode == 0


INTERRUPTED = """
import sys
from stockctl.cli.output.standard_streams import prepare

def interrupted(at):
    left = at
    def count(frame, event, argument):
        nonlocal left
        left -= argument is not sys.setprofile
        if not left:
            raise KeyboardInterrupt
    try:
        sys.setprofile(count)
        print(at)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
        sys.stdout.flush()
    return False

prepare()
at = 1
while interrupted(at):
    at += 1
"""


def test_an_interrupt_has_nothing_written_twice(filled: Command) -> None:
    """Wherever it comes while a line is written, the line is there once or not at all."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env=filled.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) > 3
    assert len(lines) == len(set(lines))
