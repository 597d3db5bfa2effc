"""The outbox: order, restarts, its bound, its lock, and what is wrong with a file."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Condition
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.pipeline.ports import Record, Rejection
from stockctl.producer.batching import Batch
from stockctl.producer.outbox import fsync, store
from stockctl.producer.outbox.drops import read_drops
from stockctl.producer.outbox.encoding import pack, unpack_records, unpack_rejections
from stockctl.producer.outbox.errors import BusyError, OutboxError
from stockctl.producer.outbox.inspect import outbox_facts
from stockctl.producer.outbox.queue import FullPolicy, Outbox, open_outbox
from stockctl.producer.outbox.store import open_read_only
from support.producer_inputs import SECONDS, Lines, batch_of, quote
from support.quote_strategies import examples

LARGE = 1 << 30
TEXT = st.text(max_size=9) | st.just("\udcff")


def never() -> bool:
    return False


def always() -> bool:
    return True


def drained(outbox: Outbox, most: int = 500) -> list[bytes]:
    """Take and settle all there is."""
    data = []
    while pending := outbox.take(most, 0):
        data += [item.data for item in (*pending.batch.records, *pending.batch.rejections)]
        outbox.acknowledge(pending, ())
    return data


def put_all(outbox: Outbox, numbers: range, symbols: int = 1) -> list[bytes]:
    """Put one batch a number and return the data in order."""
    data = []
    for number in numbers:
        batch = batch_of(*(quote(f"S{symbol}", number) for symbol in range(symbols)))
        outbox.put(batch, never)
        data += [record.data for record in batch.records]
    return data


@examples(60)
@given(st.lists(st.tuples(st.binary(max_size=300), TEXT, TEXT), max_size=20))
def test_a_batch_survives_being_packed(items: list[tuple[bytes, str, str]]):
    """Bytes, origins and keys come back as they were, whatever is in them."""
    records = [Record(*item) for item in items]
    rejections = [Rejection(*item) for item in items]
    assert unpack_records(pack(records)) == records
    assert unpack_rejections(pack(rejections)) == rejections


@examples(60)
@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_a_batch_that_was_changed_is_noticed(data: bytes, place: int):
    """One byte that differs, or is missing, is an error and no quote."""
    blob = bytearray(pack([Record(data, "test", "AAPL")]))
    place %= len(blob)
    blob[place] ^= 1
    for bad in (bytes(blob), bytes(blob[:place])):
        with pytest.raises(ValueError, match="checksum of a batch"):
            unpack_records(bad)


@pytest.mark.parametrize("batches", [3, 300], ids=["from memory", "from disk"])
def test_what_is_put_comes_out_in_order(tmp_path: Path, batches: int):
    """Whether a batch is still in memory or has to be read, its turn is the same."""
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        data = put_all(outbox, range(batches), symbols=7)
        assert outbox.backlog.quotes == batches * 7
        assert drained(outbox) == data
        assert (outbox.backlog.quotes, outbox.take(1, 0)) == (0, None)


def test_small_batches_are_taken_together_and_large_ones_alone(tmp_path: Path):
    """A pending holds as many whole batches as fit; what was refused goes alone, in its place."""
    bad = Batch((), [Rejection(b"x", "feed", "no")], 0.0)
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        put_all(outbox, range(4), symbols=2)
        outbox.put(bad, never)
        put_all(outbox, range(4, 6), symbols=2)
        sizes = []
        while pending := outbox.take(5, 0):
            sizes.append((len(pending.batch.records), len(pending.batch.rejections)))
            outbox.acknowledge(pending, ())
    assert sizes == [(4, 0), (4, 0), (0, 1), (4, 0)]


def test_what_waits_outlives_the_outbox(tmp_path: Path):
    """What was taken and not settled, and what was never taken, is there again, in order."""
    path = tmp_path / "folder" / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        data = put_all(outbox, range(150), symbols=3)
        first = outbox.take(3, 0)
        second = outbox.take(3, 0)
        assert first is not None
        assert second is not None
        outbox.acknowledge(first, ())
    with open_outbox(path, limit=LARGE) as outbox:
        assert outbox.backlog.quotes == 447
        assert drained(outbox) == data[3:]


def test_of_a_batch_that_was_delivered_in_part_the_rest_remains(tmp_path: Path):
    """After a restart only what was not delivered comes, before all that is younger."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        data = put_all(outbox, range(4), symbols=5)
        pending = outbox.take(10, 0)
        assert pending is not None
        left = [pending.batch.records[place] for place in (2, 7, 9)]
        remains = outbox.acknowledge(pending, left)
        assert outbox.backlog.quotes == 13
        outbox.acknowledge(remains, left[1:])
    with open_outbox(path, limit=LARGE) as outbox:
        assert outbox.backlog.quotes == 12
        assert drained(outbox) == [left[1].data, left[2].data, *data[10:]]


def test_a_full_outbox_makes_the_source_wait(tmp_path: Path, lines: Lines):
    """With block nothing is lost: who puts waits until there is room, and it is said once."""
    with open_outbox(tmp_path / "o.db", limit=2000) as outbox:
        thread = threading.Thread(target=put_all, args=(outbox, range(100)))
        thread.start()
        assert "stream.outbox_full = block" in lines.wait_for("is full")
        taken = []
        while len(taken) < 100:
            pending = outbox.take(1, SECONDS)
            assert pending is not None
            assert outbox.backlog.quotes <= 14
            taken += [record.data for record in pending.batch.records]
            outbox.acknowledge(pending, ())
        thread.join()
    assert taken == [batch_of(quote("S0", number)).records[0].data for number in range(100)]


def test_a_tick_in_hand_at_the_end_is_stored_beyond_the_bound(tmp_path: Path):
    """Who is told to hurry does not wait, and loses nothing."""
    with open_outbox(tmp_path / "o.db", limit=1000) as outbox:
        for number in range(50):
            outbox.put(batch_of(quote("AAPL", number)), always)
        assert outbox.backlog.quotes == 50


def test_the_oldest_are_dropped_and_written_down(tmp_path: Path, lines: Lines):
    """With drop-oldest the newest remain, and a gap tells how many of which symbols and times are lost."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=10_000, full="drop-oldest") as outbox:
        data = put_all(outbox, range(100), symbols=7)
        kept = drained(outbox)
        assert kept == data[-len(kept) :]
        assert len(kept) % 7 == 0
        assert outbox.backlog.dropped == 700 - len(kept) > 0
    with open_read_only(path) as connection:
        (gap,) = read_drops(connection)
    last = 100 - len(kept) // 7 - 1
    assert gap == (
        "2026-01-05T14:00:00.000Z",
        quote("S0", last).timestamp,
        gap.quotes,
        7,
        "S0, S1, S2, S3, S4",
        0,
        "",
    )
    assert gap.quotes == 700 - len(kept)
    assert str(gap).startswith(
        f"{gap.quotes} quotes of S0, S1, S2, S3, S4, ... (2026-01-05T14:00:00.000Z to "
    )
    assert sum("drop-oldest" in line for line in lines.text) == 1


def test_what_is_under_way_is_not_dropped(tmp_path: Path):
    """A pending in the hands of the delivery stays until it is settled."""
    with open_outbox(tmp_path / "o.db", limit=3000, full="drop-oldest") as outbox:
        put_all(outbox, range(5))
        pending = outbox.take(2, 0)
        assert pending is not None
        put_all(outbox, range(5, 60))
        remains = outbox.acknowledge(pending, pending.batch.records[1:])
        outbox.acknowledge(remains, ())
        left = drained(outbox)
    assert left[-1] == batch_of(quote("S0", 59)).records[0].data
    assert pending.batch.records[0].data not in left


def test_what_could_not_be_read_is_counted_and_named_when_it_is_dropped(tmp_path: Path):
    """Rejections wait and are dropped like quotes, and neither goes without a figure."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=3000, full="drop-oldest") as outbox:
        for number in range(3):
            outbox.put(Batch((), [Rejection(b"?" * 900, f"feed:x#{number}", "odd")], 0.0), never)
        assert (outbox.backlog.quotes, outbox.backlog.rejections) == (0, 3)
        assert (
            dict(outbox_facts(path))["waiting"]
            == "0 quotes and 3 unreadable records, the oldest since 1970-01-01 00:00:00 UTC"
        )
        put_all(outbox, range(30))
        kept = len(drained(outbox))
        assert outbox.backlog.rejections == 0
        assert (outbox.backlog.dropped, outbox.backlog.dropped_rejections) == (30 - kept, 3)
    with open_read_only(path) as connection:
        (gap,) = read_drops(connection)
    assert (gap.quotes, gap.rejections, gap.origins) == (30 - kept, 3, "feed")
    assert str(gap).endswith("and 3 unreadable records of feed")


def test_a_gap_of_nothing_but_rejections_has_words(tmp_path: Path):
    """It names their source, and no quotes."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=3000, full="drop-oldest") as outbox:
        for number in range(8):
            outbox.put(Batch((), [Rejection(b"?" * 900, f"feed:x#{number}", "odd")], 0.0), never)
        left = outbox.backlog.rejections
    assert dict(outbox_facts(path))["dropped"] == f"{8 - left} unreadable records of feed"


class Clock:
    """The time by which a sync is due; it stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._changed = Condition()
        self._looks = 0

    def __call__(self) -> float:
        with self._changed:
            self._looks += 1
            self._changed.notify_all()
            return self.now

    def await_look(self) -> None:
        """Wait until whoever syncs has looked at what is there now, and done what follows from it."""
        with self._changed:
            enough = self._looks + 2  # the next look may have begun before
            assert self._changed.wait_for(lambda: self._looks >= enough, SECONDS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that is looked at every moment."""
    clock = Clock()
    monkeypatch.setattr(fsync, "INTERVAL", 0.001)
    for module in (fsync, store):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock


def test_good_times_cost_no_sync(tmp_path: Path, clock: Clock):
    """Batches that are settled soon are never forced onto the disk, though one always waits."""
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        for number in range(60):
            outbox.put(batch_of(quote("AAPL", number)), never)
            if number:
                pending = outbox.take(1, 0)
                assert pending is not None
                outbox.acknowledge(pending, ())
            clock.await_look()
            clock.now += fsync.AGE * 0.4
        assert (outbox.backlog.quotes, outbox.syncs) == (1, 0)


def test_what_waits_is_synced_within_a_second(tmp_path: Path, clock: Clock):
    """Quotes that wait are forced onto the disk soon, together, and then not again."""
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        for number in range(200):
            outbox.put(batch_of(quote("AAPL", number)), never)
        clock.await_look()
        assert outbox.syncs == 0
        clock.now += fsync.AGE
        assert outbox.wait_for_sync(SECONDS)
        assert outbox.syncs == 1


def test_the_pause_and_the_age_are_less_than_a_second():
    """Together they bound what a power cut takes."""
    assert fsync.INTERVAL + fsync.AGE < 1


def test_a_clock_that_was_set_back_keeps_nothing_off_the_disk(tmp_path: Path):
    """Quotes taken an hour ahead of the time of day are forced onto the disk like others."""
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        outbox.put(batch_of(quote("AAPL", 1), taken_at=time.time() + 3600), never)
        assert outbox.wait_for_sync(3.0)
        assert outbox.syncs == 1


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock of an outbox, as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("full", ["block", "drop-oldest"])
def test_an_outbox_that_is_locked_is_waited_for(tmp_path: Path, lines: Lines, full: FullPolicy):
    """Whether it has room or is to make some; that is said once, and nothing but what is dropped is lost."""
    with open_outbox(tmp_path / "o.db", limit=1000, full=full) as outbox:
        before = put_all(outbox, range(5)) if full == "drop-oldest" else []
        thread = threading.Thread(target=put_all, args=(outbox, range(5, 6)))
        with locked(tmp_path / "o.db"):
            thread.start()
            assert "is locked by another process. The source waits." in lines.wait_for("is locked")
        thread.join()
        dropped, found = outbox.backlog.dropped, drained(outbox)
    put = [*before, batch_of(quote("S0", 5)).records[0].data]
    assert found == put[dropped:]
    assert (dropped > 1) == (full == "drop-oldest")
    assert sum("is locked" in line for line in lines.text) == 1


def test_a_lock_is_waited_for_no_longer_than_there_is_time(tmp_path: Path):
    """Then it is an error, and nothing was put."""
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        with locked(tmp_path / "o.db"), pytest.raises(BusyError, match="locked by another process"):
            outbox.put(batch_of(quote("AAPL", 1)), never, always)
        assert (outbox.backlog.quotes, drained(outbox)) == (0, [])


def test_what_is_delivered_while_it_is_locked_is_noted_at_the_end(tmp_path: Path):
    """It is not sent again by the next run."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        data = put_all(outbox, range(3))
        pending = outbox.take(1, 0)
        assert pending is not None
        with locked(path):
            outbox.acknowledge(pending, ())
    with open_outbox(path, limit=LARGE) as outbox:
        assert drained(outbox) == data[1:]


def test_what_was_under_way_is_known_to_the_next_run(tmp_path: Path):
    """All of what was begun, and nothing else, may have arrived; it does not travel with what is new."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        put_all(outbox, range(9), symbols=2)
        pending = outbox.take(6, 0)
        assert pending is not None
        outbox.start(pending)
        assert outbox.backlog.possibly_sent == 6
    with open_outbox(path, limit=LARGE) as outbox:
        assert outbox.backlog.possibly_sent == 6
        small = outbox.take(2, 0)
        assert small is not None
        outbox.start(small)
    with open_outbox(path, limit=LARGE) as outbox:
        assert outbox.backlog.possibly_sent == 6
        found = []
        while pending := outbox.take(100, 0):
            outbox.start(pending)
            found.append((len(pending.batch.records), pending.possibly_sent))
            outbox.acknowledge(pending, ())
        assert found == [(6, True), (12, False)]
        assert outbox.backlog.possibly_sent == 0
    with open_outbox(path, limit=LARGE) as outbox:
        put_all(outbox, range(2))
        assert outbox.backlog.possibly_sent == 0


def test_what_came_back_for_certain_is_not_doubted(tmp_path: Path):
    """A stream that refused the rest of a pending has not taken it."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        put_all(outbox, range(4))
        pending = outbox.take(4, 0)
        assert pending is not None
        outbox.start(pending)
        rest = outbox.acknowledge(pending, pending.batch.records[2:])
        outbox.abort(rest)
        assert outbox.backlog.possibly_sent == 0
    with open_outbox(path, limit=LARGE) as outbox:
        assert (outbox.backlog.quotes, outbox.backlog.possibly_sent) == (2, 0)


@pytest.mark.slow
def test_the_disk_gets_its_room_back(tmp_path: Path):
    """When all that an outage made wait is delivered, the file is small again."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        for number in range(90):
            outbox.put(Batch([Record(os.urandom(1 << 20), "feed", f"S{number}")], (), 0.0), never)
        drained(outbox)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 4 << 20


HOLDER = """
import sys
from pathlib import Path
from stockctl.producer.outbox.queue import Outbox
outbox = Outbox(Path(sys.argv[1]), limit=1 << 20)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_producer_is_refused_with_the_first_ones_pid(tmp_path: Path):
    """One process uses an outbox; when it dies, in whatever way, the next one may."""
    path = tmp_path / "o.db"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    with child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(OutboxError, match=rf"is in use by process {child.pid}\.") as refused:
            Outbox(path, limit=LARGE)
        assert "stream.outbox" in (refused.value.hint or "")
        child.send_signal(signal.SIGKILL)
        child.wait()
    with open_outbox(path, limit=LARGE) as outbox:
        assert outbox.backlog.quotes == 0


def test_one_outbox_by_two_names_has_one_lock(tmp_path: Path):
    """A symbolic link leads to the same lock."""
    path, link = tmp_path / "store" / "o.db", tmp_path / "link.db"
    link.symlink_to(path)
    with open_outbox(link, limit=LARGE), pytest.raises(OutboxError, match="is in use by process"):
        Outbox(path, limit=LARGE)


def spoil_header(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def spoil_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(20_000))


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_header, "is damaged or is not an outbox"),
        (spoil_middle, "is damaged or is not an outbox"),
        (make_newer, "its format is 99, this one knows 3"),
        (make_foreign, "not an outbox of stockctl"),
        (make_folder, "cannot be written"),
    ],
)
def test_a_file_that_is_no_whole_outbox_is_refused_and_left_alone(tmp_path: Path, spoil, words: str):
    """Damaged, newer, somebody else's: a sentence, what to do, and not one byte changed."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        put_all(outbox, range(30), symbols=20)
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(OutboxError, match=words) as refused:
        Outbox(path, limit=LARGE)
    assert str(path) in refused.value.message
    assert refused.value.hint
    assert (path.read_bytes() if path.is_file() else b"") == before
    with pytest.raises(OutboxError, match=words):
        Outbox(path, limit=LARGE)


def test_a_batch_that_rotted_is_named_when_it_is_read(tmp_path: Path):
    """A row whose bytes changed without SQLite noticing is an error, no wrong quote."""
    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        put_all(outbox, range(3))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE batches SET body = zeroblob(length(body))")
        connection.commit()
    with (
        open_outbox(path, limit=LARGE) as outbox,
        pytest.raises(OutboxError, match="checksum of a batch"),
    ):
        outbox.take(1, 0)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    """A file in the way of the folder is a sentence."""
    (tmp_path / "way").write_text("")
    with pytest.raises(OutboxError, match=r"cannot be used: (File exists|Not a directory)"):
        Outbox(tmp_path / "way" / "o.db", limit=LARGE)


def test_a_process_that_died_while_making_it_leaves_nothing_in_the_way(tmp_path: Path):
    """The file appears whole or not at all."""
    (tmp_path / f".{os.getpid()}.partial").write_bytes(b"half")
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        assert put_all(outbox, range(2)) == drained(outbox)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.db", "o.db.lock"]


def test_a_copy_taken_while_it_works_is_whole(tmp_path: Path):
    """What a crash of the machine would leave, file and log as they are at some moment, opens again."""
    path, copy = tmp_path / "o.db", tmp_path / "copy"
    with open_outbox(path, limit=LARGE) as outbox:
        data = put_all(outbox, range(20), symbols=30)
        copy.mkdir()
        for name in ("o.db", "o.db-wal"):
            shutil.copy(tmp_path / name, copy / name)
    log = copy / "o.db-wal"
    log.write_bytes(log.read_bytes()[: log.stat().st_size * 2 // 3])
    with open_outbox(copy / "o.db", limit=LARGE) as outbox:
        found = drained(outbox)
    assert found == data[: len(found)]
    assert 0 < len(found) < len(data)
