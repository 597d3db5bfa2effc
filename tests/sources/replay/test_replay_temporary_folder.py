"""The temporary folder of a replay: removed at its end, or by the next replay after a kill."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from stockctl.sources.replay.source import ReplaySource

ROWS = "timestamp,symbol,price\n2026-01-05T15:00:00Z,AAPL,101.5\n"
CHILD = """
import sys
from stockctl.sources.replay.source import ReplaySource
with ReplaySource([sys.argv[1]]) as source:
    source.prepare()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to replay, beside an empty temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path / "rows.csv"


def left(file: Path) -> set[str]:
    """Return the names in the temporary folder."""
    return set(os.listdir(file.parent / "temporary"))


def replay(file: Path) -> None:
    """Prepare a replay, and end it."""
    with ReplaySource([str(file)]) as source:
        source.prepare()
        assert source.expected == 1


def test_what_a_killed_replay_left_goes_with_the_next(file: Path):
    """While the process runs, its folder stays; after a kill it is removed."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", CHILD, str(file)], **pipes) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        [of_child] = left(file)
        replay(file)
        assert left(file) == {of_child}
        child.kill()
    assert left(file) == {of_child}
    replay(file)
    assert left(file) == set()


def test_what_no_replay_made_stays(file: Path):
    """A folder of that name without the lock, a link to one and a file are not removed."""
    temporary = file.parent / "temporary"
    (temporary / "stockctl-replay-mine").mkdir()
    (file.parent / "elsewhere").mkdir()
    (file.parent / "elsewhere" / "in-use").write_text("")
    (temporary / "stockctl-replay-link").symlink_to(file.parent / "elsewhere")
    (temporary / "stockctl-replay-file").write_text("")
    before = left(file)
    replay(file)
    assert left(file) == before
    assert (file.parent / "elsewhere" / "in-use").exists()


def test_two_replays_in_one_process_leave_each_other_alone(file: Path):
    """The folder of the first stays until it is closed."""
    with ReplaySource([str(file)]) as first:
        first.prepare()
        mine = left(file)
        replay(file)
        assert left(file) == mine
    assert left(file) == set()
