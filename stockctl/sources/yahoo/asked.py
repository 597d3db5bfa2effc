"""What may be asked of Yahoo: which symbols, and how often."""

import math
from collections.abc import Sequence

from stockctl.errors import UsageError
from stockctl.market.symbol import parse_symbol


def wanted(symbols: Sequence[str]) -> list[str]:
    """Return the symbols in canonical form, each once.

    Raises:
        UsageError: there is none.
        Refusal: one has characters that no symbol has.
    """
    if not symbols:
        raise UsageError("There is no symbol to ask Yahoo for.", "Name some: --symbols AAPL,MSFT.")
    return list(dict.fromkeys(map(parse_symbol, symbols)))


def check_interval(seconds: float) -> None:
    """Make sure that polls can be so many seconds apart.

    Raises:
        UsageError: they cannot.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"The interval of {seconds:g} s is not above zero.", "Try --interval 30.")
