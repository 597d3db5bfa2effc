"""What every raw archive and every quarantine promises.

A backend's test class derives from these and provides the fixtures that raise NotImplementedError.
"""

from collections.abc import Callable, Mapping, Sequence

import pytest

from stockctl.pipeline.ports import Archive, Quarantine, RawObject, Rejection

TIME = "2019-02-11T14:31:00.000Z"
Objects = Callable[[], Mapping[tuple[str, str], bytes]]
Rejections = Callable[[], Sequence[Rejection]]


class ArchiveContract:
    """One raw object for each quote, written once."""

    @pytest.fixture
    def archive(self) -> Archive:
        """An empty archive."""
        raise NotImplementedError

    @pytest.fixture
    def other_archive(self) -> Archive:
        """The same archive, opened a second time."""
        raise NotImplementedError

    @pytest.fixture
    def objects(self) -> Objects:
        """Read everything back: bytes by symbol and timestamp."""
        raise NotImplementedError

    def test_objects_are_kept_as_they_are(self, archive: Archive, objects: Objects):
        """Any bytes of any symbol and moment are there again, byte for byte."""
        bodies = {
            ("AAPL", TIME): b'{"symbol":"AAPL"}',
            ("AAPL", "9999-12-31T23:59:59.999Z"): bytes(range(256)),
            ("^VIX", TIME): b"\r\n",
            ("BRK-B", TIME): "ünïcode".encode(),
            ("EURUSD=X", "0001-01-01T00:00:00.000Z"): b"x" * 100_000,
        }
        archive.put([RawObject(*key, body) for key, body in bodies.items()])
        assert objects() == bodies

    def test_putting_nothing_writes_nothing(self, archive: Archive, objects: Objects):
        """An empty put is no error."""
        archive.put([])
        assert objects() == {}

    def test_the_first_one_stays(self, archive: Archive, other_archive: Archive, objects: Objects):
        """What is there is never overwritten, by whomever, and does not stop what stands beside it."""
        archive.put([RawObject("AAPL", TIME, b"first")])
        archive.put([RawObject("AAPL", TIME, b"second"), RawObject("MSFT", TIME, b"other")])
        other_archive.put([RawObject("AAPL", TIME, b""), RawObject("IBM", TIME, b"more")])
        assert objects() == {("AAPL", TIME): b"first", ("MSFT", TIME): b"other", ("IBM", TIME): b"more"}

    def test_a_batch_of_hundreds(self, archive: Archive, other_archive: Archive, objects: Objects):
        """A large batch is written whole, and the same batch again changes nothing."""
        batch = [
            RawObject(
                f"S{number % 7}", f"2019-02-11T{number // 60:02}:{number % 60:02}:00.000Z", b"%d" % number
            )
            for number in range(600)
        ]
        archive.put(batch[:400])
        other_archive.put(batch)
        assert objects() == {(symbol, timestamp): body for symbol, timestamp, body in batch}


class QuarantineContract:
    """Records that could not be read, each kept once."""

    @pytest.fixture
    def quarantine(self) -> Quarantine:
        """An empty quarantine."""
        raise NotImplementedError

    @pytest.fixture
    def other_quarantine(self) -> Quarantine:
        """The same quarantine, opened a second time."""
        raise NotImplementedError

    @pytest.fixture
    def rejections(self) -> Rejections:
        """Read everything back, in any order."""
        raise NotImplementedError

    def test_rejections_are_kept_as_they_are(self, quarantine: Quarantine, rejections: Rejections):
        """Bytes, origin and reason are there again."""
        kept = [
            Rejection(bytes(range(256)), "quotes.csv, record 7", "not UTF-8 text: byte 128 is 0x80"),
            Rejection(b"", "", "not JSON"),
            Rejection(b"x" * 100_000, "shard-0:4960", "not a JSON object but 'x'"),
            Rejection(b"{}", "café ☕.csv, record 1", "symbol is missing"),
        ]
        quarantine.put(kept)
        assert sorted(rejections()) == sorted(kept)

    def test_putting_nothing_keeps_nothing(self, quarantine: Quarantine, rejections: Rejections):
        """An empty put is no error."""
        quarantine.put([])
        assert list(rejections()) == []

    def test_a_second_delivery_counts_once(
        self, quarantine: Quarantine, other_quarantine: Quarantine, rejections: Rejections
    ):
        """Origin and bytes say which record it is; the first reason stays."""
        first = Rejection(b"x", "a", "reason")
        others = [Rejection(b"x", "b", "other origin"), Rejection(b"y", "a", "other bytes")]
        quarantine.put([first, first])
        other_quarantine.put([first._replace(reason="later"), *others])
        assert sorted(rejections()) == sorted([first, *others])

    def test_a_batch_of_hundreds(self, quarantine: Quarantine, rejections: Rejections):
        """Nothing of a large batch of bad records is lost."""
        kept = [Rejection(b"%d" % number, "file, record", "not JSON") for number in range(300)]
        quarantine.put(kept)
        assert sorted(rejections()) == sorted(kept)
