"""Ticker symbols, safe to use in an object key, a path and a query."""

import re

from stockctl.market.errors import InvalidQuote, truncate

SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9.^=-]{0,19}")
"""A canonical symbol."""


def parse_symbol(value: object) -> str:
    """Return ``value`` in upper case if it is a symbol.

    Raises:
        InvalidQuote: it is not a text of 1 to 20 ASCII letters, digits and ``. ^ = -``.
    """
    if not isinstance(value, str):
        raise InvalidQuote(f"symbol {truncate(value)} is not text")
    # ASCII first: upper-casing turns some other letters into plain ones.
    symbol = value.upper() if value.isascii() else ""
    if not SYMBOL.fullmatch(symbol):
        raise InvalidQuote(
            f"symbol {truncate(value)} is not 1 to 20 letters, digits and . ^ = - (such as BRK-B or ^VIX)"
        )
    return symbol


def parse_symbols(text: str) -> list[str]:
    """Return the symbols of a comma-separated list, in order, without repeats.

    Raises:
        InvalidQuote: one of them is not a symbol, or the list is empty.
    """
    symbols = [parse_symbol(part.strip()) for part in text.split(",") if part.strip()]
    if not symbols:
        raise InvalidQuote(f"{truncate(text)} names no symbol; separate symbols by commas, such as AAPL,MSFT")
    return list(dict.fromkeys(symbols))
