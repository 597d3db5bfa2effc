"""Quotes by polling Yahoo: few requests a poll for all symbols, the market's own time on every price.

``source`` is the loop, ``polling`` one round of it, and ``caller`` the threads that its requests run in.
``roster`` divides the symbols among requests; ``client`` makes one, as ``limiter`` (how many a minute) and
``breaker`` (none for a while after a 429) allow; ``session`` is the one module that touches yfinance, and
``diagnosis`` gives what goes wrong in it a name, one of ``faults``. ``reading`` understands one result,
``watch`` knows what is new in a poll, ``backoff`` how long to leave Yahoo alone after a fault.
"""

from stockctl.sources.yahoo.breaker import Breaker, BreakerView, State
from stockctl.sources.yahoo.limiter import RateLimiter
from stockctl.sources.yahoo.source import YahooSource

__all__ = ["Breaker", "BreakerView", "RateLimiter", "State", "YahooSource"]
