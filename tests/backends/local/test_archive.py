"""The raw archive and the once-writer below it: whole files, written once, never over another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stockctl.backends.local.archive import FileArchive, write_once
from stockctl.backends.local.home import Home
from stockctl.errors import HomeError
from stockctl.pipeline.ports import RawObject
from support.local_home import open_stream, raw_files, records, stored_rows

TIME = "2008-10-06T20:00:00.000Z"
QUOTE = {"symbol": "AAPL", "timestamp": TIME, "price": "98.14", "source": "replay"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with an empty archive."""
    home = Home(tmp_path / "home")
    home.archive.mkdir(parents=True)
    return home


@pytest.mark.parametrize("symbol", ["AAPL", "BRK-B", "BF.B", "^VIX", "EURUSD=X", "A" * 20])
def test_each_quote_is_one_file_under_its_symbol(home: Home, symbol: str):
    """The path is symbol and time, with hyphens for colons; the content is the record."""
    FileArchive(home).put([RawObject(symbol, TIME, b'{"price":1}')])
    file = home.archive / symbol / "2008-10-06T20-00-00.000Z.json"
    assert file.read_bytes() == b'{"price":1}'
    assert [path for path in home.root.rglob("*") if path.is_file()] == [file]


def test_a_file_that_is_there_keeps_its_content(home: Home):
    """Neither the same archive, another one nor a later process overwrites an object."""
    archive = FileArchive(home)
    archive.put([RawObject("AAPL", TIME, b"first"), RawObject("AAPL", TIME, b"second, and longer")])
    archive.put([RawObject("AAPL", TIME, b"third")])
    FileArchive(home).put([RawObject("AAPL", TIME, b"fourth"), RawObject("MSFT", TIME, b"fifth")])
    assert raw_files(home.root) == {("AAPL", TIME): b"first", ("MSFT", TIME): b"fifth"}


def test_a_link_in_the_place_of_an_object_is_not_followed(home: Home, tmp_path: Path):
    """Where somebody put a link, nothing is written through it, dangling or not."""
    target = tmp_path / "elsewhere"
    folder = home.archive / "AAPL"
    folder.mkdir()
    (folder / "2008-10-06T20-00-00.000Z.json").symlink_to(target)
    FileArchive(home).put([RawObject("AAPL", TIME, b"first")])
    assert not target.exists()


@pytest.mark.parametrize("written", range(5))
def test_what_a_dead_process_began_is_completed(home: Home, written: int):
    """Killed before or within its write, a process leaves a beginning; the same record adds the rest."""
    body = b'{"a":1}'
    begun = home.archive / "AAPL" / "2008-10-06T20-00-00.000Z.json"
    begun.parent.mkdir()
    begun.write_bytes(body[:written])
    FileArchive(home).put([RawObject("AAPL", TIME, body)])
    assert raw_files(home.root) == {("AAPL", TIME): body}


@pytest.mark.parametrize("other", [b'{"b"', b'{"a":1}'])
def test_a_shorter_file_with_another_content_stays(home: Home, other: bytes):
    """What does not begin like the record, or is whole but for space at its end, is left alone."""
    there = home.archive / "AAPL" / "2008-10-06T20-00-00.000Z.json"
    there.parent.mkdir()
    there.write_bytes(other)
    FileArchive(home).put([RawObject("AAPL", TIME, b'{"a":1}\r\n')])
    assert raw_files(home.root) == {("AAPL", TIME): other}


def test_bytes_of_any_length_are_written_whole(tmp_path: Path):
    """Nothing, one byte and many megabytes arrive as they are."""
    for length in (0, 1, 3_000_000):
        body = os.urandom(length)
        write_once(str(tmp_path / str(length)), body)
        assert (tmp_path / str(length)).read_bytes() == body


def test_what_finds_no_room_leaves_nothing(tmp_path: Path):
    """Where only a part of the bytes fits, the part does not stay."""
    path = tmp_path / "object.json"
    program = (
        "import resource, sys\n"
        "from stockctl.backends.local.archive import write_once\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_once(sys.argv[1], bytes(1001))\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(path)], check=False, capture_output=True, text=True
    )
    assert "File too large" in done.stderr
    assert not path.exists()


def test_an_archive_that_cannot_be_written_stops_the_batch(tmp_path: Path):
    """A file where a folder should be: the reason names it, nothing is stored, and later all goes through."""
    root = tmp_path / "home"
    with open_stream(root) as stream:
        obstacle = root / "raw-data" / "MSFT"
        obstacle.write_text("in the way")
        batch = records([QUOTE, {**QUOTE, "symbol": "MSFT"}])
        with pytest.raises(HomeError) as refused:
            stream.send(batch)
        assert f"{obstacle} is a file, where stockctl keeps a folder." in refused.value.message
        assert "run the command again" in str(refused.value.hint)
        assert stored_rows(root) == []
        obstacle.unlink()
        receipt = stream.send(batch)
    assert (receipt.stored, receipt.duplicates) == (2, 0)
    assert sorted(raw_files(root)) == [("AAPL", TIME), ("MSFT", TIME)]


def test_an_archive_that_is_a_file_is_a_known_failure(tmp_path: Path):
    """When the archive itself is no folder the batch fails with a reason as well."""
    root = tmp_path / "home"
    with open_stream(root) as stream:
        (root / "raw-data").rmdir()
        (root / "raw-data").write_text("in the way")
        with pytest.raises(HomeError, match=r"cannot be written: Not a directory \(.*raw-data"):
            stream.send(records([QUOTE]))
