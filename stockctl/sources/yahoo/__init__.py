"""Quotes by polling Yahoo: one request a poll for all symbols, the market's own time on every price.

``source`` is the loop; ``client`` is the one module that touches yfinance, and ``caller`` the thread it
runs in; ``reading`` understands one result, ``watch`` knows what is new in a poll, ``backoff`` how long to
leave Yahoo alone after a fault.
"""

from stockctl.sources.yahoo.source import YahooSource

__all__ = ["YahooSource"]
