"""From a source to a stream that fails: every quote, in order, before both backends."""

import os
import sqlite3
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

import pytest

import stockctl.backends.local.database as database_module
from stockctl.errors import StockctlError
from stockctl.market.quote import encode_quote
from stockctl.pipeline.ports import DeliveryError, Rejection, SendResult, Stream
from stockctl.producer import shutdown
from stockctl.producer.batching import BATCH_RECORDS
from stockctl.producer.outbox.queue import open_outbox
from stockctl.producer.producer import BufferedProducer, DirectProducer
from stockctl.sources.base import Tick
from stockctl.sources.ndjson import TICK_ITEMS, NdjsonSource
from support.aws.kinesis_server import NullKinesis, Script, journal, kinesis_null, unpacked
from support.local_home import open_stream, quarantined, raw_files, stored_rows
from support.producer_inputs import SECONDS, Feed, Kept, Lines, kinesis_stream, quote, ticks_of

pytestmark = pytest.mark.slow

LARGE = 1 << 30


class Place:
    """A backend that can be made to fail, and looked into."""

    opens: Callable[[], AbstractContextManager[Stream]]
    lasting: str
    """What the message of a fault that does not pass says."""

    def arrived(self) -> dict[str, list[bytes]]:
        """Return what arrived: data by symbol, in order."""
        raise NotImplementedError

    def fail(self) -> None:
        """Take nothing from now on; it passes."""
        raise NotImplementedError

    def recover(self) -> None:
        """Take everything again."""
        raise NotImplementedError

    def break_for_good(self) -> None:
        """Refuse everything for a reason that does not pass."""
        raise NotImplementedError

    def refused(self) -> list[bytes]:
        """Return what is in quarantine."""
        raise NotImplementedError


class OnKinesis(Place):
    """A stand-in on the loopback that goes away and comes back.

    An answer is waited for as long as a busy machine may take, unless ``read_timeout`` tells otherwise: a
    call that is given up is sent again.
    """

    lasting = "does not exist"

    def __init__(
        self, folder: Path, server: NullKinesis, *, aggregate: bool = False, read_timeout: float = SECONDS
    ) -> None:
        self._journal = folder / "journal"
        self._server = server
        self._kept = Kept()
        self.opens = lambda: nullcontext(
            kinesis_stream(server.url, quarantine=self._kept, read_timeout=read_timeout, aggregate=aggregate)
        )

    def arrived(self) -> dict[str, list[bytes]]:
        found = defaultdict(list)
        for key, data in journal(self._journal):
            found[key].append(data)
        return found

    def fail(self) -> None:
        self._server.stop()

    def recover(self) -> None:
        self._server.start()

    def break_for_good(self) -> None:
        self._server.stop()
        self._server.start(refuses="ResourceNotFoundException")

    def refused(self) -> list[bytes]:
        return [rejection.data for rejection in self._kept.rejections]


class Embedded(Place):
    """A home whose database another process's connection locks."""

    lasting = "cannot be written|torn down"

    def __init__(self, folder: Path) -> None:
        self._root = folder / "home"
        with open_stream(self._root):
            pass
        self._other: sqlite3.Connection | None = None
        self.opens = lambda: open_stream(self._root)

    def arrived(self) -> dict[str, list[bytes]]:
        found = defaultdict(list)
        files = raw_files(self._root)
        for row in stored_rows(self._root):
            found[row["symbol"]].append(files[row["symbol"], row["timestamp"]])
        return found

    def fail(self) -> None:
        self._other = sqlite3.connect(
            self._root / "stockctl.db", isolation_level=None, check_same_thread=False
        )
        self._other.execute("BEGIN IMMEDIATE")

    def recover(self) -> None:
        assert self._other is not None
        self._other.execute("ROLLBACK")
        self._other.close()

    def break_for_good(self) -> None:
        with closing(sqlite3.connect(self._root / "stockctl.db")) as connection:
            connection.execute("PRAGMA user_version = -1")

    def refused(self) -> list[bytes]:
        return [item["data"] for item in quarantined(self._root)]


@pytest.fixture(params=["kinesis", "embedded"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Each backend in turn."""
    if request.param == "embedded":
        monkeypatch.setattr(database_module, "_BUSY_SECONDS", 0.05)
        yield Embedded(tmp_path)
        return
    with kinesis_null(Script(journal=str(tmp_path / "journal"))) as server:
        yield OnKinesis(tmp_path, server)


def expected(symbols: int, ticks: int, first: int = 0) -> dict[str, list[bytes]]:
    """Return the data of a feed by symbol, in order."""
    found = defaultdict(list)
    for tick in ticks_of(symbols, ticks, first):
        for each in tick:
            found[each.symbol].append(encode_quote(each))
    return found


@contextmanager
def running(producer: BufferedProducer | DirectProducer) -> Iterator[tuple[Event, dict[str, Any]]]:
    """Run a producer in a thread; give its stop, and a dictionary for what it ends with."""
    stop, end = Event(), {}

    def run() -> None:
        try:
            end["totals"] = producer.run(stop)
        except StockctlError as error:
            end["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stop, end
    finally:
        thread.join(SECONDS)
        assert not thread.is_alive()


class Slow(Feed):
    """A feed that waits for a sign after some ticks."""

    def __init__(self, ticks: Iterator[Any], pause_after: int, sign: Event) -> None:
        super().__init__(ticks)
        self._pause_after = pause_after
        self._sign = sign

    def ticks(self, stop: Event) -> Iterator[Tick]:
        for number, tick in enumerate(super().ticks(stop)):
            if number == self._pause_after:
                assert self._sign.wait(SECONDS)
            yield tick


class Paused(Feed):
    """A feed that, at its end, waits for the wish to stop."""

    def __init__(self, ticks: Iterator[Any]) -> None:
        super().__init__(ticks)
        self.emptied = Event()
        """Set once all ticks are in the outbox."""

    def ticks(self, stop: Event) -> Iterator[Tick]:
        for tick in self._ticks:
            self.taken += 1
            yield tick
        self.emptied.set()
        stop.wait(SECONDS)


def test_everything_arrives_in_order(place: Place, tmp_path: Path):
    """Without faults each quote arrives once, the totals say so, and nothing waits."""
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        producer = BufferedProducer(Feed(ticks_of(40, 30)), place.opens, outbox)
        totals = producer.run(Event())
        snapshot = producer.snapshot()
    assert place.arrived() == expected(40, 30)
    assert (totals.sent, totals.retried, totals.possibly_duplicated) == (1200, 0, 0)
    assert (snapshot.waiting, snapshot.fault) == (0, None)
    assert snapshot.lag_p50 is not None
    assert snapshot.lag_p99 is not None
    assert 0 <= snapshot.lag_p50 <= snapshot.lag_p99 < SECONDS


def test_a_stream_that_goes_and_comes_delays_and_loses_nothing(place: Place, tmp_path: Path, lines: Lines):
    """While it is away quotes wait, which is said once; then all of them go out in order, which is said."""
    sign = Event()
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        producer = BufferedProducer(Slow(ticks_of(20, 60), 40, sign), place.opens, outbox)
        place.fail()
        with running(producer) as (_, end):
            waiting = lines.wait_for("Trying again until it works")
            assert producer.snapshot().fault is not None
            place.recover()
            lines.wait_for("Delivering again after")
            sign.set()
    assert "quotes wait" in waiting
    assert place.arrived() == expected(20, 60)
    assert end["totals"].sent == 1200
    assert sum("Trying again" in line for line in lines.text) == 1


@contextmanager
def away() -> Iterator[Stream]:
    """A stream that cannot be reached."""
    raise DeliveryError("It is away.", retryable=True)
    yield


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[BinaryIO]:
    """The end to write to of a pipe that is standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as text, os.fdopen(writing, "wb") as end:
        monkeypatch.setattr(sys, "stdin", text)
        yield end


def test_what_was_read_when_the_stop_came_is_kept(tmp_path: Path, stdin: BinaryIO, lines: Lines):
    """Of a block read from a pipe every line is in the outbox, and a line that was cut off, as unreadable."""
    count = 2 * TICK_ITEMS + 100
    text = "".join(f'{{"date":"2026-01-05","ticker":"A","close":{n}}}\n' for n in range(1, count + 1))
    stdin.write(text.encode() + b'{"date":')
    stdin.flush()
    with open_outbox(tmp_path / "o.db", limit=1) as outbox:
        producer = BufferedProducer(NdjsonSource("-"), away, outbox, grace=0)
        with running(producer) as (stop, _):
            lines.wait_for("is full")
            stop.set()
        assert (producer.backlog.quotes, producer.backlog.rejections) == (count, 1)


def test_what_can_never_be_put_is_counted(tmp_path: Path, lines: Lines):
    """An outbox that another process keeps locked to the end: the reason, and how many quotes are lost."""
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        producer = BufferedProducer(Feed(ticks_of(5, 3)), away, outbox, grace=0.1)
        with closing(sqlite3.connect(tmp_path / "o.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with running(producer) as (stop, end):
                lines.wait_for("is locked")
                stop.set()
            other.execute("ROLLBACK")
    assert "locked by another process" in end["error"].message
    assert "5 quotes that were read could not be stored: they are lost." in lines.text


class Endless(Feed):
    """A source that does not heed the wish to stop."""

    def ticks(self, stop: Event) -> Iterator[Tick]:
        yield from self._ticks


def test_a_source_that_does_not_end_is_left(tmp_path: Path, lines: Lines, monkeypatch: pytest.MonkeyPatch):
    """After a while what it still gives is not taken, which is said."""
    monkeypatch.setattr(shutdown, "LEAST_SECONDS", 0.05)
    stop = Event()
    stop.set()
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        BufferedProducer(Endless(ticks_of(1, 10**9)), away, outbox, grace=0).run(stop)
    assert lines.wait_for("does not stop")


@pytest.mark.parametrize("tick", [3 * BATCH_RECORDS])
def test_without_an_outbox_the_tick_in_hand_is_delivered(tmp_path: Path, tick: int):
    """A stop in the midst of a large tick loses nothing of it; with no time left, what remains is counted."""
    items = [quote(f"S{number}", 1) for number in range(tick)]
    for grace, arrives in ((30.0, tick), (0.0, BATCH_RECORDS)):
        stop = Event()
        with open_stream(tmp_path / f"home-{arrives}") as stream:
            producer = DirectProducer(
                Feed(iter([items])), stream, observe=lambda _, stop=stop: stop.set(), grace=grace
            )
            assert producer.run(stop).sent == arrives
        assert producer.backlog.quotes == tick - arrives


def test_a_fault_that_lasts_ends_the_run_and_loses_nothing(place: Place, tmp_path: Path):
    """The reason is the error of the run; every quote that was taken is in the outbox."""
    place.break_for_good()
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        source = Paused(ticks_of(5, 9))
        producer = BufferedProducer(source, place.opens, outbox)
        stop = Event()
        with pytest.raises(StockctlError, match=place.lasting):
            producer.run(stop)
        assert stop.is_set()
        assert producer.backlog.quotes == source.taken * 5 > 0


def test_what_waits_from_an_earlier_run_goes_first(place: Place, tmp_path: Path, lines: Lines):
    """Told to stop while the stream is away, a run leaves its quotes; the next one begins with them."""
    place.fail()
    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        source = Paused(ticks_of(7, 20))
        producer = BufferedProducer(source, place.opens, outbox, grace=0.2)
        with running(producer) as (stop, end):
            lines.wait_for("Trying again until it works")
            assert source.emptied.wait(SECONDS)
            stop.set()
        assert (end["totals"].sent, producer.backlog.quotes) == (0, 140)
    place.recover()
    with open_outbox(path, limit=LARGE) as outbox:
        producer = BufferedProducer(Feed(ticks_of(7, 40, 20)), place.opens, outbox)
        assert producer.run(Event()).sent == 280
    assert place.arrived() == expected(7, 40)
    assert any(line.startswith("140 quotes wait in the outbox from an earlier run") for line in lines.text)


def test_when_the_source_ends_a_stream_that_is_away_is_not_waited_for_long(place: Place, tmp_path: Path):
    """After the grace without any success the run ends; its quotes wait in the outbox."""
    place.fail()
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        producer = BufferedProducer(Feed(ticks_of(3, 5)), place.opens, outbox, grace=0.5)
        assert producer.run(Event()).sent == 0
        assert producer.backlog.quotes == 15
    place.recover()


def test_what_a_source_refuses_goes_the_same_way(place: Place, tmp_path: Path):
    """Rejections wait and are delivered as quotes are, and are counted apart."""
    tick: list[Any] = [quote("AAPL", 1), Rejection(b"?", "feed", "odd"), quote("MSFT", 1)]
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        producer = BufferedProducer(Feed(iter([tick])), place.opens, outbox)
        totals = producer.run(Event())
    assert (totals.sent, totals.refused, totals.quarantined) == (2, 1, 1)
    assert place.refused() == [b"?"]
    assert {key: len(data) for key, data in place.arrived().items()} == {"AAPL": 1, "MSFT": 1}


def test_the_limit_counts_quotes_that_are_taken(place: Place, tmp_path: Path):
    """Of ten ticks of three, seven quotes are taken and delivered."""
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        producer = BufferedProducer(Feed(ticks_of(3, 10)), place.opens, outbox, limit=7)
        assert producer.run(Event()).sent == 7
    assert sum(map(len, place.arrived().values())) == 7


def test_receipts_are_observed_after_they_are_settled(place: Place, tmp_path: Path):
    """An observer that fails ends the run, and what it was told of is not delivered again."""

    def observe(receipt: SendResult) -> None:
        raise BrokenPipeError

    path = tmp_path / "o.db"
    with open_outbox(path, limit=LARGE) as outbox:
        producer = BufferedProducer(Feed(iter([[quote("AAPL", 1)]])), place.opens, outbox, observe=observe)
        with pytest.raises(BrokenPipeError):
            producer.run(Event())
        assert outbox.backlog.quotes == 0


def test_a_source_that_can_be_run_again_waits_for_the_stream(place: Place, lines: Lines):
    """Without an outbox the source is held while the stream is away, and everything arrives in order."""
    with place.opens() as stream:
        pass
    place.fail()
    sent = []

    def run() -> None:
        with place.opens() as stream:
            sent.append(DirectProducer(Feed(ticks_of(20, 10)), stream).run(Event()).sent)

    thread = threading.Thread(target=run)
    thread.start()
    lines.wait_for("Trying again until it works")
    place.recover()
    thread.join(SECONDS)
    assert sent == [200]
    assert place.arrived() == expected(20, 10)
    assert isinstance(stream.batch_records, int)


FAULTS = {
    "one in ten records is refused": Script(failing=0.1, code="InternalFailure"),
    # Fewer at once than one call holds: however slowly the calls come, some of their records are refused.
    "throttled": Script(limit=2400, burst=50, shards=3),
    "calls time out": Script(silent=0.25, seed=5),
    "calls fail with 500": Script(broken=0.2),
    "all of it": Script(failing=0.1, code="InternalFailure", silent=0.1, broken=0.1, seed=3),
}


@pytest.mark.parametrize("aggregate", [False, True], ids=["single", "aggregated"])
@pytest.mark.parametrize("name", FAULTS)
def test_kinesis_may_fail_as_it_likes(tmp_path: Path, name: str, aggregate: bool):
    """Each quote arrives, in order within its symbol; more than once at most as often as is counted."""
    with kinesis_null(FAULTS[name]._replace(journal=str(tmp_path / "journal"))) as server:
        place = OnKinesis(tmp_path, server, aggregate=aggregate, read_timeout=0.3)
        with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
            producer = BufferedProducer(Feed(ticks_of(60, 20)), place.opens, outbox, grace=30)
            totals = producer.run(Event())
    found = defaultdict(list)
    for key, data in unpacked(tmp_path / "journal"):
        found[key].append(data)
    repeats = 0
    for symbol, data in expected(60, 20).items():
        firsts = list(dict.fromkeys(found[symbol]))
        assert firsts == data, symbol
        repeats += len(found[symbol]) - len(data)
    assert totals.sent == 1200
    assert repeats <= totals.possibly_duplicated <= totals.retried
    assert (totals.retried > 0) or aggregate
    assert (totals.throttled > 0) == (name == "throttled") or aggregate


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_home_that_cannot_be_written_ends_the_run(tmp_path: Path):
    """Permissions do not pass by themselves: the run ends, and the quotes wait."""
    place = Embedded(tmp_path)
    (tmp_path / "home" / "raw-data").chmod(0o500)
    with open_outbox(tmp_path / "o.db", limit=LARGE) as outbox:
        producer = BufferedProducer(Paused(ticks_of(3, 3)), place.opens, outbox)
        with pytest.raises(StockctlError, match="cannot be written"):
            producer.run(Event())
        assert producer.backlog.quotes > 0
