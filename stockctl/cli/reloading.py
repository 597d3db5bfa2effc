"""The symbols of a running stream, read again from the configuration."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from stockctl.cli.context import configuration
from stockctl.cli.terminal import say
from stockctl.errors import StockctlError

if TYPE_CHECKING:
    from stockctl.sources.base import Source


def symbol_reload(
    ctx: typer.Context, source: "Source", keep: Callable[[Sequence[str]], None], *, given: bool
) -> Callable[[], None] | None:
    """Return what reads the symbols again and hands them to ``source``; None where it cannot change them.

    Whoever shows symbols is told by ``keep``. With ``given`` the command line named them, and they stay.
    """
    from stockctl.sources.closed import changing

    changeable = changing(source)
    if changeable is None:
        return None

    def reload() -> None:
        if given:
            say("The symbols were given with --symbols, and stay as they are.")
            return
        try:
            symbols = configuration(ctx).settings.symbols
        except StockctlError as error:
            say(f"The symbols stay as they are: {error.message}")
            return
        changeable.change_symbols(symbols)
        keep(symbols)
        say(f"Read the configuration again: {len(symbols)} symbols.")

    return reload
