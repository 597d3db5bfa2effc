"""Options that several commands share, and what their values mean."""

from typing import Annotated

import typer

from stockctl.errors import UsageError
from stockctl.market import symbol
from stockctl.market.refusal import Refusal

Since = Annotated[
    str | None, typer.Option("--since", help="A span such as 10m, 2h or 3d, or a time (UTC unless it says).")
]


def parse_symbols(text: str | None) -> list[str] | None:
    """Return the symbols of a comma-separated list, in order, without repeats; None for None.

    Raises:
        UsageError: one of them is no symbol, or there is none.
    """
    if text is None:
        return None
    try:
        return symbol.parse_symbols(text)
    except Refusal as reason:
        raise UsageError(f"--symbols: {reason}.", "Such as: --symbols AAPL,MSFT") from None


def parse_one_symbol(text: str) -> str:
    """Return the symbol that an argument names.

    Raises:
        UsageError: it is none.
    """
    try:
        return symbol.parse_symbol(text.strip())
    except Refusal as reason:
        raise UsageError(f"{reason}.", "Give one symbol, such as AAPL.") from None
