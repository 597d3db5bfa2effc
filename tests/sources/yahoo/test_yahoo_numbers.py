"""Numbers in the form that Yahoo sends them."""

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stockctl.market.errors import InvalidQuote
from stockctl.sources.yahoo.parser import denoise_float32, parse_optional_price, parse_price, parse_volume
from support.quote_strategies import examples


def through_single(value: float) -> float:
    """Return what a 32-bit float makes of a value."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (187.4400024414, "187.44"),
        (187.44000244140625, "187.44"),
        (23.229999542236328, "23.23"),
        (1.0952899456024170, "1.09529"),
        (0.0000091300, "0.000009"),
        (43567.890625, "43567.89"),
        (612345.125, "612345.125"),
        (43567.8914, "43567.8914"),
        (16.6298, "16.6298"),
        (1.09529, "1.09529"),
        (187.44000000000003, "187.44"),
        (5241.25, "5241.25"),
        (100, "100"),
        (100.0, "100"),
    ],
)
def test_a_price_is_what_was_meant(written: float, meant: str) -> None:
    """Noise of 32-bit floats is removed, intended digits stay."""
    assert parse_price(written) == Decimal(meant)


@examples(200)
@given(st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(99999), places=4).filter(lambda d: d > 0))
def test_noise_is_undone_exactly_where_single_precision_can_tell(price: Decimal) -> None:
    """A price of six digits at most survives the way through a 32-bit float; a longer one is as near."""
    echo = through_single(float(price))
    found = denoise_float32(echo)
    if len(price.normalize().as_tuple().digits) <= 6:
        assert found == price
    assert through_single(float(found)) == echo


@examples(200)
@given(st.integers(1, 10**9 - 1), st.integers(-6, 0))
@example(digits=134_217_728, exponent=0)
def test_up_to_nine_digits_are_never_touched(digits: int, exponent: int) -> None:
    """Such a number is exact."""
    written = Decimal(digits).scaleb(exponent)
    assert denoise_float32(float(written)) == written


@examples(200)
@given(st.floats(1e-6, 1e15))
def test_any_number_stays_the_same_to_seven_digits(value: float) -> None:
    """Removing noise never makes another price of a number."""
    assert math.isclose(float(denoise_float32(value)), value, rel_tol=1e-7)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "price is missing"),
        (math.nan, "not a finite number"),
        (math.inf, "not a finite number"),
        (-math.inf, "not a finite number"),
        (0, "not above zero"),
        (0.0, "not above zero"),
        (-37.63, "not above zero"),
        (1e-9, "not above zero"),
        (1e300, "not a finite number below"),
        ("187.44", "is not a number"),
        (True, "is not a number"),
        ({"raw": 187.44, "fmt": "187.44"}, "is not a number"),
        ([187.44], "is not a number"),
    ],
)
def test_what_is_no_price_is_refused_with_its_reason(value: object, reason: str) -> None:
    """An invalid price is rejected, and an invalid other figure is unknown."""
    with pytest.raises(InvalidQuote, match=reason):
        parse_price(value)
    assert parse_optional_price(value) is None


@pytest.mark.parametrize(
    ("value", "volume"),
    [
        (1_234_567, 1_234_567),
        (1.234567e6, 1_234_567),
        (2**63 - 1, 2**63 - 1),
        (0, None),
        (-5, None),
        (2**63, None),
        (12.5, None),
        (math.nan, None),
        (math.inf, None),
        (True, None),
        ("12", None),
        (None, None),
    ],
)
def test_a_volume_is_a_count_or_unknown(value: object, volume: int | None) -> None:
    """Nothing, an invalid value and Yahoo's 0 all mean unknown."""
    assert parse_volume(value) == volume
