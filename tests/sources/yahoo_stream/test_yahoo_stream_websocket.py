"""The WebSocket connection, against a server on this machine."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest
from websockets.sync.server import ServerConnection, serve

from stockctl.sources.yahoo_stream.websocket import CONNECTION_ERRORS, describe_error, open_connection

SECONDS = 20


class Farewell:
    """A server that sends two messages to each client, and closes."""

    def __init__(self) -> None:
        self.gone = Event()
        self._server = serve(self._speak, "127.0.0.1", 0, close_timeout=0.01)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __enter__(self) -> "Farewell":
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _speak(self, connection: ServerConnection) -> None:
        connection.send("one")
        connection.send("two")
        connection.close()
        self.gone.set()


@pytest.fixture
def farewell() -> Iterator[Farewell]:
    """The server, running."""
    with Farewell() as server:
        yield server


def test_a_message_that_cannot_be_sent_costs_none_that_came(farewell: Farewell) -> None:
    """A heartbeat meets the end of the connection: earlier messages are still read."""
    with open_connection(farewell.url, SECONDS) as connection:
        assert farewell.gone.wait(SECONDS)
        assert connection.receive(SECONDS) == "one"
        connection.send("heartbeat")
        assert connection.receive(SECONDS) == "two"
        with pytest.raises(CONNECTION_ERRORS):
            connection.receive(SECONDS)


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("socks5://127.0.0.1:1", "pip install 'python-socks[asyncio]'"),
        ("http://127.0.0.1:99999", "Port out of range"),
        ("http://[bad", "Invalid IPv6 URL"),
        ("foo://ann:secret@127.0.0.1", "scheme foo isn't supported"),
    ],
)
def test_a_proxy_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str, reason: str) -> None:
    """The message says what to do, and contains no password."""
    monkeypatch.setenv("WSS_PROXY", proxy)
    with pytest.raises(CONNECTION_ERRORS) as failed, open_connection("wss://yahoo.invalid", SECONDS):
        pass
    assert "through the configured proxy (HTTPS_PROXY" in describe_error(failed.value)
    assert reason in describe_error(failed.value)
    assert describe_error(failed.value).endswith("Correct or unset it, and start again")
    assert "secret" not in describe_error(failed.value)
