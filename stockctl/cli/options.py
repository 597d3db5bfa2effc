"""Options that several commands share, and what their values mean."""

from typing import Annotated

import typer

from stockctl.errors import UsageError
from stockctl.market.refusal import Refusal
from stockctl.market.symbol import parse_symbol

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
        symbols = [parse_symbol(part.strip()) for part in text.split(",") if part.strip()]
    except Refusal as reason:
        raise UsageError(f"--symbols: {reason}.", "Separate symbols by commas: --symbols AAPL,MSFT") from None
    if not symbols:
        raise UsageError("--symbols names no symbol.", "Such as: --symbols AAPL,MSFT")
    return list(dict.fromkeys(symbols))
