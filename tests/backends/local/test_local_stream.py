"""The embedded stream: receipts, failures half-way, and who is told of an alert."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stockctl.errors import HomeError
from stockctl.market.alert import sample_alert
from stockctl.market.rules import AnalysisRules
from stockctl.pipeline.ports import Record, Rejection, SendResult
from support.local_home import (
    NOW,
    alert_rows,
    feed,
    open_stream,
    partial_files,
    quarantined,
    raw_files,
    records,
    stored_rows,
)
from support.reference_figures import book_of


def quote(minute: int, price: str, close: str | None = "100", symbol: str = "AAPL") -> dict[str, object]:
    """Return a quote of one session."""
    return {
        "symbol": symbol,
        "timestamp": f"2019-02-11T15:{minute:02}:00.000Z",
        "price": price,
        "previous_close": close,
        "source": "replay",
    }


def test_a_receipt_counts_what_became_of_a_batch(tmp_path: Path):
    """Sent is everything; stored, repeated and quarantined add up to it; alerts are those new to the log."""
    batch = [*records([quote(1, "106"), quote(1, "106"), quote(2, "100")]), Record(b"?", "test")]
    with open_stream(tmp_path) as stream:
        first, second = stream.send(batch), stream.send(batch)
    assert first[:4] == (4, 2, 1, 1)
    assert [alert.alert_id for alert in first.alerts] == ["AAPL|anomaly|up|2019-02-11"]
    assert second == SendResult(4, 0, 3, 1, ())


def test_an_empty_batch_does_nothing(tmp_path: Path):
    """Nothing sent, nothing stored."""
    with open_stream(tmp_path) as stream:
        assert stream.send([])[:4] == (0, 0, 0, 0)
        stream.refuse([])
    assert (stored_rows(tmp_path), quarantined(tmp_path)) == ([], [])


def test_what_a_source_could_not_read_is_quarantined(tmp_path: Path):
    """A source's rejections are kept beside those of the stage."""
    with open_stream(tmp_path) as stream:
        stream.refuse([Rejection(b"a,b", "quotes.csv, record 2", "price 'b' is not a number")])
    assert quarantined(tmp_path) == [
        {"origin": "quotes.csv, record 2", "reason": "price 'b' is not a number", "data": b"a,b"}
    ]


def test_a_late_anomaly_on_a_day_that_was_alerted_raises_no_second_alert(tmp_path: Path):
    """The late quote is the first of its day in time and is flagged; the log keeps the one alert it has."""
    early, late = quote(1, "106"), quote(9, "107")
    with open_stream(tmp_path) as stream:
        assert len(stream.send(records([late])).alerts) == 1
        assert stream.send(records([early])).alerts == []
    assert [row["anomaly_alert"] for row in stored_rows(tmp_path)] == [True, True]
    assert [row["timestamp"] for row in alert_rows(tmp_path)] == [late["timestamp"]]


def test_late_quotes_leave_later_ones_as_they_were(tmp_path: Path):
    """A late quote counts what precedes it; a stored later one keeps its figures; the next counts both."""
    rules = AnalysisRules(1, 2)
    feed(tmp_path, [[quote(1, "1"), quote(5, "3")], [quote(3, "2")], [quote(7, "4")]], rules)
    rows = stored_rows(tmp_path)
    assert [row["sma_long"] for row in rows] == [None, 1.5, 2, 3.5]
    assert [row["price"] for row in rows] == [1, 2, 3, 4]


def test_equal_moments_of_different_symbols_are_different_quotes(tmp_path: Path):
    """The key is symbol and time."""
    both = [quote(1, "1"), quote(1, "2", symbol="MSFT")]
    feed(tmp_path, [both])
    assert stored_rows(tmp_path) == book_of(both).stored()


@pytest.mark.parametrize(
    ("age", "max_age", "reason"),
    [
        (timedelta(minutes=59), timedelta(hours=1), None),
        (timedelta(hours=1), timedelta(hours=1), "its quote is older than 1h"),
        (timedelta(days=4000), timedelta(hours=1), "its quote is older than 1h"),
        (timedelta(minutes=90), timedelta(minutes=90), "its quote is older than 90m"),
        (timedelta(days=3), timedelta(days=2), "its quote is older than 2d"),
        (timedelta(minutes=5), timedelta(seconds=30), "its quote is older than 30s"),
        (timedelta(days=4000), None, None),
        (timedelta(minutes=-5), timedelta(hours=1), None),
    ],
)
def test_old_quotes_alert_nobody(
    tmp_path: Path, age: timedelta, max_age: timedelta | None, reason: str | None
):
    """An alert is logged always, and published only when its quote is young enough; else it says why."""
    now = datetime(2019, 2, 11, 15, 1, tzinfo=UTC) + age
    with open_stream(tmp_path, max_age=max_age, now=now) as stream:
        stream.send(records([quote(1, "106")]))
    (row,) = alert_rows(tmp_path)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert row["created_at"] == stamp
    assert (row["published_at"], row["not_published"]) == (None if reason else stamp, reason)


def test_a_raised_alert_is_logged_once(tmp_path: Path):
    """An alert that no quote raised goes the same way."""
    alert = sample_alert("2026-01-05T15:00:00.000Z")
    with open_stream(tmp_path, now=NOW) as stream:
        stream.raise_alert(alert)
        stream.raise_alert(alert)
    (row,) = alert_rows(tmp_path)
    assert (row["message"], row["published_at"]) == (alert.message, "2026-01-05T15:00:00.000Z")


@contextmanager
def files_cut_at(size: int) -> Iterator[None]:
    """Let the system refuse to make any file larger than ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_half_a_file_fails_with_a_reason(tmp_path: Path):
    """A raw file that cannot be written whole is not stored at all, and goes through when there is room."""
    root = tmp_path / "home"
    batch = [quote(1, "101"), quote(2, "102")]
    with open_stream(root) as stream:
        stream.send(records(batch[:1]))
        with files_cut_at(20), pytest.raises(HomeError) as refused:
            stream.send(records(batch))
        assert refused.value.message == f"The data folder {root} cannot be written: File too large ({root})."
        assert len(stored_rows(root)) == len(raw_files(root)) == 1
        assert partial_files(root) == []
        assert stream.send(records(batch)).stored == 1
    assert stored_rows(root) == book_of(batch).stored()
    assert sorted(raw_files(root)) == [("AAPL", item["timestamp"]) for item in batch]
