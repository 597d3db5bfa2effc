"""Durations, sizes and symbols as text."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from stockctl.formatting import (
    escape_line,
    format_age,
    format_bytes,
    format_seconds,
    join_symbols,
    parse_duration,
    parse_since,
)
from stockctl.market.timestamp import format_duration

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90s", 90), (" 10m ", 600), ("2h", 7200), ("3d", 259_200)]
)
def test_a_duration_is_parsed(text: str, seconds: int) -> None:
    """A whole number and a unit."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "1.5h", "-1s", "1 h", "1w"])
def test_an_invalid_duration_is_refused(text: str) -> None:
    """The message contains the text."""
    with pytest.raises(ValueError, match=repr(text)):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (5400, "90m"), (7200, "2h"), (86_400, "1d")]
)
def test_a_duration_is_formatted_exactly_and_can_be_parsed(seconds: int, text: str) -> None:
    """In the largest unit that divides it."""
    if seconds:
        assert format_duration(timedelta(seconds=seconds)) == text
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (59.9, "59s"), (3599, "59m"), (7199, "1h"), (86_400, "1d"), (31_557_600 * 18, "18y"),
     (math.inf, "forever")],
)  # fmt: skip
def test_an_age_has_its_largest_unit(seconds: float, text: str) -> None:
    """Rounded down."""
    assert format_age(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.0123, "12 ms"), (4.46, "4.5 s"), (60, "1m"), (7200, "2h")])
def test_short_times_have_fractions(seconds: float, text: str) -> None:
    """From a minute on like an age."""
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (2 * 10**9, "2.0 GB"),
     (25 * 10**14, "2500.0 TB")],
)  # fmt: skip
def test_sizes_have_fitting_units(count: int, text: str) -> None:
    """From bytes to terabytes."""
    assert format_bytes(count) == text


def test_since_is_a_duration_before_now_or_a_time() -> None:
    """A time without an offset is UTC."""
    assert parse_since("2h", NOW) == "2026-03-02T13:00:00.000Z"
    assert parse_since("2026-03-01", NOW) == "2026-03-01T00:00:00.000Z"
    assert parse_since("2026-03-01T10:00:00+01:00", NOW) == "2026-03-01T09:00:00.000Z"
    with pytest.raises(ValueError, match="neither a duration"):
        parse_since("yesterday", NOW)
    with pytest.raises(ValueError, match="too long ago"):
        parse_since("999999d", NOW)


def test_many_symbols_are_summarized() -> None:
    """Up to six are listed; of more the first five."""
    assert join_symbols(list("ABCDEF")) == "A, B, C, D, E, F"
    assert join_symbols(list("ABCDEFG")) == "A, B, C, D, E and 2 more"


def test_text_from_outside_is_one_short_line() -> None:
    """Control characters cannot reach a terminal."""
    assert escape_line("a\n\x1b[31mb") == r"a\n\x1b[31mb"
    assert len(escape_line("x" * 1000)) == 160
