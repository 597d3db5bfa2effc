"""Quotes from Yahoo as they happen: yfinance's streaming format, over a connection that is looked after.

yfinance decodes the messages and names the server. Its own listening loop is not used: it never connects
again, spins at full load once the server has closed the connection, and swallows what it cannot read.
``supervisor`` has the connection instead, a fresh one each time; ``wire`` is the one module that touches
yfinance, ``reader`` and ``frames`` understand messages, ``watchdog`` notices a connection that died without
a word, ``fallback`` polls while there is none, ``newest`` joins both without a repetition, and
``source`` hands on what is new. ``kit`` holds what they share.
"""

from stockctl.sources.yahoo_live.source import YahooLiveSource

__all__ = ["YahooLiveSource"]
