"""A command in an interpreter that starts for it, as with a user, and in a fork, as in the other tests."""

import signal
import subprocess
from pathlib import Path

import pytest

from support.cli.command import Command

pytestmark = pytest.mark.slow

QUOTES = """timestamp,symbol,price,previous_close
2026-01-05T15:00:00Z,AAPL,150.25,100
2026-01-05T15:01:00Z,AAPL,151.25,100
"""
STREAM = ("stream", "--file", "-", "-o", "json")


def both(folder: Path, *arguments: str, stdin: str = "") -> list[tuple[int, str, str]]:
    """Return exit code, standard output and standard error in an interpreter of its own and in a fork."""
    runs = [Command(folder, fresh=fresh).run(*arguments, stdin=stdin) for fresh in (True, False)]
    return [(done.returncode, done.stdout, done.stderr) for done in runs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home that holds quotes and an alert."""
    folder = tmp_path_factory.mktemp("fresh")
    Command(folder, fresh=True).ok(*STREAM, stdin=QUOTES)
    return folder


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (0, "--help"),
        (0, "alerts list -o csv"),
        (0, "config show"),
        (0, "plan"),
        (0, "query latest"),
        (0, "query top-movers -o json"),
        (0, "stream --file - -o json"),
        (0, "template"),
        (1, "query sql DROP"),
        (2, "stream --file"),
        (2, "alerts subscriptions"),
    ],
)
def test_a_fork_says_what_a_new_interpreter_says(folder: Path, code: int, command: str) -> None:
    """Output, messages and exit code are the same, in each group of commands."""
    fresh, fork = both(folder, *command.split(), stdin=QUOTES)
    assert fork == fresh
    assert fork[0] == code, fork


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_signal_ends_it(folder: Path, fresh: bool, number: int) -> None:
    """The exit code is that of the signal, or of what is done about it."""
    with Command(folder, fresh=fresh).start("alerts", "tail") as child:
        assert "Following the alerts" in child.stderr.readline()
        assert child.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.01)
        child.send_signal(number)
    assert child.returncode == {signal.SIGKILL: -number, signal.SIGTERM: 0, signal.SIGINT: 130}[number]
