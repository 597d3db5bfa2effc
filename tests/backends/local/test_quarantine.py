"""Records that could not be read, kept as files a person can look at."""

import hashlib
import json
from pathlib import Path

import pytest

from stockctl.backends.local.archive import FileQuarantine
from stockctl.backends.local.home import Home
from stockctl.errors import HomeError
from stockctl.pipeline.ports import Record, Rejection
from support.local_home import open_stream, partial_files, quarantined
from support.malformed_records import good_record, malformed_records


def test_a_rejection_is_one_file_with_origin_reason_and_bytes(tmp_path: Path):
    """The file is JSON, named by the SHA-256 of origin and bytes."""
    FileQuarantine(Home(tmp_path)).put([Rejection(b"\x00\xff{", "quotes.csv, record 7", "not UTF-8 text")])
    (file,) = (tmp_path / "quarantine").iterdir()
    assert file.stem == hashlib.sha256(b"quotes.csv, record 7\0\x00\xff{").hexdigest()
    assert json.loads(file.read_text("ascii")) == {
        "origin": "quotes.csv, record 7",
        "reason": "not UTF-8 text",
        "bytes": "AP97",
    }


def test_a_second_delivery_counts_once(tmp_path: Path):
    """The same bytes from the same place are one record; from another place, or other bytes, they are not."""
    quarantine = FileQuarantine(Home(tmp_path))
    first = Rejection(b"x", "a", "first reason")
    quarantine.put([first, first, Rejection(b"x", "b", "other place"), Rejection(b"y", "a", "other bytes")])
    FileQuarantine(Home(tmp_path)).put([Rejection(b"x", "a", "second reason")])
    reasons = sorted(item["reason"] for item in quarantined(tmp_path))
    assert reasons == ["first reason", "other bytes", "other place"]
    assert Home(tmp_path).rejections() == 3
    assert partial_files(tmp_path) == []


@pytest.mark.parametrize("origin", ["", "ü.csv", "caf\udce9.csv, record 1", "a\nb\x1b[31m", "x" * 10_000])
def test_any_origin_can_be_kept(tmp_path: Path, origin: str):
    """File names of any bytes and any length, as the system hands them over, stop nothing."""
    FileQuarantine(Home(tmp_path)).put([Rejection(b"x", origin, "reason")])
    assert [item["origin"] for item in quarantined(tmp_path)] == [origin]


def test_hundreds_of_malformed_records_among_good_ones(tmp_path: Path):
    """Each is put aside with its reason and bytes; the good ones between them are all stored."""
    bad = malformed_records()
    batch = []
    for number, (data, _) in enumerate(bad):
        batch.append(Record(data, f"stream, record {number}"))
        if number % 5 == 0:
            time = f'"2019-02-11T{number // 60:02}:{number % 60:02}:00.000Z"'
            batch.append(Record(good_record(timestamp=time), f"good {number}"))
    with open_stream(tmp_path) as stream:
        receipt = stream.send(batch)
    assert (receipt.stored, receipt.quarantined) == (len(batch) - len(bad), len(bad))
    kept = {item["data"]: item for item in quarantined(tmp_path)}
    assert len(kept) == len(bad) >= 500
    assert [data for data, reason in bad if reason not in kept[data]["reason"]] == []
    origins = [kept[data]["origin"] for data, _ in bad]
    assert origins == [f"stream, record {number}" for number in range(len(bad))]


def test_a_quarantine_that_cannot_be_written_is_a_known_failure(tmp_path: Path):
    """A file where the folder should be stops the batch with a reason; nothing is dropped silently."""
    with open_stream(tmp_path) as stream:
        (tmp_path / "quarantine").write_text("in the way")
        for attempt in (
            lambda: stream.send([Record(b"x", "a")]),
            lambda: stream.refuse([Rejection(b"x", "a", "reason")]),
        ):
            with pytest.raises(HomeError, match=r"cannot be written: File exists \(.*quarantine\)"):
                attempt()
