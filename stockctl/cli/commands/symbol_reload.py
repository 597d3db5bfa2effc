"""Reloading the symbols of a running stream, for SIGHUP."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from stockctl.cli.options import load_configuration
from stockctl.cli.output.messages import pluralize
from stockctl.errors import StockctlError

if TYPE_CHECKING:
    from stockctl.config.loading import Configuration
    from stockctl.sources.base import Source
    from stockctl.sources.market_hours import SupportsSymbolChanges

_log = logging.getLogger(__name__)


def symbol_reload(
    ctx: typer.Context, source: "Source", retain: Callable[[Sequence[str]], None], *, given: bool
) -> Callable[[], None]:
    """Return a function that reloads the configured symbols, or logs why they cannot be changed.

    Args:
        ctx: the command's context.
        source: gets the new symbols.
        retain: called with the new symbols, so that the others are no longer shown.
        given: whether --symbols set the symbols; then they cannot be changed.
    """
    from stockctl.sources.market_hours import find_symbol_changer

    changeable = find_symbol_changer(source)
    if changeable is None:
        return lambda: _log.info(
            "Ignored SIGHUP: the symbols of the source %s cannot be changed.", source.name
        )
    if given:
        return lambda: _log.info("Ignored SIGHUP: the symbols were set with --symbols.")
    return _Reload(ctx, changeable, retain)


class _Reload:
    def __init__(
        self, ctx: typer.Context, source: "SupportsSymbolChanges", retain: Callable[[Sequence[str]], None]
    ) -> None:
        self._ctx = ctx
        self._source = source
        self._retain = retain
        self._known = load_configuration(ctx)

    def __call__(self) -> None:
        try:
            read = self._read()
        except StockctlError as error:
            _log.warning("The symbols were not changed: %s", error.message)
            return
        if "symbols" in self._known.origins and "symbols" not in read.origins:
            # A file that is being rewritten may be empty.
            _log.warning("The symbols were not changed: %s does not set them any more.", read.file)
            return
        self._known = read
        symbols = read.settings.symbols
        self._source.change_symbols(symbols)
        self._retain(symbols)
        _log.info("Reloaded the configuration: %s.", pluralize(len(symbols), "symbol"))

    def _read(self) -> "Configuration":
        """Return the configuration from the same file as before, even if that was deleted."""
        return load_configuration(self._ctx, self._known.file)
