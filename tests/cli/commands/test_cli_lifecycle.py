"""plan, provision, status and teardown on the embedded home."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stockctl.backends.local.database import APPLICATION_ID
from support.cli.command import Command
from support.local_home import tree

CSV = """timestamp,symbol,price,previous_close
2026-01-05T15:00:00Z,AAPL,101.5,100
2026-01-05T15:00:00Z,MSFT,50,51
"""


def filled(stockctl: Command) -> None:
    """Store two quotes and quarantine one row."""
    stockctl.ok("stream", "--file", "-", stdin=CSV + "2026-01-05T15:01:00Z,AAPL,-1,\n")


def test_plan_names_what_provision_makes_and_makes_nothing(stockctl: Command) -> None:
    """Plan lists database and archive, and no folder appears."""
    rows = stockctl.rows("plan")
    assert [row["resource"] for row in rows] == [
        str(stockctl.home / "stockctl.db"),
        str(stockctl.home / "raw-data"),
    ]
    assert not stockctl.home.exists()


def test_provision_twice_changes_nothing(stockctl: Command) -> None:
    """The second provision says that there is nothing to do."""
    assert len(stockctl.rows("provision")) == 2
    before = (stockctl.home / "stockctl.db").read_bytes()
    done = stockctl.run("provision", "-o", "json")
    assert json.loads(done.stdout) == []
    assert "Nothing to do" in done.stderr
    assert (stockctl.home / "stockctl.db").read_bytes() == before


def test_status_counts_what_is_there(stockctl: Command) -> None:
    """Status shows home, size, quotes, alerts, quarantined records and the last quote per symbol."""
    filled(stockctl)
    (status,) = stockctl.rows("status")
    assert status["home"] == str(stockctl.home)
    raw = sum(path.stat().st_size for path in (stockctl.home / "raw-data").rglob("*.json"))
    assert 0 < raw < status["bytes"] <= status["bytes_on_disk"]
    assert (status["quotes"], status["alerts"], status["quarantined"]) == (2, 0, 1)
    assert [quote["symbol"] for quote in status["latest"]] == ["AAPL", "MSFT"]
    text = stockctl.ok("status")
    assert "quarantined:   1" in text
    assert "101.50" in text


def test_status_without_a_home_says_what_to_do(stockctl: Command) -> None:
    """An absent home is a known failure."""
    message = stockctl.refused("status", code=1)
    assert f"There is no stockctl data folder in {stockctl.home}" in message
    assert "stockctl provision" in message


def test_teardown_leaves_nothing(stockctl: Command) -> None:
    """Typing the project's name removes everything, the folder too."""
    filled(stockctl)
    done = stockctl.run("teardown", stdin="stockctl\n")
    assert done.returncode == 0
    assert "quarantine" in done.stdout
    assert "2 quotes" in done.stdout
    assert not stockctl.home.exists()
    assert "Nothing to tear down" in stockctl.run("teardown").stderr


def test_teardown_asks_for_the_name_of_a_named_project(stockctl: Command) -> None:
    """A project with a name is removed by its name only."""
    filled(stockctl)
    extra = {"STOCKCTL_PROJECT__NAME": "desk"}
    assert stockctl.run("teardown", stdin="stockctl\n", extra=extra).returncode == 1
    assert (stockctl.home / "stockctl.db").exists()
    assert stockctl.run("teardown", stdin="desk\n", extra=extra).returncode == 0
    assert not stockctl.home.exists()


def test_teardown_without_an_answer_deletes_nothing(stockctl: Command) -> None:
    """With standard input closed it demands --yes."""
    filled(stockctl)
    done = stockctl.run("teardown")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert (stockctl.home / "stockctl.db").exists()


def test_teardown_keeps_the_raw_archive_on_request(stockctl: Command) -> None:
    """--keep-data leaves the raw archive, and nothing else; a later teardown removes it."""
    filled(stockctl)
    stockctl.ok("teardown", "--keep-data", "--yes")
    assert sorted(str(path.relative_to(stockctl.home)) for path in stockctl.home.rglob("*")) == [
        "raw-data",
        "raw-data/AAPL",
        "raw-data/AAPL/2026-01-05T15-00-00.000Z.json",
        "raw-data/MSFT",
        "raw-data/MSFT/2026-01-05T15-00-00.000Z.json",
    ]
    stockctl.ok("provision")
    stockctl.ok("teardown", "--yes")
    assert not stockctl.home.exists()


def test_teardown_touches_only_what_is_ours(stockctl: Command, tmp_path: Path) -> None:
    """Foreign files stay, and no link is followed."""
    filled(stockctl)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "2026-01-05T15-00-00.000Z.json").write_text("precious")
    (stockctl.home / "notes.txt").write_text("mine")
    (stockctl.home / "raw-data" / "AAPL" / "mine.json").write_text("mine")
    os.symlink(outside, stockctl.home / "raw-data" / "LINK")
    os.symlink(
        outside / "2026-01-05T15-00-00.000Z.json",
        stockctl.home / "raw-data" / "AAPL" / "2026-01-06T15-00-00.000Z.json",
    )
    done = stockctl.run("teardown", "--yes")
    assert done.returncode == 0
    assert "because stockctl did not create it: notes.txt, raw-data" in done.stderr
    assert (outside / "2026-01-05T15-00-00.000Z.json").read_text() == "precious"
    assert (stockctl.home / "notes.txt").read_text() == "mine"
    assert (stockctl.home / "raw-data" / "AAPL" / "mine.json").read_text() == "mine"
    assert (stockctl.home / "raw-data" / "LINK").is_symlink()
    assert not (stockctl.home / "stockctl.db").exists()


def test_a_home_that_is_a_file_is_refused(stockctl: Command) -> None:
    """A path that cannot become a folder is named with its reason."""
    stockctl.home.write_text("not a folder")
    done = stockctl.run("provision")
    assert done.returncode == 1
    assert f"The data folder {stockctl.home} cannot be created" in done.stderr
    assert "local.path" in done.stderr
    assert stockctl.home.read_text() == "not a folder"


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (
            b"this is no database, but it is long enough to be read as one" * 100,
            "is damaged or is not a SQLite database",
        ),
        (b"", "without the tables of stockctl"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("provision",),
        ("status",),
        ("query", "latest"),
        ("alerts", "tail"),
        ("stream", "--source", "simulate"),
        ("teardown", "--yes"),
        ("teardown", "--keep-data", "--yes"),
    ],
)
def test_a_damaged_database_is_refused_and_kept(
    stockctl: Command, content: bytes, fragment: str, command: tuple[str, ...]
) -> None:
    """Whatever command meets a file that is no database of ours, says so and leaves it as it is."""
    stockctl.home.mkdir()
    (stockctl.home / "stockctl.db").write_bytes(content)
    told = stockctl.refused(*command, code=1)
    assert fragment in told
    assert "teardown" not in command or "remove it yourself if it is stockctl's" in told.lower()
    assert (stockctl.home / "stockctl.db").read_bytes() == content
    assert [path.name for path in stockctl.home.iterdir()] == ["stockctl.db"]


@pytest.mark.parametrize(
    ("pragmas", "fragment", "advice"),
    [
        (("user_version = 1",), "without the tables of stockctl", "Move it away"),
        (
            ("application_id = 252006674", "user_version = 1"),
            "without the tables of stockctl",
            "Move it away",
        ),
        ((f"application_id = {APPLICATION_ID}", "user_version = 7"), "its format is 7", "Upgrade stockctl"),
    ],
    ids=["unnamed", "named", "newer"],
)
def test_teardown_keeps_a_database_that_it_does_not_know(
    stockctl: Command, pragmas: tuple[str, ...], fragment: str, advice: str
) -> None:
    """Another program's database, or that of a newer stockctl, is refused by name, and all stays."""
    filled(stockctl)
    file = stockctl.home / "stockctl.db"
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE recipes (name)")
        connection.commit()
    before = tree(stockctl.home)
    told = stockctl.refused("teardown", "--yes", code=1)
    assert str(file) in told
    assert fragment in told
    assert advice in told
    assert tree(stockctl.home) == before


def test_teardown_removes_a_database_of_ours_that_is_damaged(stockctl: Command) -> None:
    """Its first bytes tell whose it is, however little can be read of the rest."""
    filled(stockctl)
    file = stockctl.home / "stockctl.db"
    file.write_bytes(file.read_bytes()[:4096])
    assert "is damaged" in stockctl.refused("status", code=1)
    stockctl.ok("teardown", "--yes")
    assert not stockctl.home.exists()


def test_a_kept_archive_can_be_queried(stockctl: Command) -> None:
    """After teardown --keep-data SQL and top-movers still answer, and nothing is made for it."""
    filled(stockctl)
    stockctl.ok("teardown", "--keep-data", "--yes")
    before = tree(stockctl.home)
    rows = stockctl.rows("query", "sql", "SELECT symbol, price FROM stock_data_table ORDER BY symbol")
    assert rows == [{"symbol": "AAPL", "price": 101.5}, {"symbol": "MSFT", "price": 50.0}]
    assert len(stockctl.rows("query", "top-movers")) == 2
    assert tree(stockctl.home) == before
    assert "There is no stockctl data folder" in stockctl.refused("query", "latest", code=1)


@pytest.mark.parametrize("name", ["raw-data", "raw-data/AAPL", "quarantine"])
def test_a_link_in_the_place_of_a_folder_is_refused(stockctl: Command, tmp_path: Path, name: str) -> None:
    """What was written through it would never be read: nothing is stored, and nothing lands behind it."""
    (tmp_path / "elsewhere").mkdir()
    (stockctl.home / name).parent.mkdir(parents=True)
    (stockctl.home / name).symlink_to(tmp_path / "elsewhere")
    told = stockctl.refused("stream", "--file", "-", stdin=CSV, code=1)
    assert f"{stockctl.home / name} is a link, which is never followed, where stockctl keeps a folder" in told
    assert "put the whole data folder there" in told
    assert not list((tmp_path / "elsewhere").iterdir())
    if name != "raw-data/AAPL":  # met when its first quote comes, not before
        assert "is a link" in stockctl.refused("provision", code=1)
        assert not (stockctl.home / "stockctl.db").exists()


@pytest.mark.parametrize("kind", ["folder", "dangling"])
def test_what_is_in_the_place_of_the_database_is_named(stockctl: Command, tmp_path: Path, kind: str) -> None:
    """The advice is not to do what was just refused."""
    stockctl.home.mkdir()
    file = stockctl.home / "stockctl.db"
    file.mkdir() if kind == "folder" else file.symlink_to(tmp_path / "nothing")
    for command in ("provision", "status"):
        told = stockctl.refused(command, code=1)
        assert f"{file} is a {'folder' if kind == 'folder' else 'link'}" in told
        assert "Move it away" in told


def test_status_of_a_home_that_is_a_file_names_the_home(stockctl: Command) -> None:
    """Not the outbox that would lie in it."""
    stockctl.home.write_text("not a folder")
    told = stockctl.refused("status", code=1)
    assert f"The data folder {stockctl.home} is a file" in told
    assert "local.path" in told
    assert "outbox" not in told


def test_verbose_tells_what_sqlite_said(stockctl: Command) -> None:
    """What the message sums up is there in SQLite's own words."""
    stockctl.home.mkdir()
    (stockctl.home / "stockctl.db").write_bytes(b"no database " * 400)
    assert "SQLITE_NOTADB" in stockctl.refused("--verbose", "status", code=1)
    assert "SQLITE_NOTADB" not in stockctl.refused("status", code=1)


@pytest.mark.parametrize(("name", "arguments"), [("deploy", ()), ("logs", ("ingest", "--follow"))])
def test_what_only_aws_has_says_what_it_needs(
    stockctl: Command, name: str, arguments: tuple[str, ...]
) -> None:
    """The command is known, says in one sentence which target it needs, and ends with 2."""
    what, hint = stockctl.refused(name, *arguments, code=2).splitlines()
    assert what == f'error: {name} works only with target = "aws".'
    assert "--target aws" in hint


@pytest.mark.parametrize(
    "arguments",
    [("subscribe", "email", "a@example.com"), ("subscriptions",), ("unsubscribe", "a@example.com")],
)
def test_subscriptions_point_to_the_tail(stockctl: Command, arguments: tuple[str, ...]) -> None:
    """Embedded, the alert log is the notification, and the message says so."""
    assert "stockctl alerts tail" in stockctl.refused("alerts", *arguments, code=2)


def test_the_template_is_printed_for_any_target(stockctl: Command) -> None:
    """It is a file to read, with or without an account."""
    assert "AWS::Kinesis::Stream" in stockctl.ok("template")


def test_aws_without_a_region_or_credentials_is_a_sentence(stockctl: Command) -> None:
    """Nothing set up for AWS: exit 1, what is missing, and where to set it."""
    message = stockctl.refused(
        "--target", "aws", "status", code=1, extra={"AWS_EC2_METADATA_DISABLED": "true"}
    )
    assert "region" in message
    message = stockctl.refused(
        "--target",
        "aws",
        "status",
        code=1,
        extra={"AWS_EC2_METADATA_DISABLED": "true", "STOCKCTL_AWS__REGION": "eu-west-1"},
    )
    assert "credentials" in message
