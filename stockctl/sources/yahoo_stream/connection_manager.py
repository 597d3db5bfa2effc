"""Keeps the WebSocket connection: reconnects with backoff, sends heartbeats, and detects dead connections."""

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
    CONNECTION_ERRORS,
    Connection,
    describe_error,
    is_rate_limit,
    open_connection,
)

_log = logging.getLogger(__name__)


class Watchdog:
    """Detects a connection without messages while a market is open.

    There may be no messages because nobody trades. So the timeout doubles after each alarm in a row, up to
    16 times the first one; a message resets it.

    Args:
        timeout: seconds without a message before the first alarm.
    """

    def __init__(self, timeout: float) -> None:
        self._first_timeout = timeout
        self._timeout = timeout
        self._since = 0.0

    def start(self, now: float) -> None:
        """Start at ``now``, when a connection was opened."""
        self._since = now

    def message_received(self, now: float) -> None:
        """Reset the timer and the timeout."""
        self._since = now
        self._timeout = self._first_timeout

    def check(self, now: float, market_open: bool) -> float | None:
        """Return the seconds without a message if they exceed the timeout, and None otherwise."""
        if not market_open:
            self._since = now
        if (silent := now - self._since) < self._timeout:
            return None
        self._timeout = min(self._timeout * 2, self._first_timeout * 16)
        return silent


class ConnectionTimeouts(NamedTuple):
    """Times of the connection, in seconds."""

    opening: float = 10.0
    """For a new connection to be opened."""
    heartbeat: float = 15.0
    """Between two subscriptions of the same symbols: without them Yahoo stops sending. As in yfinance."""
    silence: float = 60.0
    """Without a message, while a market is open, before the connection is considered dead."""
    first_wait: float = 1.0
    longest_wait: float = 60.0
    """The shortest and the longest delay before a new connection."""


class ConnectionManager:
    """Keeps the connection in ``run``, which needs a thread of its own.

    Args:
        symbols: returns the symbols to subscribe to; called in each iteration of the loop.
        reader: processes the messages.
        fallback: polls while the connection is down.
        context: the objects that the parts of the source share; its breaker delays a new connection, too.
        timeouts: the timeouts of the connection.
    """

    def __init__(
        self,
        symbols: Callable[[], Sequence[str]],
        reader: MessageReader,
        fallback: FallbackPoller,
        context: SharedContext,
        timeouts: ConnectionTimeouts,
    ) -> None:
        self._symbols = symbols
        self._reader = reader
        self._fallback = fallback
        self._context = context
        self._counters = context.counters
        self._timeouts = timeouts
        self._backoff = Backoff(
            timeouts.first_wait, timeouts.longest_wait, "half", uniform=context.rng.uniform
        )
        self._watchdog = Watchdog(timeouts.silence)
        self._closed = Event()
        self._connection: Connection | None = None
        self._subscribed: Sequence[str] = ()
        self._subscribed_set: Collection[str] = ()
        self._logged_reason = ""
        self._connected_at = 0.0

    def close(self) -> None:
        """Make ``run`` return soon."""
        self._closed.set()
        if (connection := self._connection) is not None:
            connection.close()

    def run(self) -> None:
        """Keep a connection until closed.

        Raises:
            SourceError: yfinance cannot be used, or market hours cannot be read.
        """
        protocol = load()
        while not self._closed.is_set():
            reason = self._connect(protocol)
            self._connection = None
            if self._counters.connected and monotonic() - self._connected_at > self._timeouts.longest_wait:
                self._backoff.reset()
            self._counters.connected = False
            if self._closed.is_set():
                return
            self._counters.failures += 1
            self._fallback.start(self._symbols())
            wait = max(self._backoff.next_delay(), self._context.breaker.seconds_left)
            self._log_disconnected(reason, wait)
            self._closed.wait(wait)

    def _connect(self, protocol: StreamProtocol) -> str:
        """Open a connection, use it until it ends, and return why it ended."""
        try:
            with open_connection(protocol.url, self._timeouts.opening) as connection:
                self._connection = connection
                self._subscribe(connection)
                self._connected()
                self._read_messages(connection, protocol)
        except CONNECTION_ERRORS as error:
            if is_rate_limit(error):
                self._context.breaker.record_rate_limit()
            return describe_error(error)
        except ProtocolError as error:
            return str(error)
        return "The live connection to Yahoo was closed here"

    def _read_messages(self, connection: Connection, protocol: StreamProtocol) -> None:
        """Read until the connection fails or is closed here; sleeps while no message arrives."""
        self._watchdog.start(monotonic())
        heartbeat = monotonic() + self._timeouts.heartbeat
        while not self._closed.is_set():
            self._counters.wakeups += 1
            try:
                message = connection.receive(max(0.0, heartbeat - monotonic()))
            except TimeoutError:
                self._check_silence()
            else:
                self._watchdog.message_received(monotonic())
                if self._reader.read(message, protocol.decode, self._subscribed_set):
                    self._backoff.reset()
            if self._symbols() is not self._subscribed:
                self._change_subscription(connection)
            if (now := monotonic()) >= heartbeat:
                self._subscribe(connection)
                heartbeat = now + self._timeouts.heartbeat

    def _check_silence(self) -> None:
        is_open = self._context.hours.any_open(self._subscribed, self._context.clock())
        if (silent := self._watchdog.check(monotonic(), is_open)) is not None:
            raise ProtocolError(
                f"Yahoo's live connection has been silent for {silent:.3g} s while a market is open"
            )

    def _subscribe(self, connection: Connection) -> None:
        self._subscribed = self._symbols()
        self._subscribed_set = frozenset(self._subscribed)
        for request in subscribe_messages("subscribe", self._subscribed):
            connection.send(request)

    def _change_subscription(self, connection: Connection) -> None:
        before = self._subscribed
        self._subscribe(connection)
        removed = [symbol for symbol in before if symbol not in self._subscribed_set]
        for request in subscribe_messages("unsubscribe", removed):
            connection.send(request)
        self._fallback.poll_once(self._subscribed)
        _log.info("Live quotes of %s from now on.", join_symbols(self._subscribed))

    def _connected(self) -> None:
        self._counters.connections += 1
        self._counters.connected = True
        self._connected_at = monotonic()
        again = " again" if self._counters.connections > 1 else ""
        _log.info("Live quotes of %s%s.", join_symbols(self._subscribed), again)
        self._logged_reason = ""
        self._fallback.poll_once(self._subscribed)

    def _log_disconnected(self, reason: str, wait: float) -> None:
        """Warn when the reason is new, and after 2, 4, 8 ... failures with the same one."""
        failures = self._backoff.failures
        is_warning = reason != self._logged_reason or failures & (failures - 1) == 0
        self._logged_reason = reason
        _log.log(
            logging.WARNING if is_warning else logging.DEBUG,
            "%s. Polling until it is back; next try in %.3g s (%d failed in a row).",
            reason,
            wait,
            failures,
        )
