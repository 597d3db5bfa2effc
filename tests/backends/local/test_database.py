"""The database of a home: what it refuses to touch, what it survives, and how processes share it."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from stockctl.backends.local import database as database_module
from stockctl.backends.local import setup
from stockctl.backends.local.alerts import SqliteAlertReader
from stockctl.backends.local.database import APPLICATION_ID, SCHEMA_VERSION, Database
from stockctl.backends.local.home import Home
from stockctl.backends.local.quotes import SqliteQuoteReader
from stockctl.errors import HomeError
from support.local_home import feed, open_stream, raised, records, stored_rows, tree


def quotes(count: int, symbol: str = "AAPL") -> list[dict[str, object]]:
    """Return ``count`` quotes a minute apart."""
    return [
        {
            "symbol": symbol,
            "timestamp": f"2019-02-{11 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000Z",
            "price": f"{100 + minute % 7}",
            "previous_close": "100",
            "source": "replay",
        }
        for minute in range(count)
    ]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with sixty quotes, closed."""
    feed(tmp_path / "home", [quotes(60)])
    return Home(tmp_path / "home")


def garbage(path: Path) -> None:
    """Fill the file with what no database has."""
    path.write_bytes(bytes(range(256)) * 64)


def text(path: Path) -> None:
    """Make it a text file."""
    path.write_text("symbol,price\nAAPL,1\n")


def garbage_behind_a_header(path: Path) -> None:
    """Keep only the first line of the header."""
    path.write_bytes(b"SQLite format 3\0" + Random(1).randbytes(8192))


def cut_within_the_header(path: Path) -> None:
    """Cut the file after fifty bytes."""
    path.write_bytes(path.read_bytes()[:50])


def cut_in_the_middle(path: Path) -> None:
    """Lose the second half of the file."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])


def emptied(path: Path) -> None:
    """Leave a file of no bytes."""
    path.write_bytes(b"")


def foreign(path: Path, *pragmas: str) -> None:
    """Put another program's database in its place."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE quotes (symbol, price)")
        connection.execute("INSERT INTO quotes VALUES ('AAPL', 1)")
        connection.commit()


def foreign_with_id(path: Path) -> None:
    """Put a database in its place that names another application."""
    foreign(path, "application_id = 252006674", f"user_version = {SCHEMA_VERSION}")


def foreign_of_same_version(path: Path) -> None:
    """Put a database in its place that names no application and happens to have our version number."""
    foreign(path, f"user_version = {SCHEMA_VERSION}")


def newer(path: Path) -> None:
    """Raise the version the file declares."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def torn_down(path: Path) -> None:
    """Leave what an interrupted teardown leaves."""
    with closing(Database(path)) as database:
        database.mark_torn_down()


UNUSABLE = [
    (garbage, "is damaged or is not a SQLite database", "restore it from a backup. Nothing was changed."),
    (text, "is damaged or is not a SQLite database", "Move it away"),
    (garbage_behind_a_header, "is damaged or is not a SQLite database", "Move it away"),
    (cut_within_the_header, "is a SQLite database without the tables of stockctl", "Move it away"),
    (
        cut_in_the_middle,
        "is damaged or is not a SQLite database (database disk image is malformed)",
        "Move it away",
    ),
    (
        emptied,
        "is a SQLite database without the tables of stockctl",
        "Move it away and run 'stockctl provision'. Nothing was changed.",
    ),
    (foreign, "is a SQLite database without the tables of stockctl", "Move it away"),
    (foreign_with_id, "is a SQLite database without the tables of stockctl", "Move it away"),
    (foreign_of_same_version, "is a SQLite database without the tables of stockctl", "Move it away"),
    (newer, "was written by a newer stockctl: its format is 2, this one knows 1.", "Upgrade stockctl"),
    (torn_down, "was torn down", "Run 'stockctl teardown' if it was interrupted"),
]


@pytest.mark.parametrize(("spoil", "message", "hint"), UNUSABLE, ids=[case[0].__name__ for case in UNUSABLE])
def test_an_unusable_database_is_refused_and_left_as_it_is(
    home: Home, spoil: Callable[[Path], None], message: str, hint: str
):
    """Opening and provisioning say what is wrong and what to do, and no byte of the home changes."""
    spoil(home.database)
    shutil.rmtree(home.archive)
    before = tree(home.root)
    for attempt in (lambda: Database(home.database), lambda: setup.provision(home)):
        with pytest.raises(HomeError) as refused:
            attempt()
        assert message in refused.value.message
        assert str(home.root) in refused.value.message
        assert hint in str(refused.value.hint)
        assert tree(home.root) == before
        assert not home.archive.exists()


def test_an_absent_home_is_named(tmp_path: Path):
    """Where no database is, the message says how to make one, and nothing is made."""
    with pytest.raises(HomeError) as refused:
        Database(tmp_path / "home" / "stockctl.db")
    assert refused.value.message == f"There is no stockctl data folder in {tmp_path / 'home'}."
    assert "stockctl provision" in str(refused.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_a_link_or_a_file_in_the_way_is_no_home(tmp_path: Path, home: Home):
    """A folder of that name, a link to a real database and a file as home folder are not opened."""
    (tmp_path / "folder" / "stockctl.db").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "stockctl.db").symlink_to(home.database)
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "stockctl.db").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").write_text("no folder")
    for name, told in (
        ("folder", r"stockctl\.db is a folder, where stockctl keeps its database"),
        ("link", r"stockctl\.db is a link, which is never followed, where"),
        ("dangling", r"stockctl\.db is a link, which is never followed, where"),
        ("file", r"The data folder .*/file is a file, not a folder"),
    ):
        with pytest.raises(HomeError, match=told) as refused:
            Database(tmp_path / name / "stockctl.db")
        assert "Create it" not in str(refused.value.hint)


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path: Path):
    """A path the system cannot resolve is a known failure, not a crash."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for folder in (tmp_path / ("x" * 300), tmp_path / "loop"):
        with pytest.raises(
            HomeError, match=r"cannot be read: (File name too long|Too many levels)"
        ) as refused:
            Database(folder / "stockctl.db")
        assert "local.path" in str(refused.value.hint)


def test_damage_met_on_the_way_stops_the_batch(home: Home):
    """A page overwritten with noise is met at the first use; nothing of the batch is stored."""
    feed(home.root, [quotes(400, "MSFT")])
    whole = bytearray(home.database.read_bytes())
    # Everything behind the first page, which holds the schema.
    whole[4096:] = Random(2).randbytes(len(whole) - 4096)
    home.database.write_bytes(whole)
    with closing(Database(home.database)) as database:
        with pytest.raises(HomeError, match="is damaged or is not a SQLite database"):
            SqliteQuoteReader(database).latest()
        with pytest.raises(HomeError, match="is damaged or is not a SQLite database"):
            SqliteAlertReader(database).recent()
    with open_stream(home.root) as stream, pytest.raises(HomeError, match="is damaged"):
        stream.send(records(quotes(100)))
    assert home.database.read_bytes() == bytes(whole)
    assert len(list(home.archive.glob("AAPL/*"))) == 60


@pytest.mark.parametrize(
    ("pragma", "message"),
    [(f"user_version = {SCHEMA_VERSION + 1}", "newer stockctl"), ("user_version = -1", "was torn down")],
)
def test_a_database_that_changes_hands_is_left_alone(home: Home, pragma: str, message: str):
    """Upgraded or torn down by another process, the home is neither written nor read any more."""
    before = stored_rows(home.root), sorted(home.archive.rglob("*"))
    with open_stream(home.root) as stream, closing(Database(home.database)) as mine:
        tail = SqliteAlertReader(mine).follow()
        with closing(sqlite3.connect(home.database)) as other:
            other.execute(f"PRAGMA {pragma}")
        for attempt in (
            lambda: stream.send(records(quotes(61))),
            lambda: stream.refuse([]),
            tail.read,
            SqliteQuoteReader(mine).latest,
        ):
            with pytest.raises(HomeError, match=message):
                attempt()
    assert (stored_rows(home.root), sorted(home.archive.rglob("*"))) == before


def test_creating_leaves_what_is_there(home: Home):
    """Making a home that exists keeps every byte, and leaves no temporary file."""
    before = tree(home.root)
    Database.create(home.database)
    setup.provision(home)
    assert tree(home.root) == before


def test_a_fresh_database_is_whole(tmp_path: Path):
    """A new database is ours, in WAL mode and empty, and nothing else lies beside it."""
    Database.create(tmp_path / "stockctl.db")
    assert [path.name for path in tmp_path.iterdir()] == ["stockctl.db"]
    with closing(sqlite3.connect(tmp_path / "stockctl.db")) as connection:
        facts = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode", "integrity_check")
        ]
    assert facts == [APPLICATION_ID, SCHEMA_VERSION, "wal", "ok"]


def test_a_creation_that_was_interrupted_can_be_repeated(tmp_path: Path):
    """What a dead process left of a database of the same process number is in nobody's way."""
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f".{os.getpid()}.partial{suffix}").write_bytes(b"SQLite format 3\0 half a database")
    Database.create(tmp_path / "stockctl.db")
    Database(tmp_path / "stockctl.db").close()


def test_a_database_cannot_be_made_without_its_folder(tmp_path: Path):
    """The reason names the file that cannot be written."""
    with pytest.raises(HomeError, match=r"partial cannot be written|stockctl.db cannot be written"):
        Database.create(tmp_path / "absent" / "stockctl.db")


def test_a_writer_waits_for_the_other_and_gives_up_with_a_reason(home: Home, monkeypatch: pytest.MonkeyPatch):
    """Beside a writer that does not end, a batch fails after the busy time-out; readers never wait."""
    monkeypatch.setattr(database_module, "_BUSY_SECONDS", 0.05)
    with closing(Database(home.database)) as other, open_stream(home.root) as stream:
        with other.transaction():
            with pytest.raises(HomeError, match=r"was kept busy by other processes for 0 seconds") as refused:
                stream.send(records(quotes(61)))
            assert SqliteQuoteReader(stream._database).count() == 60
        assert "Try again" in str(refused.value.hint)
        assert not (home.archive / "AAPL" / "2019-02-11T01-00-00.000Z.json").exists()
        assert stream.send(records(quotes(61))).stored == 1


def test_a_full_disk_stops_the_batch_and_leaves_what_was_stored(home: Home):
    """When the database cannot grow, the batch is rolled back with a reason, and goes through later."""
    before = stored_rows(home.root), raised(home.root)
    with open_stream(home.root) as stream:
        connection = stream._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(HomeError) as refused:
            stream.send(records(quotes(300)))
        assert refused.value.message == f"The disk that holds {home.database} is full."
        assert "Free some space" in str(refused.value.hint)
        assert (stored_rows(home.root), raised(home.root)) == before
        connection.execute("PRAGMA max_page_count = 1000000")
        assert stream.send(records(quotes(300))).stored == 240
    assert len(stored_rows(home.root)) == 300


def test_a_transaction_that_fails_leaves_nothing(home: Home):
    """Whatever ends a transaction early, what it wrote is gone and the next one works."""

    def attempt(database: Database, error: BaseException) -> None:
        with database.transaction() as connection:
            connection.execute("DELETE FROM quotes")
            raise error

    with closing(Database(home.database)) as database:
        for error in (ValueError(), KeyboardInterrupt()):
            with pytest.raises(type(error)):
                attempt(database, error)
        with pytest.raises(HomeError, match=r"stockctl.db cannot be used: out of sorts\."):
            attempt(database, sqlite3.OperationalError("out of sorts"))
    assert len(stored_rows(home.root)) == 60
