"""Exact decimals, and JSON that keeps them exact."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import (
    ROUND_05UP,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)

from stockctl.market.errors import InvalidQuote, truncate

PRICE_PLACES = 6
FIGURE_PLACES = 8

_PRICE_UNIT = Decimal(1).scaleb(-PRICE_PLACES)
_FIGURE_UNIT = Decimal(1).scaleb(-FIGURE_PLACES)
# Without traps, what is not finite or would have more than 15 digits before the point becomes NaN.
_PRICES = Context(prec=15 + PRICE_PLACES, rounding=ROUND_HALF_EVEN, traps=[])
# Rounded this way, a quotient can be rounded again to fewer digits as if it were exact.
_QUOTIENTS = Context(prec=60, rounding=ROUND_05UP, traps=[InvalidOperation, DivisionByZero])
_FIGURES = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
# Wide enough for every sum and product of bounded prices; anything that would still be rounded raises.
_EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])


def exact_arithmetic() -> AbstractContextManager[Context]:
    """Return a context manager in which ``+ - *`` and ``divmod`` are exact or raise ``Inexact``."""
    return localcontext(_EXACT)


def parse_number(value: object, field: str) -> Decimal:
    """Return a JSON number as a decimal of 6 places, rounded half-even.

    Raises:
        InvalidQuote: ``value`` is not a number, not finite, or not within plus or minus 10**15.
    """
    if type(value) is int:
        value = Decimal(value)
    elif type(value) is not Decimal:
        raise InvalidQuote(f"{field} {truncate(value)} is not a number")
    number = _PRICES.quantize(value, _PRICE_UNIT)
    if number.is_nan():
        raise InvalidQuote(f"{field} {truncate(value)} is not a finite number below 10**15")
    return number


def is_price(value: object) -> bool:
    """Return whether ``value`` is a decimal that ``parse_number`` returns unchanged."""
    return type(value) is Decimal and value.is_finite() and _PRICES.quantize(value, _PRICE_UNIT) == value


def parse_positive(value: object, field: str) -> Decimal:
    """Return a JSON number that is above zero once rounded to 6 places.

    Raises:
        InvalidQuote: it is not such a number.
    """
    number = parse_number(value, field)
    if number <= 0:
        raise InvalidQuote(f"{field} {truncate(value)} is not above zero ({PRICE_PLACES} decimals count)")
    return number


def format_decimal(number: Decimal) -> str:
    """Return ``number`` in positional notation without trailing zeros, as stored in JSON and SQLite."""
    text = str(number)
    if "E" in text:
        text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rounded_quotient(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Return the exact quotient of two numbers below 10**40, rounded half-even to 8 decimals."""
    return _FIGURES.quantize(_QUOTIENTS.divide(numerator, denominator), _FIGURE_UNIT)


def unique_fields(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object as a dictionary; an ``object_pairs_hook`` for ``json.JSONDecoder``.

    Raises:
        InvalidQuote: a field appears twice.
    """
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidQuote("a field appears twice")
    return fields


def to_json(value: object) -> str:
    """Return ``value`` as JSON with exact decimals."""
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)}: {to_json(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(to_json(inner) for inner in value) + "]"
    return json.dumps(value)
