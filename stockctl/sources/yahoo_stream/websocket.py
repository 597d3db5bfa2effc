"""The WebSocket connection to Yahoo, and its errors as text."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)

from stockctl.formatting import escape_line

_log = logging.getLogger(__name__)


class InvalidProxySetting(Exception):
    """The configured proxy cannot be used; the text is the reason."""


CONNECTION_ERRORS = (OSError, WebSocketException, InvalidProxySetting)
"""The exceptions of a connection."""
CLOSE_TIMEOUT = 1.0
"""Seconds for the closing handshake."""

_log.setLevel(logging.ERROR)  # websockets logs every step
logging.getLogger("asyncio").setLevel(logging.WARNING)

Result = TypeVar("Result")


class Connection:
    """An open connection, used by the thread that opened it; any thread may close it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: ClientConnection) -> None:
        self._loop = loop
        self._socket = socket

    def send(self, message: str) -> None:
        """Send a message. If the connection is lost, ``receive`` raises it, after all earlier messages."""
        with suppress(ConnectionClosed):
            self._run(self._socket.send(message))

    def receive(self, seconds: float) -> str | bytes:
        """Return the next message, including those received before the connection was closed.

        Raises:
            TimeoutError: no message arrived in time.
            OSError, WebSocketException: the connection is lost.
        """
        return self._run(self._receive(seconds))

    def close(self) -> None:
        """Close it soon; a waiting ``receive`` raises an error."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._socket.close()))

    async def _receive(self, seconds: float) -> str | bytes:
        async with asyncio.timeout(seconds):
            return await self._socket.recv()

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(coroutine)


@contextmanager
def open_connection(url: str, seconds: float) -> Iterator[Connection]:
    """Open a connection within a time limit, and close it at the end of the block.

    Raises:
        OSError: the server cannot be reached, or does not answer in time.
        WebSocketException: the server or a proxy refuses the connection.
        InvalidProxySetting: the proxy that the environment names cannot be used.
    """
    with asyncio.Runner() as runner:
        socket = runner.run(_connect(url, seconds))
        try:
            yield Connection(runner.get_loop(), socket)
        finally:
            runner.run(socket.close())


async def _connect(url: str, seconds: float) -> ClientConnection:
    try:
        return await connect(url, open_timeout=seconds, close_timeout=CLOSE_TIMEOUT, logger=_log)
    except OSError:  # some of these are a ValueError, too
        raise
    except InvalidProxy as error:
        raise InvalidProxySetting(error.msg) from error
    except ImportError as error:
        raise InvalidProxySetting(f"{error} (pip install 'python-socks[asyncio]')") from error
    # For an invalid proxy address, urllib or the socket may raise these.
    except (OverflowError, ValueError) as error:
        raise InvalidProxySetting(str(error)) from error


_NORMAL_CLOSURE = 1000
_TOO_MANY_REQUESTS = 429


def is_rate_limit(error: Exception) -> bool:
    """Return whether Yahoo refused the connection because of a rate limit."""
    return isinstance(error, InvalidStatus) and error.response.status_code == _TOO_MANY_REQUESTS


def describe_error(error: Exception) -> str:
    """Return what happened to the connection, as the beginning of a sentence."""
    if isinstance(error, ConnectionClosed):
        return _describe_closed(error)
    if isinstance(error, InvalidStatus):
        return _describe_status(error.response.status_code)
    if isinstance(error, InvalidProxySetting):
        return (
            "Yahoo's live quotes cannot be reached through the configured proxy (HTTPS_PROXY, SOCKS_PROXY or "
            f"WSS_PROXY): {escape_line(str(error))}. Correct or unset it, and start again"
        )
    if isinstance(error, InvalidProxyStatus):
        return f"The proxy refuses connections to Yahoo's live quotes (HTTP {error.response.status_code})"
    if isinstance(error, ProxyError):
        return f"The proxy does not allow connections to Yahoo's live quotes: {escape_line(str(error))}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of Yahoo's live quotes is not valid (TLS): {escape_line(error.verify_message)}"
        )
    if isinstance(error, socket.gaierror):
        return f"The host name of Yahoo's live quotes cannot be resolved: {escape_line(str(error))}"
    if isinstance(error, TimeoutError):
        return "Yahoo's live quotes do not answer in time"
    return f"Yahoo's live quotes cannot be reached: {escape_line(str(error) or type(error).__name__)}"


def _describe_status(status: int) -> str:
    if status == _TOO_MANY_REQUESTS:
        return "Yahoo limits this address: too many live connections (HTTP 429)"
    if status >= 500:
        return f"Yahoo's server of live quotes failed (HTTP {status})"
    return f"Yahoo refuses a live connection (HTTP {status})"


def _describe_closed(error: ConnectionClosed) -> str:
    if error.rcvd is None:
        return "The live connection to Yahoo broke"
    if error.rcvd.code == _NORMAL_CLOSURE:
        return "Yahoo closed the live connection"
    return f"Yahoo closed the live connection ({error.rcvd.code} {escape_line(error.rcvd.reason)})".replace(
        " )", ")"
    )
