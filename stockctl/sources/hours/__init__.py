"""When markets are open: the exchange a symbol trades on, its sessions, half days and holidays.

``exchanges`` reads an exchange off a symbol, ``sessions`` is the one module that touches
exchange_calendars (at the first question about an exchange, never at import), ``clock`` answers.
"""

from stockctl.sources.hours.clock import Hours
from stockctl.sources.hours.sessions import FOREVER

__all__ = ["FOREVER", "Hours"]
