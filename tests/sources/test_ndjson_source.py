"""A feed of lines: quotes are yielded at once, invalid lines are rejected, and it can be stopped."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread

import pytest

from stockctl.errors import SourceError, UsageError
from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import Tick
from stockctl.sources.ndjson import NdjsonSource

NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)


def line(minute: int, symbol: str = "AAPL", **more: object) -> str:
    """Return a line of a feed."""
    return json.dumps({"timestamp": f"2026-01-05T15:{minute:02}:00Z", "symbol": symbol, "price": 1.5, **more})


def source_of(path: Path, *, follow: bool = False, **options: object) -> NdjsonSource:
    """Return a source with a constant clock."""
    return NdjsonSource(str(path), follow=follow, clock=lambda: NOW, **options)  # type: ignore[arg-type]


def items_of(source: NdjsonSource) -> list[Quote | Rejection]:
    """Return all items of a feed that ends."""
    return [item for tick in source.ticks(Event()) for item in tick]


class Reader:
    """Reads a feed in a thread, and lets a test wait for each tick."""

    def __init__(self, source: NdjsonSource) -> None:
        self.stop = Event()
        self._ticks: SimpleQueue[Tick] = SimpleQueue()
        self._thread = Thread(target=self._run, args=(source,), daemon=True)
        self._thread.start()

    def _run(self, source: NdjsonSource) -> None:
        for tick in source.ticks(self.stop):
            self._ticks.put(tick)

    def next(self) -> list[Quote | Rejection]:
        """Wait for the next tick."""
        return list(self._ticks.get(timeout=30))

    def end(self) -> None:
        """Stop it, and check that it ends."""
        self.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """An empty file."""
    path = tmp_path / "feed.ndjson"
    path.touch()
    return path


@pytest.fixture
def reader(feed: Path) -> Iterator[Reader]:
    """A reader that follows the file."""
    reader = Reader(source_of(feed, follow=True))
    yield reader
    reader.end()


def append(feed: Path, text: str) -> None:
    """Add to a feed, as another program does."""
    with feed.open("a") as file:
        file.write(text)


def test_a_line_is_a_quote_with_all_that_it_says(feed: Path) -> None:
    """All fields are used; source and observation time are added."""
    figures = {"previous_close": "1.25", "open": 1.3, "high": 1.6, "low": 1.2, "volume": 1200}
    feed.write_text(line(1, symbol="brk-b", **figures, source="elsewhere", extra=[1]) + "\n")
    assert items_of(source_of(feed)) == [
        Quote(
            "BRK-B", "2026-01-05T15:01:00.000Z", Decimal("1.5"), Decimal("1.25"), Decimal("1.3"),
            Decimal("1.6"), Decimal("1.2"), 1200, "ndjson", "2026-01-05T15:30:00.000Z",
        )
    ]  # fmt: skip


def test_unknown_is_not_guessed(feed: Path) -> None:
    """Missing fields are unknown, the previous close too."""
    feed.write_text(f"{line(1)}\n{line(2)}")
    (first, second) = items_of(source_of(feed))
    assert isinstance(first, Quote)
    assert first.previous_close is first.open is first.volume is None
    assert isinstance(second, Quote)
    assert second.previous_close is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{}", "symbol is missing"),
        ('{"symbol":"A"', "not JSON: Expecting ',' delimiter at character 14"),
        ("[1]", "not a JSON object"),
        (line(1).replace("1.5", "NaN"), "NaN is not a JSON number"),
        (line(1).replace("1.5", "-1"), "price -1 is not above zero"),
        (line(1).replace("1.5", "0"), "price 0 is not above zero"),
        (line(1).replace("1.5", "1e999999"), "price"),
        (line(61), "is not in the calendar"),
        (line(1, symbol="A/B"), "symbol"),
        ("x" * 70_000, "row is longer than 65536 characters"),
        ("x" * 700_000, "row is longer than 65536 characters"),
    ],
)
def test_a_bad_line_is_set_aside_with_its_reason(feed: Path, bad: str, reason: str) -> None:
    """The other lines are not affected, and the origin names feed and line."""
    feed.write_text(f"{line(1)}\n\n{bad}\n{line(2)}\n")
    before, rejection, behind = items_of(source_of(feed))
    assert isinstance(before, Quote)
    assert isinstance(behind, Quote)
    assert isinstance(rejection, Rejection)
    assert rejection.origin == "ndjson:feed.ndjson#3"
    assert reason in rejection.reason
    assert bad.encode().startswith(rejection.data)


def test_only_wanted_symbols_are_sent(feed: Path) -> None:
    """The others are skipped silently."""
    feed.write_text("\n".join(line(1, symbol) for symbol in ("AAPL", "MSFT", "IBM")))
    items = items_of(source_of(feed, symbols=["msft"]))
    assert [item.symbol for item in items if isinstance(item, Quote)] == ["MSFT"]
    assert len(items) == 1


def test_many_lines_come_in_ticks_of_a_bounded_size(feed: Path) -> None:
    """However much is read at once, a tick has at most 500 items, and nothing is lost."""
    feed.write_text("".join(f"{line(1, symbol=f'S{number}')}\n" for number in range(2_345)))
    ticks = list(source_of(feed).ticks(Event()))
    assert max(map(len, ticks)) == 500
    symbols = [item.symbol for tick in ticks for item in tick if isinstance(item, Quote)]
    assert symbols == [f"S{number}" for number in range(2_345)]


def test_a_growing_file_is_followed(feed: Path, reader: Reader) -> None:
    """Each line comes when it is complete, not before and not later."""
    append(feed, line(1) + "\n" + line(2)[:20])
    assert [item.timestamp[14:16] for item in reader.next() if isinstance(item, Quote)] == ["01"]
    append(feed, line(2)[20:] + "\n")
    assert [item.timestamp[14:16] for item in reader.next() if isinstance(item, Quote)] == ["02"]


def test_a_replaced_file_is_read_from_its_beginning(feed: Path, reader: Reader, tmp_path: Path) -> None:
    """After a rotation by rename the new file is read; an incomplete line of the old one is rejected."""
    append(feed, line(1) + "\n" + '{"symbol":')
    assert len(reader.next()) == 1
    new = tmp_path / "new"
    new.write_text(line(3) + "\n")
    os.replace(new, feed)
    (begun,) = reader.next()
    assert isinstance(begun, Rejection)
    (found,) = reader.next()
    assert isinstance(found, Quote)
    assert found.timestamp == "2026-01-05T15:03:00.000Z"


def test_a_cut_file_is_read_from_its_beginning(feed: Path, reader: Reader) -> None:
    """After a rotation by copy and truncation the new lines are read."""
    append(feed, line(1) + "\n" + line(2) + "\n")
    assert len(reader.next()) == 2
    feed.write_text(line(3) + "\n")
    assert [item.timestamp[14:16] for item in reader.next() if isinstance(item, Quote)] == ["03"]


def test_a_stop_while_nothing_comes_ends_it(feed: Path) -> None:
    """A silent feed does not keep the program from exiting."""
    Reader(source_of(feed, follow=True)).end()


@pytest.mark.parametrize(("name", "words"), [("nothing", "No such file"), (".", "is not a regular file")])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, words: str) -> None:
    """At once, with the reason."""
    with pytest.raises(UsageError, match=words):
        NdjsonSource(str(tmp_path / name))


def test_a_file_that_vanishes_before_it_is_read_is_a_known_failure(feed: Path) -> None:
    """The reason is the system's."""
    source = source_of(feed)
    feed.unlink()
    with pytest.raises(SourceError, match=r"feed.ndjson cannot be read: No such file"):
        items_of(source)
