"""Market hours, compared with a table written by hand from what the exchanges publish."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from subprocess import run
from sys import executable
from zoneinfo import ZoneInfo

import pytest

from stockctl.sources.calendars import FOREVER, MarketHours, Session, Timetable, calendar_of, read_timetable

pytestmark = pytest.mark.slow

NEW_YORK, LONDON, TOKYO = (
    ZoneInfo(f"{place}") for place in ("America/New_York", "Europe/London", "Asia/Tokyo")
)

# Day: open and close in local time, or None for a day without a session.
NYSE = {
    "2026-03-06": ("09:30", "16:00"),  # the Friday before clocks go forward in New York
    "2026-03-08": None,
    "2026-03-09": ("09:30", "16:00"),
    "2026-04-02": ("09:30", "16:00"),
    "2026-04-03": None,  # Good Friday
    "2026-06-19": None,  # Juneteenth
    "2026-07-03": None,  # Independence Day, observed
    "2026-10-30": ("09:30", "16:00"),  # the Friday before clocks go back
    "2026-11-02": ("09:30", "16:00"),
    "2026-11-25": ("09:30", "16:00"),
    "2026-11-26": None,  # Thanksgiving
    "2026-11-27": ("09:30", "13:00"),
    "2026-11-28": None,
    "2026-11-29": None,
    "2026-12-24": ("09:30", "13:00"),
    "2026-12-25": None,
    "2026-12-31": ("09:30", "16:00"),
    "2027-01-01": None,
    "2027-01-04": ("09:30", "16:00"),
}
LSE = {
    "2026-03-27": ("08:00", "16:30"),  # the Friday before clocks go forward in London
    "2026-03-30": ("08:00", "16:30"),
    "2026-04-03": None,  # Good Friday
    "2026-04-06": None,  # Easter Monday
    "2026-08-31": None,  # Summer bank holiday
    "2026-10-23": ("08:00", "16:30"),
    "2026-10-26": ("08:00", "16:30"),
    "2026-11-26": ("08:00", "16:30"),  # Thanksgiving is none there
    "2026-12-24": ("08:00", "12:30"),
    "2026-12-25": None,
    "2026-12-28": None,  # Boxing Day, moved from Saturday
    "2026-12-31": ("08:00", "12:30"),
    "2027-01-01": None,
}
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def hours() -> MarketHours:
    """All hours."""
    return MarketHours()


def local(day: str, time: str, zone: ZoneInfo) -> datetime:
    """Return a moment of a day in a zone, as UTC."""
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("symbol", "zone", "day", "times"),
    [("AAPL", NEW_YORK, *row) for row in NYSE.items()] + [("VOD.L", LONDON, *row) for row in LSE.items()],
)
def test_sessions_are_as_the_exchange_publishes_them(
    hours: MarketHours, symbol: str, zone: ZoneInfo, day: str, times: tuple[str, str] | None
) -> None:
    """Holidays, half days, weekends, and the days on which clocks change here and not there."""
    if times is None:
        begin = local(day, "00:00", zone)
        assert not any(hours.is_open(symbol, begin + minutes * MINUTE) for minutes in range(0, 24 * 60, 15))
        return
    opens, closes = (local(day, time, zone) for time in times)
    found = [
        hours.is_open(symbol, at) for at in (opens - MINUTE, opens, closes - MINUTE, closes, closes + MINUTE)
    ]
    assert found == [False, True, True, False, False]
    assert hours.session_end([symbol], opens) == closes
    assert hours.next_open([symbol], opens - MINUTE) == opens


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-25T16:00", "2026-11-27T09:30"),  # over Thanksgiving
        ("2026-11-27T13:00", "2026-11-30T09:30"),  # from the half day over the weekend
        ("2026-03-06T16:00", "2026-03-09T09:30"),  # an hour less than usual
        ("2026-10-30T16:00", "2026-11-02T09:30"),  # an hour more
        ("2026-12-31T16:00", "2027-01-04T09:30"),
    ],
)
def test_the_next_open_skips_holidays_and_weekends(hours: MarketHours, at: str, opens: str) -> None:
    """In local time the market opens at half past nine, also after a clock change."""
    moment = datetime.fromisoformat(at).replace(tzinfo=NEW_YORK)
    expected = datetime.fromisoformat(opens).replace(tzinfo=NEW_YORK)
    assert hours.next_open(["AAPL"], moment) == expected
    assert hours.next_open(["AAPL"], moment).utcoffset() == timedelta(0)


def test_the_break_at_noon_is_closed_and_ends_no_session(hours: MarketHours) -> None:
    """In Tokyo there is no trading from 11:30 to 12:30."""
    day = "2026-11-24"
    assert [
        hours.is_open("7203.T", local(day, time, TOKYO)) for time in ("11:29", "11:30", "12:29", "12:30")
    ] == [
        True,
        False,
        False,
        True,
    ]
    assert hours.session_end(["7203.T"], local(day, "12:00", TOKYO)) == local(day, "15:30", TOKYO)


def test_many_symbols_are_open_while_one_is(hours: MarketHours) -> None:
    """London opens first and New York closes last, with an overlap between."""
    both, day = ["VOD.L", "AAPL"], "2026-11-24"
    assert hours.session_end(both, local(day, "09:00", LONDON)) == local(day, "16:00", NEW_YORK)
    assert hours.session_end(both, local(day, "07:59", LONDON)) is None
    assert hours.next_open(both, local(day, "16:00", NEW_YORK)) == local("2026-11-25", "08:00", LONDON)
    assert hours.any_open(both, local(day, "15:59", NEW_YORK))
    assert not hours.any_open(both, local(day, "16:00", NEW_YORK))


@pytest.mark.parametrize("symbol", ["BTC-USD", "ETH-EUR", "EURUSD=X", "JPY=X"])
def test_coins_and_currencies_are_always_open(hours: MarketHours, symbol: str) -> None:
    """On Christmas night, too; and so is any list with one of them."""
    christmas = datetime(2026, 12, 25, 3, tzinfo=UTC)
    assert hours.is_open(symbol, christmas)
    assert hours.session_end(["AAPL", symbol], christmas) == FOREVER


def test_what_nobody_knows_is_taken_for_open_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """An unknown suffix, index and exchange; no quote is missed because of it."""
    caplog.set_level(logging.INFO, "stockctl")
    hours = MarketHours()
    for _ in range(2):
        assert hours.is_open("ABC.QQ", datetime(2026, 12, 25, 3, tzinfo=UTC))
        assert hours.is_open("^NOBODY", datetime(2026, 12, 25, 3, tzinfo=UTC))
    assert [record.getMessage() for record in caplog.records] == [
        "The market hours of ABC.QQ are unknown; treating them as always open.",
        "The market hours of ^NOBODY are unknown; treating them as always open.",
    ]


def test_hours_that_end_are_open_after_that_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Some exchanges publish holidays for one year; a program that runs longer must not wait for ever."""
    caplog.set_level(logging.INFO, "stockctl")
    end = datetime(2027, 1, 1, tzinfo=UTC)
    opens = datetime(2026, 12, 31, 1, 30, tzinfo=UTC)
    last = Session(opens, opens + timedelta(hours=5))
    hours = MarketHours(lambda calendar, day: Timetable((last, Session(end, FOREVER)), date(2026, 12, 31)))
    assert hours.session_end(["600000.SS"], opens) == last.closes
    assert hours.next_open(["600000.SS"], last.closes) == end
    assert hours.session_end(["600000.SS"], end) == FOREVER
    assert [record.getMessage()[:57] for record in caplog.records] == [
        "The holidays of the exchange XSHG are known until 2026-12"
    ]


def test_an_exchange_the_library_stumbles_over_is_taken_for_open(caplog: pytest.LogCaptureFixture) -> None:
    """It is named, and the others are not affected."""
    hours = MarketHours(lambda calendar, day: None)
    assert hours.is_open("ALPHA.AT", datetime(2026, 12, 25, 3, tzinfo=UTC))
    assert "hours of the exchange ASEX are unknown" in caplog.text


def test_a_program_that_runs_for_months_reads_hours_again() -> None:
    """Sessions are read again when the day changes much, not at every call."""
    read: list[date] = []

    def note(calendar: str, day: date) -> Timetable:
        read.append(day)
        return Timetable(())

    hours = MarketHours(note)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for day in range(180):
        hours.is_open("AAPL", begin + timedelta(days=day))
        hours.is_open("MSFT", begin + timedelta(days=day))
    assert len(read) == 9


@pytest.mark.parametrize(
    ("symbol", "calendar"),
    [
        ("AAPL", "XNYS"), ("BRK-B", "XNYS"), ("BF-A", "XNYS"), ("^GSPC", "XNYS"), ("VOD.L", "XLON"),
        ("SAP.DE", "XETR"), ("RY.TO", "XTSE"), ("BAM-A.TO", "XTSE"), ("AIR.PA", "XPAR"), ("ASML.AS", "XAMS"),
        ("0700.HK", "XHKG"), ("7203.T", "XTKS"), ("BHP.AX", "XASX"), ("NESN.SW", "XSWX"), ("ENI.MI", "XMIL"),
        ("SAN.MC", "XMAD"), ("ES=F", "CMES"), ("^N225", "XTKS"), ("BTC-USD", "24/7"), ("EURUSD=X", "24/7"),
        ("ABC.QQ", None), ("^NOBODY", None),
    ],
)  # fmt: skip
def test_a_symbol_tells_its_exchange(symbol: str, calendar: str | None) -> None:
    """By its suffix in Yahoo's notation."""
    assert calendar_of(symbol) == calendar


def test_nothing_heavy_comes_before_the_first_question() -> None:
    """Importing hours, and asking about a coin, loads no calendar."""
    program = (
        "import sys; from datetime import datetime, UTC; from stockctl.sources.calendars import MarketHours;"
        "assert MarketHours().is_open('BTC-USD', datetime.now(UTC));"
        "assert not {'pandas', 'exchange_calendars', 'yfinance'} & set(sys.modules)"
    )
    assert run([executable, "-c", program], check=False).returncode == 0


def test_threads_that_read_at_once_hear_no_warning_of_pandas() -> None:
    """The filter of warnings belongs to the process: one thread must not end that of another."""
    days = [date(2026, 1, 5) + timedelta(days=number) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        timetables = list(pool.map(lambda day: read_timetable("XNYS", day), days))
    assert all(timetable is not None and timetable.sessions for timetable in timetables)
