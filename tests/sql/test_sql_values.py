"""Values of a result, as JSON knows them."""

import json
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.sql.values import json_value
from support.quote_strategies import ANY_NUMBER_OF_EXAMPLES

NEW_YORK = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (2**100, 2**100),
        (1.5, 1.5),
        ("a\nb", "a\nb"),
        (float("nan"), None),
        (float("inf"), None),
        (float("-inf"), None),
        (Decimal("1.50"), 1.5),
        (Decimal(7), 7),
        (Decimal("7.00"), 7.0),
        (Decimal("NaN"), None),
        (Decimal("Infinity"), None),
        (b"\x00\xff", "00ff"),
        (bytearray(b"a"), "61"),
        (date(2019, 2, 11), "2019-02-11"),
        (time(14, 31), "14:31:00"),
        (datetime(2019, 2, 11, 14, 31), "2019-02-11T14:31:00.000"),  # noqa: DTZ001 - a moment without zone
        (datetime(2019, 2, 11, 14, 31, 5, 250_999, UTC), "2019-02-11T14:31:05.250Z"),
        (datetime(2019, 2, 11, 9, 31, tzinfo=NEW_YORK), "2019-02-11T14:31:00.000Z"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5), "1 02:03:04.005"),
        (timedelta(hours=-36), "-1 12:00:00.000"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([1, None, "ä"], '[1, null, "ä"]'),
        ((1, 2), "[1, 2]"),
        ({"a": [Decimal("1.5")], 2: date(2019, 2, 11)}, '{"a": [1.5], "2": "2019-02-11"}'),
        ([float("nan")], "[null]"),
        ([], "[]"),
    ],
    ids=repr,
)
def test_a_value_becomes_what_json_knows(value: object, expected: object) -> None:
    """Text, int, float, bool or None; nothing is lost that a person needs."""
    answer = json_value(value)
    assert answer == expected
    assert type(answer) is type(expected)


_NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.datetimes()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=8,
)


@ANY_NUMBER_OF_EXAMPLES
@given(_NESTED)
def test_every_value_can_be_written_as_strict_json(value: object) -> None:
    """No NaN, no Decimal, no object is left, however deep."""
    answer = json_value(value)
    assert answer is None or isinstance(answer, (str, int, float))
    json.dumps(answer, allow_nan=False)
    if isinstance(value, (list, dict, tuple)):
        json.loads(str(answer), parse_constant=pytest.fail)
