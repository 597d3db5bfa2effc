"""Which files of a home are ours: the rest is never counted, and never removed."""

from pathlib import Path

import pytest

from stockctl.backends.local.home import Home, is_file, is_folder
from support.local_home import feed

QUOTE = {"symbol": "AAPL", "timestamp": "2019-02-11T14:31:00.000Z", "price": "1", "source": "replay"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one quote, closed."""
    feed(tmp_path / "home", [[QUOTE]])
    return Home(tmp_path / "home")


def test_what_the_stream_wrote_is_ours(home: Home):
    """The raw object, its folder and the database are found."""
    assert [path.name for path in home.archive_files()] == ["2019-02-11T14-31-00.000Z.json"]
    assert [path.name for path in home.archive_folders()] == ["AAPL"]
    assert [path.name for path in home.database_files()] == ["stockctl.db"]
    assert list(home.quarantine_files()) == []
    assert home.rejections() == 0


def test_what_others_put_there_is_not_ours(home: Home, tmp_path: Path):
    """Notes, other names, links to files and folders elsewhere are left out."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "2019-02-11T14-31-00.000Z.json").write_text("{}")
    folder = home.archive / "AAPL"
    for name in ("notes.txt", "2019-02-11T14-31-00.000Z.json.bak", "2019-02-11.json", ".hidden"):
        (folder / name).write_text("mine")
    (folder / "2019-02-12T14-31-00.000Z.json").symlink_to(elsewhere / "2019-02-11T14-31-00.000Z.json")
    (home.archive / "MSFT").symlink_to(elsewhere)
    (home.archive / "lower").mkdir()
    (home.archive / "IBM").write_text("a file")
    home.quarantine.mkdir()
    (home.quarantine / "short.json").write_text("{}")
    (home.root / "stockctl.db-journal.txt").write_text("mine")
    assert [path.name for path in home.archive_files()] == ["2019-02-11T14-31-00.000Z.json"]
    assert [path.name for path in home.archive_folders()] == ["AAPL"]
    assert list(home.quarantine_files()) == []
    assert [path.name for path in home.database_files()] == ["stockctl.db"]


def test_what_interrupted_writes_left_is_ours(home: Home):
    """Half-made databases of dead processes are found, for teardown to remove."""
    left = [home.root / f".4711.partial{suffix}" for suffix in ("", "-wal", "-shm", "-journal")]
    for path in left:
        path.write_bytes(b"")
    assert set(left) <= set(home.database_files())


@pytest.mark.parametrize("below", ["nothing", "nothing/below"])
def test_looking_at_nothing_finds_nothing(tmp_path: Path, below: str):
    """A path that is not there, or leads through a file, is neither file nor folder."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / below, tmp_path / "file" / below):
        assert not is_file(path)
        assert not is_folder(path)
