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


class ProxySetting(Exception):
    """What is set as the proxy is none that can be used; the text is why."""


FAULTS = (OSError, WebSocketException, ProxySetting)
"""What a connection may fail with."""
CLOSE_TIMEOUT = 1.0
"""Seconds for the handshake at the end."""

_log = logging.getLogger(__name__)
_log.setLevel(logging.ERROR)  # websockets tells its every step
logging.getLogger("asyncio").setLevel(logging.WARNING)

Result = TypeVar("Result")


class Connection:
    """An open connection. It belongs to the thread that opened it, but any may close it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: ClientConnection) -> None:
        self._loop = loop
        self._socket = socket

    def send(self, message: str) -> None:
        """Send a message; that the connection is gone is told by ``receive``, after all that came before."""
        with suppress(ConnectionClosed):
            self._run(self._socket.send(message))

    def receive(self, seconds: float) -> str | bytes:
        """Return the next message, also one that came before the connection was closed.

        Raises:
            TimeoutError: none came in time.
            OSError, WebSocketException: the connection is gone.
        """
        return self._run(self._next(seconds))

    def close(self) -> None:
        """Close it, soon: whoever waits for a message gets an error."""
        with suppress(RuntimeError):  # the loop was closed before
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._socket.close()))

    async def _next(self, seconds: float) -> str | bytes:
        async with asyncio.timeout(seconds):
            return await self._socket.recv()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(work)


@contextmanager
def open_connection(url: str, seconds: float) -> Iterator[Connection]:
    """Open a connection, which may take so many seconds, and close it at the end of the block.

    Raises:
        OSError: the server cannot be reached, or does not answer in time.
        WebSocketException: it, or a proxy, does not agree to a connection.
        ProxySetting: no proxy can be what the environment names.
    """
    with asyncio.Runner() as runner:
        socket = runner.run(_opened(url, seconds))
        try:
            yield Connection(runner.get_loop(), socket)
        finally:
            runner.run(socket.close())


async def _opened(url: str, seconds: float) -> ClientConnection:
    try:
        return await connect(url, open_timeout=seconds, close_timeout=CLOSE_TIMEOUT, logger=_log)
    except OSError:  # some of these are a ValueError, too
        raise
    except InvalidProxy as error:
        raise ProxySetting(error.msg) from error
    except ImportError as error:
        raise ProxySetting(f"{error} (pip install 'python-socks[asyncio]')") from error
    # Of the address of a proxy, websockets leaves much to urllib and to the socket.
    except (OverflowError, ValueError) as error:
        raise ProxySetting(str(error)) from error


_NORMAL_CLOSE_CODES = 1000
_TOO_MANY = 429


def is_limit(error: Exception) -> bool:
    """Return whether Yahoo refuses because there are too many requests from this address."""
    return isinstance(error, InvalidStatus) and error.response.status_code == _TOO_MANY


def describe_error(error: Exception) -> str:
    """Return what happened to the connection, as the beginning of a sentence."""
    if isinstance(error, ConnectionClosed):
        return _closed(error)
    if isinstance(error, InvalidStatus):
        return _refused(error.response.status_code)
    if isinstance(error, ProxySetting):
        return (
            "Yahoo's live quotes cannot be reached by the proxy that is set (HTTPS_PROXY, SOCKS_PROXY or "
            f"WSS_PROXY): {escape_line(str(error))}. Correct or unset it, and start again"
        )
    if isinstance(error, InvalidProxyStatus):
        return f"The proxy refuses the way to Yahoo's live quotes (HTTP {error.response.status_code})"
    if isinstance(error, ProxyError):
        return f"The proxy does not let Yahoo's live quotes through: {escape_line(str(error))}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Somebody else answers for Yahoo's live quotes (TLS): {escape_line(error.verify_message)}"
    if isinstance(error, socket.gaierror):
        return f"No name server knows the host of Yahoo's live quotes: {escape_line(str(error))}"
    if isinstance(error, TimeoutError):
        return "Yahoo's live quotes do not answer in time"
    return f"Yahoo's live quotes cannot be reached: {escape_line(str(error) or type(error).__name__)}"


def _refused(status: int) -> str:
    if status == _TOO_MANY:
        return "Yahoo limits this address: too many live connections (HTTP 429)"
    if status >= 500:
        return f"Yahoo's server of live quotes failed (HTTP {status})"
    return f"Yahoo refuses a live connection (HTTP {status})"


def _closed(error: ConnectionClosed) -> str:
    if error.rcvd is None:
        return "The live connection to Yahoo broke"
    if error.rcvd.code == _NORMAL_CLOSE_CODES:
        return "Yahoo closed the live connection"
    return f"Yahoo closed the live connection ({error.rcvd.code} {escape_line(error.rcvd.reason)})".replace(
        " )", ")"
    )
