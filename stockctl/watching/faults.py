"""What can go wrong with watching, before the work has begun."""

from stockctl.errors import StockctlError


class WatchingError(StockctlError):
    """A port or a file for whoever watches cannot be used."""
