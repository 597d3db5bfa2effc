"""Notice a connection that has died without a word."""


class Watchdog:
    """Counts the seconds without a message, as far as some market was open in them.

    Silence may also mean that nobody trades, so each alarm in a row doubles the patience, sixteen times
    the first at most; a message brings the first back.

    Args:
        patience: seconds of silence before the first alarm.
    """

    def __init__(self, patience: float) -> None:
        self._first = patience
        self._patience = patience
        self._since = 0.0

    def begin(self, now: float) -> None:
        """Count from ``now``, the moment a connection came up."""
        self._since = now

    def heard(self, now: float) -> None:
        """Take down that a message came."""
        self._since = now
        self._patience = self._first

    def alarm(self, now: float, market_open: bool) -> float | None:
        """Return how long the connection has been silent when that is too long, and None otherwise."""
        if not market_open:
            self._since = now
        if (silent := now - self._since) < self._patience:
            return None
        self._patience = min(self._patience * 2, self._first * 16)
        return silent
