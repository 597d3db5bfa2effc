"""Numbers as Yahoo writes them, made into what they mean."""

import math
import struct
from decimal import Decimal

from stockctl.market.decimals import parse_positive
from stockctl.market.quote import MAX_VOLUME
from stockctl.market.refusal import Refusal

_KEPT_DIGITS = 9
_SURE_DIGITS = 6
_SINGLE = struct.Struct("<f")


def price_of(value: object) -> Decimal:
    """Return a price of at most 6 decimals, free of the noise of 32-bit floats.

    Raises:
        Refusal: it is missing, no number, not finite, or not above zero.
    """
    if value is None:
        raise Refusal("price is missing")
    if isinstance(value, float):
        value = without_noise(value) if math.isfinite(value) else Decimal(value)
    return parse_positive(value, "price")


def known_price(value: object) -> Decimal | None:
    """Return a price, or None for what is none: Yahoo writes 0, NaN or nothing for unknown."""
    try:
        return price_of(value)
    except Refusal:
        return None


def volume_of(value: object) -> int | None:
    """Return a volume above zero, or None.

    Yahoo writes 0 for indices, currencies and a session that has not begun, so 0 means unknown.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 < value <= MAX_VOLUME else None


def without_noise(value: float) -> Decimal:
    """Return the decimal that a finite ``value`` was before it passed through a 32-bit float.

    187.44 comes back as 187.4400024414. A number of more than nine significant digits that agrees with a
    32-bit float in every digit it shows is taken for such an echo, and becomes the shortest decimal of
    that float. Nine digits tell any two such floats apart, so what is shorter was written on purpose and
    stays. ``priceHint`` decides nothing: it is meant for display, and rounding to it would drop digits of
    shares traded at 16.6298 and currencies at 1.09529, and all of a coin at 0.0000091.
    """
    exact = Decimal(repr(value))
    shown = len(exact.normalize().as_tuple().digits)
    single = _as_single(value)
    if shown <= _KEPT_DIGITS or float(f"{single:.{shown}g}") != value:
        return exact
    return next(
        Decimal(text)
        for text in (f"{single:.{digits}g}" for digits in range(_SURE_DIGITS, _KEPT_DIGITS + 1))
        if _as_single(float(text)) == single
    )


def _as_single(value: float) -> float:
    """Return the 32-bit float nearest to ``value``; infinity when it is beyond their range."""
    try:
        single: float = _SINGLE.unpack(_SINGLE.pack(value))[0]
    except OverflowError:
        return math.inf
    return single
