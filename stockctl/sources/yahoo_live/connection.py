"""A WebSocket over TLS for one thread, on an event loop of its own.

The threads of websockets' own synchronous client read and write one TLS session at once, which OpenSSL
forbids: now and then such a connection hangs for ever while it is being opened.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidProxy, WebSocketException


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
