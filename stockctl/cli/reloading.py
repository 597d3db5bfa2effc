"""The symbols of a running stream, read again from the configuration."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from stockctl.cli.context import configuration
from stockctl.cli.terminal import counted
from stockctl.errors import StockctlError

if TYPE_CHECKING:
    from stockctl.config_loading import Configuration
    from stockctl.sources.base import Source
    from stockctl.sources.closed import ChangingSource

_log = logging.getLogger(__name__)


def symbol_reload(
    ctx: typer.Context, source: "Source", keep: Callable[[Sequence[str]], None], *, given: bool
) -> Callable[[], None]:
    """Return what reads the symbols again and hands them to ``source``, or says why they stay.

    Whoever shows symbols is told by ``keep``. With ``given`` the command line named them, and they stay.
    """
    from stockctl.sources.closed import changing

    changeable = changing(source)
    if changeable is None:
        return lambda: _log.info(
            "SIGHUP changes nothing: the source %s has no symbols to change.", source.name
        )
    if given:
        return lambda: _log.info("The symbols were given with --symbols, and stay as they are.")
    return _Reload(ctx, changeable, keep)


class _Reload:
    def __init__(
        self, ctx: typer.Context, source: "ChangingSource", keep: Callable[[Sequence[str]], None]
    ) -> None:
        self._ctx = ctx
        self._source = source
        self._keep = keep
        self._known = configuration(ctx)

    def __call__(self) -> None:
        try:
            read = self._read()
        except StockctlError as error:
            _log.warning("The symbols stay as they are: %s", error.message)
            return
        if "symbols" in self._known.origins and "symbols" not in read.origins:
            # A file that is just being written anew may be empty.
            _log.warning("The symbols stay as they are: %s names none any more.", read.file)
            return
        self._known = read
        symbols = read.settings.symbols
        self._source.change_symbols(symbols)
        self._keep(symbols)
        _log.info("Read the configuration again: %s.", counted(len(symbols), "symbol"))

    def _read(self) -> "Configuration":
        """Return the configuration by the file that was read before, even if that has gone since."""
        return configuration(self._ctx, self._known.file)
