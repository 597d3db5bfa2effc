"""Timestamps in files."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from stockctl.errors import UsageError
from stockctl.sources.replay.source import ReplaySource
from support.replay_files import quotes_of, replayed, write_csv

_FORMS = {
    "2008-10-06T20:00:00.000Z": "2008-10-06T20:00:00.000Z",
    "2008-10-06T20:00:00Z": "2008-10-06T20:00:00.000Z",
    "2008-10-06 20:00Z": "2008-10-06T20:00:00.000Z",
    "2008-10-06t20:00:00z": "2008-10-06T20:00:00.000Z",
    "2008-10-06T20:00:00.5Z": "2008-10-06T20:00:00.500Z",
    "2008-10-06T20:00:00.9999Z": "2008-10-06T20:00:00.999Z",
    "2008-10-06T20:00:00.999999999Z": "2008-10-06T20:00:00.999Z",
    "2008-10-06 16:00:00-04:00": "2008-10-06T20:00:00.000Z",
    "2008-10-06 16:00:00 -0400": "2008-10-06T20:00:00.000Z",
    "2008-10-06T22:00+02": "2008-10-06T20:00:00.000Z",
    "2008-10-07T01:30:00.25+05:30": "2008-10-06T20:00:00.250Z",
    "2008-10-06 16:00:00": "2008-10-06T20:00:00.000Z",
    "2008-10-06T16:00:00.123456": "2008-10-06T20:00:00.123Z",
    "2008-10-06T16:00": "2008-10-06T20:00:00.000Z",
    " 2008-10-06 ": "2008-10-06T20:00:00.000Z",
    "2008-12-06": "2008-12-06T21:00:00.000Z",
    "2008-12-06 00:00:00": "2008-12-06T05:00:00.000Z",
    "9999-12-31": "9999-12-31T21:00:00.000Z",
    "9999-12-31T18:59:59.999": "9999-12-31T23:59:59.999Z",
}
_CLOCK_CHANGES = {
    "2019-03-10 01:59:59": "2019-03-10T06:59:59.000Z",
    "2019-03-10 02:30": "2019-03-10T07:30:00.000Z",
    "2019-03-10 03:00": "2019-03-10T07:00:00.000Z",
    "2019-03-10": "2019-03-10T20:00:00.000Z",
    "2019-03-09": "2019-03-09T21:00:00.000Z",
    "2019-11-03 00:59:59": "2019-11-03T04:59:59.000Z",
    "2019-11-03 01:30": "2019-11-03T05:30:00.000Z",
    "2019-11-03 02:00": "2019-11-03T07:00:00.000Z",
    "2019-11-03": "2019-11-03T21:00:00.000Z",
}
_NO_TIMES = {
    "now": "is not an ISO 8601 time such as 2008-10-06",
    "06/10/2008": "is not an ISO 8601 time",
    "2008/10/06": "is not an ISO 8601 time",
    "20081006": "is not an ISO 8601 time",
    "2008-10": "is not an ISO 8601 time",
    "2008-W41-1": "is not an ISO 8601 time",
    "2008-280": "is not an ISO 8601 time",
    "1223323200": "is not an ISO 8601 time",
    "1223323200.5": "is not an ISO 8601 time",
    "16:00": "is not an ISO 8601 time",
    "2008-10-06T16": "is not an ISO 8601 time",
    "2008-10-06x16:00": "is not an ISO 8601 time",
    "2008-10-06  16:00": "is not an ISO 8601 time",
    "2008-10-06T16:00:00 EST": "is not an ISO 8601 time",
    "2008-10-06T16:00:00[UTC]": "is not an ISO 8601 time",
    "2008-10-06T16:00:00.": "is not an ISO 8601 time",
    "2008-10-06T16:00:00Z+01": "is not an ISO 8601 time",
    "2008-10-6": "is not an ISO 8601 time",
    "-2008-10-06": "is not an ISO 8601 time",
    "２００８-10-06": "is not an ISO 8601 time",
    "2008-02-30": "is not in the calendar",
    "2009-02-29": "is not in the calendar",
    "0000-01-01": "is not in the calendar",
    "2008-13-01": "is not in the calendar",
    "2008-10-06T25:00Z": "is not in the calendar",
    "2008-10-06T16:00:60Z": "is not in the calendar",
    "2008-10-06T16:00+25:00": "is not in the calendar",
    "0001-01-01T00:00+01:00": "is outside the calendar",
    "9999-12-31T23:00-05:00": "is outside the calendar",
}


def _timestamps(tmp_path: Path, texts: Iterable[str], **options: str) -> dict[str, str]:
    """Return the timestamp of each text, from a file with all of them."""
    rows = [(text, f"T{number}", 1) for number, text in enumerate(texts)]
    quotes = quotes_of(write_csv(tmp_path / "a.csv", rows), **options)
    found = {quote.symbol: quote.timestamp for quote in quotes}
    return {text: found[symbol] for text, symbol, _ in rows}


def test_forms_of_a_time(tmp_path: Path) -> None:
    """ISO 8601 with or without zone; New York without; a bare date is 16:00; cut to milliseconds."""
    assert _timestamps(tmp_path, _FORMS) == _FORMS


@pytest.mark.parametrize(
    ("timezone", "text", "timestamp"),
    [
        ("UTC", "2008-10-06 16:00", "2008-10-06T16:00:00.000Z"),
        ("UTC", "2008-10-06", "2008-10-06T16:00:00.000Z"),
        ("Europe/Berlin", "2008-10-06", "2008-10-06T14:00:00.000Z"),
        ("Asia/Tokyo", "2008-10-06 09:00", "2008-10-06T00:00:00.000Z"),
        ("Asia/Tokyo", "2008-10-06 09:00Z", "2008-10-06T09:00:00.000Z"),
    ],
)
def test_naive_times_elsewhere(tmp_path: Path, timezone: str, text: str, timestamp: str) -> None:
    """The zone counts for times that have none."""
    assert _timestamps(tmp_path, [text], timezone=timezone) == {text: timestamp}


def test_the_days_when_clocks_change(tmp_path: Path) -> None:
    """A time that exists twice is the earlier one; one that does not exist uses the offset from before."""
    assert _timestamps(tmp_path, _CLOCK_CHANGES) == _CLOCK_CHANGES


def test_what_is_no_time_is_refused(tmp_path: Path) -> None:
    """With the time and a reason; the other rows arrive."""
    rows = [*((text, "A", 1) for text in _NO_TIMES), ("2008-10-06", "A", 1)]
    quotes, rejections = replayed(write_csv(tmp_path / "a.csv", rows))
    assert len(quotes) == 1
    for (text, reason), rejection in zip(_NO_TIMES.items(), rejections, strict=True):
        assert reason in rejection.reason
        assert ascii(text) in rejection.reason or "outside the calendar" in rejection.reason


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "EST5EDT6", "../UTC", "/etc/localtime", "America", "A\0B", "Zürich", " UTC"]
)
def test_an_unknown_time_zone_is_refused_by_name(name: str) -> None:
    """Before any file is opened."""
    with pytest.raises(UsageError) as failure:
        ReplaySource(["absent.csv"], timezone=name)
    assert failure.value.message == f"The time zone {name!a} is unknown."
    assert "America/New_York" in str(failure.value.hint)
