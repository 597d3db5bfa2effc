"""The tests of every source, for the streaming one; they run in an environment with the fake server."""

from datetime import datetime
from random import Random

from stockctl.sources.testing import SourceContract
from stockctl.sources.yahoo_stream.connection_manager import ConnectionTimeouts
from stockctl.sources.yahoo_stream.source import YahooStreamSource
from support.yahoo.streaming_child import FAST, NOW


class TestYahooLive(SourceContract):
    """Quotes that come one at a time."""

    sample_ticks = 3
    silence = 30.0  # it always has more to give

    def make(self) -> YahooStreamSource:
        """Return a source whose connection tells a quote at each heartbeat."""
        now = datetime.fromisoformat(NOW)
        return YahooStreamSource(
            ["AAPL", "MSFT"], timeouts=ConnectionTimeouts(**FAST), clock=lambda: now, rng=Random(1)
        )
