"""Moments as text, and the New York day they belong to."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.errors import InvalidQuote
from stockctl.market.timestamp import (
    format_timestamp,
    new_york_date,
    object_name,
    parse_timestamp,
    to_datetime,
)
from support.quote_strategies import examples
from support.reference_figures import new_york_date as date_by_the_rules


@pytest.mark.parametrize(
    ("timestamp", "date"),
    [
        ("2008-10-07T20:00:00.000Z", "2008-10-07"),
        ("2019-07-02T03:59:59.999Z", "2019-07-01"),
        ("2019-07-02T04:00:00.000Z", "2019-07-02"),
        ("2019-12-02T04:59:59.999Z", "2019-12-01"),
        ("2019-12-02T05:00:00.000Z", "2019-12-02"),
        ("2019-01-01T04:59:59.999Z", "2018-12-31"),
        # Clocks go forward on the second Sunday of March 2019, back on the first Sunday of November.
        ("2019-03-10T04:59:59.999Z", "2019-03-09"),
        ("2019-03-10T05:00:00.000Z", "2019-03-10"),
        ("2019-03-11T03:59:59.999Z", "2019-03-10"),
        ("2019-03-11T04:00:00.000Z", "2019-03-11"),
        ("2019-11-03T03:59:59.999Z", "2019-11-02"),
        ("2019-11-03T04:00:00.000Z", "2019-11-03"),
        ("2019-11-04T04:59:59.999Z", "2019-11-03"),
        ("2019-11-04T05:00:00.000Z", "2019-11-04"),
        # Until 2006 summer time began in April and ended in October.
        ("2005-03-20T04:30:00.000Z", "2005-03-19"),
        ("2005-11-01T04:30:00.000Z", "2005-10-31"),
        ("2000-02-29T12:00:00.000Z", "2000-02-29"),
        ("0001-01-01T00:00:00.000Z", "0001-01-01"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31"),
    ],
)
def test_day_in_new_york(timestamp: str, date: str):
    """A moment belongs to the New York day that its wall clock showed, summer time and midnight included."""
    assert new_york_date(timestamp) == date


@given(st.datetimes(datetime(1987, 1, 1), datetime(2037, 12, 31)))  # noqa: DTZ001
@examples(150)
def test_day_in_new_york_follows_the_law(moment: datetime):
    """The day equals the one from the rules of daylight saving time, written out without a time zone file."""
    timestamp = moment.isoformat(timespec="milliseconds") + "Z"
    assert new_york_date(timestamp) == date_by_the_rules(timestamp)


@given(st.datetimes(timezones=st.timezones()))
@examples(100)
def test_written_moments_are_read_back(moment: datetime):
    """A moment in any time zone is written in UTC, cut to milliseconds, in a form that is taken back."""
    try:
        text = format_timestamp(moment)
    except InvalidQuote:
        return
    assert parse_timestamp(text) == text
    assert timedelta() <= moment - to_datetime(text) < timedelta(milliseconds=1)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
@examples(60)
def test_text_order_is_time_order(one: datetime, other: datetime):
    """Moments sort as text the way they sort as times."""
    ordered = sorted([one, other])
    assert sorted(map(format_timestamp, [one, other])) == list(map(format_timestamp, ordered))


def test_milliseconds_are_cut_and_not_rounded():
    """The last microsecond of a day stays in that day."""
    assert format_timestamp(datetime(2019, 12, 31, 23, 59, 59, 999999, UTC)) == "2019-12-31T23:59:59.999Z"


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_moments_outside_the_calendar_are_refused(moment: datetime):
    """A moment that UTC cannot express is refused with a reason."""
    with pytest.raises(InvalidQuote, match="is outside the calendar"):
        format_timestamp(moment)


@pytest.mark.parametrize(
    "text", ["2000-02-29T00:00:00.000Z", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"]
)
def test_edges_of_the_calendar_are_taken(text: str):
    """Leap days and the first and last moments of the calendar exist."""
    assert parse_timestamp(text) == text


def test_name_in_paths_has_no_colon_and_sorts_alike():
    """Colons, which some file systems refuse, become hyphens."""
    assert object_name("2008-10-06T20:00:00.000Z") == "2008-10-06T20-00-00.000Z"
