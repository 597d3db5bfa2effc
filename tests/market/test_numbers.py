"""Exact arithmetic: results are exact or rounded once, half-even, to 8 decimals."""

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.numbers import exact_arithmetic, format_decimal, rounded_quotient
from support.quote_strategies import examples

_NUMERATORS = st.decimals("-1e21", "1e21", places=6)
_DENOMINATORS = st.decimals("0.000001", "1e15", places=6)


@given(_NUMERATORS, _DENOMINATORS)
@examples(150)
def test_quotient_is_rounded_as_fractions_round(numerator: Decimal, denominator: Decimal):
    """A quotient is the exact one rounded half-even to 8 decimals, whatever its size and sign."""
    with exact_arithmetic():
        quotient = rounded_quotient(numerator, denominator)
        assert rounded_quotient(numerator, -denominator) == -quotient
    assert Fraction(quotient) == round(Fraction(numerator) / Fraction(denominator), 8)


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [
        ("0.000000015", "1", "0.00000002"),
        ("0.000000025", "1", "0.00000002"),
        ("0.000000035", "1", "0.00000004"),
        ("-0.000000015", "1", "-0.00000002"),
        ("-0.000000025", "1", "-0.00000002"),
        ("0.00000005", "2", "0.00000002"),
        ("1", "3", "0.33333333"),
        ("2", "3", "0.66666667"),
        ("-2", "3", "-0.66666667"),
        ("10", "5", "2"),
        ("0", "7", "0"),
        ("-0.000000001", "1", "0"),
    ],
)
def test_ties_go_to_the_even_digit(numerator: str, denominator: str, quotient: str):
    """A result half-way between two goes to the even one, on both sides of zero."""
    with exact_arithmetic():
        result = rounded_quotient(Decimal(numerator), Decimal(denominator))
    assert format_decimal(result) == quotient


def test_what_would_be_cut_raises():
    """Arithmetic that cannot be exact raises instead of rounding unseen."""
    with exact_arithmetic(), pytest.raises(Inexact):
        Decimal(1) / Decimal(3)


@given(st.decimals("-1e20", "1e20", places=8))
@examples(100)
def test_plain_text_is_canonical_and_exact(number: Decimal):
    """Positional text has no exponent and no trailing zero, and means the same number."""
    text = format_decimal(number)
    assert Decimal(text) == number
    assert not set(text) - set("-.0123456789")
    assert "." not in text or text[-1] not in "0."
    assert text == format_decimal(Decimal(text))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1E+5", "100000"),
        ("-0.0", "0"),
        ("0E-8", "0"),
        ("0E+3", "0"),
        ("100", "100"),
        ("1.50", "1.5"),
        ("-10.0", "-10"),
    ],
)
def test_plain_text_of(number: str, text: str):
    """Exponents are spelled out, zeros in front of the point stay, zero has no sign."""
    assert format_decimal(Decimal(number)) == text
