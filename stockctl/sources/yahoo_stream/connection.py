"""Keeps the connection: reconnects with backoff, heartbeats, a watchdog for silent connections."""

import logging
from collections.abc import Callable, Collection, Sequence
from threading import Event
from time import monotonic
from typing import NamedTuple

from stockctl.formatting import join_symbols
from stockctl.retry import Backoff
from stockctl.sources.yahoo_stream.context import SharedContext
from stockctl.sources.yahoo_stream.fallback import FallbackPoller
from stockctl.sources.yahoo_stream.protocol import StreamProtocol, load, subscribe_messages
from stockctl.sources.yahoo_stream.reader import MessageReader, ProtocolError
from stockctl.sources.yahoo_stream.websocket import (
    FAULTS,
    Connection,
    describe_error,
    is_limit,
    open_connection,
)


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


_log = logging.getLogger(__name__)


class ConnectionTimeouts(NamedTuple):
    """Times of the connection, in seconds."""

    opening: float = 10.0
    """For a new connection to come up."""
    heartbeat: float = 15.0
    """Between two subscriptions of the same symbols, without which Yahoo falls silent; as yfinance does."""
    silence: float = 60.0
    """Without a message, while a market is open, before the connection is taken for dead."""
    first_wait: float = 1.0
    longest_wait: float = 60.0
    """Before a new connection, at least and at most."""


class ConnectionManager:
    """Keeps the connection in ``work``, which is to run in a thread of its own.

    Args:
        symbols: returns what to be subscribed to; asked again at each turn of the loop.
        reader: takes the messages.
        fallback: polls while the connection is down.
        kit: what it shares with the other parts; its breaker keeps a new connection waiting, too.
        pace: times of the connection.
    """

    def __init__(
        self,
        symbols: Callable[[], Sequence[str]],
        reader: MessageReader,
        fallback: FallbackPoller,
        kit: SharedContext,
        pace: ConnectionTimeouts,
    ) -> None:
        self._symbols = symbols
        self._reader = reader
        self._fallback = fallback
        self._kit = kit
        self._counters = kit.counters
        self._pace = pace
        self._backoff = Backoff(pace.first_wait, pace.longest_wait, "half", uniform=kit.rng.uniform)
        self._watchdog = Watchdog(pace.silence)
        self._closed = Event()
        self._connection: Connection | None = None
        self._subscribed: Sequence[str] = ()
        self._wanted: Collection[str] = ()
        self._told = ""
        self._up_since = 0.0

    def close(self) -> None:
        """Let ``work`` end soon."""
        self._closed.set()
        if (connection := self._connection) is not None:
            connection.close()

    def work(self) -> None:
        """Keep a connection until closed.

        Raises:
            SourceError: yfinance is unfit, or market hours cannot be read.
        """
        yahoo = load()
        while not self._closed.is_set():
            reason = self._connect(yahoo)
            self._connection = None
            if self._counters.connected and monotonic() - self._up_since > self._pace.longest_wait:
                self._backoff.reset()
            self._counters.connected = False
            if self._closed.is_set():
                return
            self._counters.failures += 1
            self._fallback.begin(self._symbols())
            wait = max(self._backoff.next_delay(), self._kit.breaker.left)
            self._tell_lost(reason, wait)
            self._closed.wait(wait)

    def _connect(self, yahoo: StreamProtocol) -> str:
        """Make a connection, use it as long as it lasts, and return why it ended."""
        try:
            with open_connection(yahoo.url, self._pace.opening) as connection:
                self._connection = connection
                self._subscribe(connection)
                self._tell_up()
                self._listen(connection, yahoo)
        except FAULTS as error:
            if is_limit(error):
                self._kit.breaker.limited()
            return describe_error(error)
        except ProtocolError as error:
            return str(error)
        return "The live connection to Yahoo was closed here"

    def _listen(self, connection: Connection, yahoo: StreamProtocol) -> None:
        """Read until the connection fails or is closed here, asleep while nothing comes."""
        self._watchdog.begin(monotonic())
        heartbeat = monotonic() + self._pace.heartbeat
        while not self._closed.is_set():
            self._counters.wakeups += 1
            try:
                message = connection.receive(max(0.0, heartbeat - monotonic()))
            except TimeoutError:
                self._watch()
            else:
                self._watchdog.heard(monotonic())
                if self._reader.read(message, yahoo.decode, self._wanted):
                    self._backoff.reset()
            if self._symbols() is not self._subscribed:
                self._change(connection)
            if (now := monotonic()) >= heartbeat:
                self._subscribe(connection)
                heartbeat = now + self._pace.heartbeat

    def _watch(self) -> None:
        is_open = self._kit.hours.any_open(self._subscribed, self._kit.clock())
        if (silent := self._watchdog.alarm(monotonic(), is_open)) is not None:
            raise ProtocolError(
                f"Yahoo's live connection has been silent for {silent:.3g} s while a market is open"
            )

    def _subscribe(self, connection: Connection) -> None:
        self._subscribed = self._symbols()
        self._wanted = frozenset(self._subscribed)
        for request in subscribe_messages("subscribe", self._subscribed):
            connection.send(request)

    def _change(self, connection: Connection) -> None:
        before = self._subscribed
        self._subscribe(connection)
        for request in subscribe_messages("unsubscribe", [one for one in before if one not in self._wanted]):
            connection.send(request)
        self._fallback.catch_up(self._subscribed)
        _log.info("Live quotes of %s from now on.", join_symbols(self._subscribed))

    def _tell_up(self) -> None:
        self._counters.connections += 1
        self._counters.connected = True
        self._up_since = monotonic()
        again = " again" if self._counters.connections > 1 else ""
        _log.info("Live quotes of %s%s.", join_symbols(self._subscribed), again)
        self._told = ""
        self._fallback.catch_up(self._subscribed)

    def _tell_lost(self, reason: str, wait: float) -> None:
        """Say why there is no connection: at once, when the reason changes, and then ever more seldom."""
        faults = self._backoff.failures
        tell = reason != self._told or faults & (faults - 1) == 0
        self._told = reason
        _log.log(
            logging.WARNING if tell else logging.DEBUG,
            "%s. Polling until it is back; next try in %.3g s (%d failed in a row).",
            reason,
            wait,
            faults,
        )
