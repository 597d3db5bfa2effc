"""Which files a replay accepts, and the messages for the others."""

import gzip
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event, Thread

import pytest

from stockctl.errors import SourceError, StockctlError, UsageError
from stockctl.sources.replay.source import ReplaySource
from support.replay_files import CountedStop, csv_text, quotes_of, replayed, write, write_csv, write_parquet

_GOOD = csv_text([("2019-02-11T14:31:00Z", "AAPL", "170.97")]).encode()
_CHILD = """
import sys
from threading import Event
from stockctl.market.quote import Quote
from stockctl.sources.replay.source import ReplaySource
for tick in ReplaySource(sys.argv[1:]).ticks(Event()):
    for item in tick:
        print(item.symbol if isinstance(item, Quote) else item.origin)
"""


@pytest.fixture(autouse=True)
def temporary_root(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, with a name that a pattern would misread."""
    root = tmp_path_factory.mktemp("tmp") / "a[b]* ?"
    root.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(root))
    return root


@pytest.mark.parametrize(
    "name",
    ["a*b[1].csv", "?.csv", "[a-z].csv", "~", "$HOME", "{a,b}", "-x", "a\nb", "http:x", "%41", "é", " "],
)
def test_an_odd_name_is_the_name_of_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Patterns in it are not expanded, neither with its full name nor from its folder."""
    write(tmp_path / name, _GOOD)
    for neighbour in ("aXb1.csv", "b.csv", "a", "b"):
        write(tmp_path / neighbour, _GOOD + _GOOD)
    monkeypatch.chdir(tmp_path)
    assert len(quotes_of(tmp_path / name, name)) == 2


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """It is read, and what refers to it can be written as UTF-8."""
    name = os.fsdecode(b"caf\xe9.csv")
    try:
        file = write(tmp_path / name, _GOOD + b"x\n")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    _, (rejection,) = replayed(file)
    assert rejection.origin == r"replay:caf\xe9.csv#2"
    assert len(rejection.key) == 64
    parquet = write_parquet(tmp_path / "x", "SELECT 'A' AS symbol, DATE '2019-02-11' AS date, 1 AS price")
    assert len(quotes_of(parquet.rename(tmp_path / os.fsdecode(b"\xff.parquet")))) == 1


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    """It is followed."""
    (tmp_path / "link").symlink_to(write(tmp_path / "a.csv", _GOOD))
    assert len(quotes_of(tmp_path / "link")) == 1


@pytest.mark.parametrize(
    "name",
    ["absent.csv", "s3://x/y.csv", "https://example.com/a.csv", "*.csv", "a.csv/b", "", "x" * 5000, "a\0b"],
)
def test_an_absent_file_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A URL or a pattern is treated as the name of a file, which does not exist."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", _GOOD)
    with pytest.raises(UsageError) as failure:
        replayed("a.csv", name)
    assert name in failure.value.message
    assert "does not exist" in failure.value.message or "cannot be accessed" in failure.value.message


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    """A folder, a pipe and a device, at once and without opening them; each with a hint."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for name, reason, hint in (
        (tmp_path, "is a folder, not a file", "each with --file"),
        (pipe, "is not a regular file", "--file -"),
        (Path("/dev/null"), "is not a regular file", "--file -"),
    ):
        with pytest.raises(UsageError) as failure:
            replayed(name)
        assert failure.value.message.startswith(f"{name} {reason}")
        assert hint in str(failure.value.hint)


def test_no_file_and_standard_input_twice_are_refused() -> None:
    """Both before anything is read."""
    with pytest.raises(UsageError, match="needs at least one file"):
        replayed()
    with pytest.raises(UsageError, match="can be replayed only once"):
        replayed("-", "-")


@pytest.mark.parametrize("data", [b"", b"\n \r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """Also when it is blank, or compressed."""
    for name in ("a.csv", "b.gz"):
        with pytest.raises(SourceError) as failure:
            replayed(write(tmp_path / name, data))
        assert failure.value.message == f"{tmp_path / name} is empty."
        assert "CSV, NDJSON" in str(failure.value.hint)


def test_text_in_utf16_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """As some spreadsheets save it."""
    with pytest.raises(SourceError, match="is text in UTF-16"):
        replayed(write(tmp_path / "a.csv", _GOOD.decode().encode("utf-16")))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-9], id="cut"),
        pytest.param(lambda data: data[:3], id="magic only"),
        pytest.param(lambda data: data[:-8] + b"\0" * 8, id="wrong checksum"),
        pytest.param(
            lambda data: data[: len(data) // 2] + b"\xff" * 40 + data[len(data) // 2 + 40 :], id="middle"
        ),
        pytest.param(lambda data: data + b"garbage", id="something behind"),
        pytest.param(lambda data: b"\x1f\x8b\x00" + data[3:], id="unknown method"),
    ],
)
def test_damaged_gzip_is_refused_before_anything_is_sent(tmp_path: Path, damage: object) -> None:
    """However late the damage is, the file before it is not sent either."""
    rows = [(f"2019-02-11T14:31:00.{row % 1000:03}Z", f"S{row}", row + 1) for row in range(20_000)]
    data = gzip.compress(csv_text(rows).encode())
    good, bad = write(tmp_path / "good.csv", _GOOD), tmp_path / "bad.csv"
    bad.write_bytes(damage(data))  # type: ignore[operator]
    source = ReplaySource([str(good), str(bad)])
    with pytest.raises(SourceError) as failure:
        next(iter(source.ticks(Event())))
    assert failure.value.message.startswith(f"{bad} is damaged, its gzip data cannot be read: ")
    assert source.expected is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    """With the system's reason."""
    file = write(tmp_path / "a.csv", _GOOD)
    file.chmod(0)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        replayed(file)


@pytest.mark.parametrize("form", ["csv", "gz", "ndjson", "parquet"])
def test_standard_input_in_every_format(tmp_path: Path, form: str) -> None:
    """Its format is detected by its content, and its rejections have the origin '-'."""
    if form == "parquet":
        select = (
            "SELECT CASE i WHEN 3 THEN '' ELSE 'AAPL' END AS symbol, DATE '2019-02-11' AS date, 1 AS price"
        )
        data = write_parquet(tmp_path / "a", f"{select} FROM range(1, 4) t(i)").read_bytes()
    elif form == "ndjson":
        data = b'{"symbol":"AAPL","date":"2019-02-11","price":1}\n' * 2 + b"{}"
    else:
        data = b"symbol,date,price\n" + b"AAPL,2019-02-11,1\n" * 2 + b"x\n"
    result = subprocess.run(
        [sys.executable, "-c", _CHILD, "-"], check=True, capture_output=True,
        input=gzip.compress(data) if form == "gz" else data,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert result.stdout.decode().split() == ["replay:-#3", "AAPL", "AAPL"]


def test_empty_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name it was given."""
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(SourceError, match=r"^- is empty\.$"):
            replayed("-")


def test_standard_input_that_is_closed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have none."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="There is no standard input"):
        replayed("-")


def test_a_silent_standard_input_does_not_hold_up_a_stop(
    monkeypatch: pytest.MonkeyPatch, temporary_root: Path
) -> None:
    """The writer has sent a part and is silent; the replay ends and removes its files."""
    read_end, write_end = os.pipe()
    stop = CountedStop(4)  # the part is read, then twice there is nothing
    with os.fdopen(read_end) as pipe, os.fdopen(write_end, "wb") as writer:
        monkeypatch.setattr(sys, "stdin", pipe)
        writer.write(_GOOD)
        writer.flush()
        ticks: list[object] = []
        reading = Thread(target=lambda: ticks.extend(ReplaySource(["-"]).ticks(stop)), daemon=True)
        reading.start()
        reading.join(timeout=30)
        assert not reading.is_alive()
    assert ticks == []
    assert list(temporary_root.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize("looks", [1, 2, 4])
def test_a_stop_ends_the_reading(tmp_path: Path, temporary_root: Path, form: str, looks: int) -> None:
    """Nothing is sent, no file remains, and no unread row is rejected."""
    rows = [("2019-02-11T14:31:00Z", f"S{row % 100}", row + 1) for row in range(30_000)]
    file = write_csv(tmp_path / "a.csv", rows)
    if form == "parquet":
        file = write_parquet(tmp_path / "a", f"SELECT * FROM read_csv('{file}')")
    elif form == "ndjson":
        line = '{{"timestamp":"{}","symbol":"{}","price":{}}}\n'
        file = write(tmp_path / "b", "".join(line.format(*row) for row in rows).encode())
    source = ReplaySource([str(file), str(file)])
    assert list(source.ticks(CountedStop(looks))) == []
    assert source.expected is None
    assert list(temporary_root.iterdir()) == []


def test_a_stop_ends_the_sending(tmp_path: Path, temporary_root: Path) -> None:
    """No tick comes after it."""
    file = write_csv(tmp_path / "a.csv", [("2019-02-11T14:31:00Z", "A", row + 1) for row in range(5000)])
    stop, count = Event(), 0
    for tick in ReplaySource([str(file)]).ticks(stop):
        count += len(tick)
        if count == 1000:
            stop.set()
    assert count == 1000
    assert list(temporary_root.iterdir()) == []


def test_the_temporary_folder_never_stays(tmp_path: Path, temporary_root: Path) -> None:
    """It exists while it is needed, only its owner can read it, and it is removed after any end."""
    file = write_csv(tmp_path / "a.csv", [("2019-02-11T14:31:00Z", "A", row + 1) for row in range(2000)])
    bad = write(tmp_path / "b.csv", b"x,y\n")

    with ReplaySource([str(file)]) as source:
        source.prepare()
        (folder,) = temporary_root.iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        source.prepare()
        assert list(temporary_root.iterdir()) == [folder]
    assert list(temporary_root.iterdir()) == []

    ticks = source.ticks(Event())
    next(ticks)
    assert len(list(temporary_root.iterdir())) == 1
    ticks.close()  # type: ignore[attr-defined]
    assert list(temporary_root.iterdir()) == []

    for attempt in (source.prepare, ReplaySource([str(file), str(bad)]).prepare):
        try:
            attempt()
        except StockctlError:
            source.close()
        source.close()
        assert list(temporary_root.iterdir()) == []


def test_without_room_for_the_copy_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder that cannot be created gives a clear message."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(SourceError) as failure:
        replayed(write(tmp_path / "a.csv", _GOOD))
    assert "cannot be copied to the temporary folder: No such file" in failure.value.message
    assert "TMPDIR" in str(failure.value.hint)
