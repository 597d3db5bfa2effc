"""Exact decimal arithmetic: a result is exact, or rounded once and on purpose."""

from contextlib import AbstractContextManager
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)

from stockctl.market.refusal import Refusal, shown

PRICE_PLACES = 6
FIGURE_PLACES = 8

_PRICE_UNIT = Decimal(1).scaleb(-PRICE_PLACES)
# From here on a number would round to 10**15 or more.
_BOUND = Decimal(10) ** 15 - _PRICE_UNIT / 2
# Wide enough for every sum and product of bounded prices; anything that would still be cut raises.
_EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])


def exact() -> AbstractContextManager[Context]:
    """Return a context manager within which ``+ - *`` and ``divmod`` are exact or raise ``Inexact``."""
    return localcontext(_EXACT)


def parse_number(value: object, field: str) -> Decimal:
    """Return a JSON number as a decimal of at most 6 places, rounded half-even, without trailing zeros.

    Raises:
        Refusal: ``value`` is no number, not finite, or not within plus or minus 10**15.
    """
    if type(value) is int:
        value = Decimal(value)
    elif type(value) is not Decimal:
        raise Refusal(f"{field} {shown(value)} is not a number")
    # NaN compares false with everything, so it is refused here as well.
    if value.is_nan() or not -_BOUND < value < _BOUND:
        raise Refusal(f"{field} {shown(value)} is not a finite number below 10**15")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -PRICE_PLACES:
        value = value.quantize(_PRICE_UNIT, rounding=ROUND_HALF_EVEN)
    return value


def parse_positive(value: object, field: str) -> Decimal:
    """Return a JSON number that is above zero once rounded to 6 places.

    Raises:
        Refusal: it is no such number.
    """
    number = parse_number(value, field)
    if number <= 0:
        raise Refusal(f"{field} {shown(value)} is not above zero ({PRICE_PLACES} decimals count)")
    return number


def plain(number: Decimal) -> str:
    """Return ``number`` in positional notation without trailing zeros, as JSON and SQLite keep it."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rounded_quotient(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Return the quotient rounded once, half-even, to 8 decimals; call it within ``exact()``."""
    scaled = numerator.scaleb(FIGURE_PLACES)
    negative = (scaled < 0) != (denominator < 0)
    quotient, remainder = divmod(abs(scaled), abs(denominator))
    twice = remainder * 2
    if twice > abs(denominator) or (twice == abs(denominator) and quotient % 2):
        quotient += 1
    return (-quotient if negative else quotient).scaleb(-FIGURE_PLACES)
