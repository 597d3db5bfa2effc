"""Killed at any moment and run again, or run twice at once, a replay ends as if nothing had happened."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from support import real_data
from support.local_home import partial_files, raised, raw_files, stored_rows
from support.paths import REPOSITORY, TESTS
from support.reference_figures import Book, book_of

pytestmark = pytest.mark.slow

_BATCH = 60


class Slice:
    """Some months of real quotes as a file of records, and what the reference makes of them."""

    def __init__(self, quotes: list[dict[str, Any]], folder: Path) -> None:
        self.file = folder / "records.ndjson"
        self.bodies = {(quote["symbol"], quote["timestamp"]): real_data.wire(quote) for quote in quotes}
        self.file.write_bytes(b"\n".join(self.bodies.values()))
        self.quotes = quotes
        self.book: Book = book_of(quotes)

    def assert_whole(self, root: Path) -> None:
        """Check that the home holds all of it, each thing once."""
        assert stored_rows(root) == self.book.stored()
        assert raised(root) == self.book.alerts
        assert raw_files(root) == self.bodies

    def assert_part(self, root: Path) -> None:
        """Check that the home holds whole batches of it, with their alerts, and at most one half file."""
        with closing(sqlite3.connect(root / "stockctl.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = stored_rows(root)
        assert len(rows) % _BATCH == 0 or len(rows) == len(self.quotes)
        book = book_of(self.quotes[: len(rows)])
        assert rows == book.stored()
        assert raised(root) == book.alerts
        raw = raw_files(root)
        assert set(book.rows) <= set(raw)
        half = [key for key, body in raw.items() if body != self.bodies[key]]
        assert len(half) <= 1
        assert all(self.bodies[key].startswith(raw[key]) and key not in book.rows for key in half)


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Slice:
    """The autumn of 2008: four symbols, hundreds of sessions, many alerts."""
    quotes = [quote for quote in real_data.daily_of("2008") if quote["timestamp"] >= "2008-08"]
    return Slice(quotes, tmp_path_factory.mktemp("autumn"))


class Child:
    """A process that feeds records into a home; it waits for ``begin``."""

    def __init__(self, root: Path, records: Path, death: int = 0) -> None:
        path = os.pathsep.join([str(TESTS), str(REPOSITORY)])
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(TESTS / "support" / "ingest_child.py"),
                str(root),
                str(records),
                str(_BATCH),
                str(death),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )
        assert self.line() == "ready"

    def begin(self) -> None:
        """Let it feed."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """Wait for the next line it prints; empty once it ended."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> tuple[int, list[str]]:
        """Wait for its end and return its exit code and the lines that were left."""
        lines, _ = self._process.communicate(timeout=120)
        return self._process.returncode, lines.split()


def run(root: Path, records: Path, death: int = 0) -> tuple[int, list[str]]:
    """Run one child to its end."""
    child = Child(root, records, death)
    child.begin()
    return child.end()


@pytest.fixture(scope="module")
def calls(autumn: Slice, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls an undisturbed run makes."""
    root = tmp_path_factory.mktemp("undisturbed")
    code, lines = run(root, autumn.file)
    assert code == 0
    autumn.assert_whole(root)
    return int(lines[-1])


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_some_call_and_run_again(autumn: Slice, calls: int, tmp_path: Path, seed: int):
    """Wherever the process dies, what it leaves is whole batches, and the next run brings the rest."""
    death = Random(seed).randrange(calls)
    print(f"seed {seed}: killed at call {death} of {calls}")
    assert run(tmp_path, autumn.file, death)[0] == -signal.SIGKILL
    if (tmp_path / "stockctl.db").exists():
        autumn.assert_part(tmp_path)
    assert run(tmp_path, autumn.file)[0] == 0
    autumn.assert_whole(tmp_path)


def test_killed_again_and_again(autumn: Slice, calls: int, tmp_path: Path):
    """Several deaths in a row, each a bit further on, add up to nothing."""
    random = Random(9)
    for attempt in range(1, 5):
        death = random.randrange(calls * attempt // 6, calls * (attempt + 1) // 6)
        print(f"attempt {attempt}: to be killed at call {death} of {calls}")
        run(tmp_path, autumn.file, death)
        autumn.assert_part(tmp_path)
    assert run(tmp_path, autumn.file)[0] == 0
    autumn.assert_whole(tmp_path)
    assert partial_files(tmp_path) == []


@pytest.mark.parametrize("line", [1, 3])
def test_killed_from_outside(autumn: Slice, tmp_path: Path, line: int):
    """A kill that comes from elsewhere, in the midst of whatever is being done, is no different."""
    child = Child(tmp_path, autumn.file)
    child.begin()
    for _ in range(line):
        assert child.line() == str(_BATCH)
    child.kill()
    assert child.end()[0] == -signal.SIGKILL
    autumn.assert_part(tmp_path)
    assert len(stored_rows(tmp_path)) >= line * _BATCH
    assert run(tmp_path, autumn.file)[0] == 0
    autumn.assert_whole(tmp_path)


def test_two_at_once_into_one_home(autumn: Slice, tmp_path: Path):
    """Two replays of one file that begin together, with no home yet, share the work and repeat nothing."""
    children = [Child(tmp_path, autumn.file) for _ in range(2)]
    for child in children:
        child.begin()
    ends = [child.end() for child in children]
    assert [code for code, _ in ends] == [0, 0]
    assert sum(int(count) for _, lines in ends for count in lines[:-2]) == len(autumn.quotes)
    autumn.assert_whole(tmp_path)
    assert partial_files(tmp_path) == []
