"""The WebSocket side of the fake Yahoo server: what each connection does is scripted.

A connection is known by the symbols it first subscribes to, so that scenarios run side by side; the n-th
connection of them takes the n-th list of steps, and the last list repeats::

    streamer.script("AAPL,MSFT", [frame("AAPL", 187.44, T), Polls(2), CLOSE], [frame("MSFT", 23.23, T), IDLE])

A step is a message to send (``frame``, or any text or bytes), or one of the classes below.
"""

import base64
import hashlib
import json
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from socket import SHUT_RDWR
from ssl import SSLSocket
from threading import Condition
from typing import NamedTuple

from websockets.frames import Opcode
from websockets.protocol import SERVER, Protocol, State

_KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PATIENCE = 60.0
# Number and wire type of the fields of PricingData, as Yahoo's protocol has them.
_FIELDS = {
    "id": (1, "text"), "price": (2, "float"), "time": (3, "zigzag"), "currency": (4, "text"),
    "exchange": (5, "text"), "quote_type": (6, "int"), "market_hours": (7, "int"),
    "change_percent": (8, "float"), "day_volume": (9, "zigzag"), "day_high": (10, "float"),
    "day_low": (11, "float"), "change": (12, "float"), "open_price": (15, "float"),
    "previous_close": (16, "float"), "price_hint": (27, "zigzag"),
}  # fmt: skip


class Polls(NamedTuple):
    """Wait until the stand-in was asked for quotes so many times in all."""

    count: int
    symbols: str = ""
    """Of which; none: of those that the connection first subscribed to."""


class Heartbeats(NamedTuple):
    """Wait until so many messages came on this connection, the first subscription included."""

    count: int


class Subscribed(NamedTuple):
    """Wait until exactly these symbols are subscribed to."""

    symbols: str


class Close(NamedTuple):
    """Close the connection as the protocol has it."""

    code: int = 1000


CLOSE = Close()
DROP = object()
"""Cut the connection off without a word, once the client has got all that was sent before."""
IDLE = object()
"""Say nothing until the client goes."""


def frame(symbol: str, price: float, time: int, **changes: object) -> str:
    """Return a message as Yahoo sends it; ``time`` in milliseconds; a field of None or zero is left out."""
    fields = {
        "id": symbol, "price": price, "time": time, "currency": "USD", "exchange": "NMS", "quote_type": 8,
        "market_hours": 1, "change_percent": 1.3189, "day_volume": 1_234_567, "change": 2.44,
        "price_hint": 2, **changes,
    }  # fmt: skip
    packed = b"".join(_field(name, value) for name, value in fields.items() if value)
    return json.dumps({"type": "pricing", "message": base64.b64encode(packed).decode()})


def _field(name: str, value: object) -> bytes:
    number, kind = _FIELDS[name]
    if kind == "text":
        data = str(value).encode()
        return _varint(number << 3 | 2) + _varint(len(data)) + data
    if kind == "float":
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    whole = int(value)
    return _varint(number << 3) + _varint((whole << 1) ^ (whole >> 63) if kind == "zigzag" else whole)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


class Streamer:
    """Serves connections; ``seen`` holds, for each, the symbols and all messages that the client sent."""

    def __init__(self, polls: Callable[[str], int]) -> None:
        self.seen: list[tuple[str, list[dict[str, list[str]]]]] = []
        self.paths: list[str] = []
        self.handshakes: list[int | tuple[str, int]] = []
        """What to do before each of the next handshakes, whoever comes: refuse it with a status, or let it
        wait until symbols were polled so many times."""
        self._polls = polls
        self._scripts: dict[str, Sequence[Sequence[object]]] = {}
        self._taken: Counter[str] = Counter()
        self._changed = Condition()
        self._closing = False
        self._conversations = 0

    def script(self, symbols: str, *connections: Sequence[object]) -> None:
        """Set what the connections that subscribe to these symbols do, one after the other."""
        self._scripts[symbols] = connections

    def connections(self, symbols: str) -> int:
        """Return how many connections subscribed to these symbols."""
        return self._taken[symbols]

    def polled(self) -> None:
        """Let steps that wait for polls look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Let no step wait any more."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def serve(self, tunnel: SSLSocket, path: str, key: str) -> None:
        """Speak WebSocket on a connection until it ends."""
        self.paths.append(path)
        gate = self.handshakes.pop(0) if self.handshakes else ("", 0)
        if isinstance(gate, tuple):
            self.wait(lambda: self.is_polled(*gate))
        else:
            status = gate
            tunnel.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            while tunnel.recv(4096):
                pass
            return
        accept = base64.b64encode(hashlib.sha1((key + _KEY_SUFFIX).encode()).digest()).decode()
        tunnel.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        with self._conversing():
            _Conversation(self, tunnel).run()

    @contextmanager
    def _conversing(self) -> Iterator[None]:
        with self._changed:
            self._conversations += 1
        try:
            yield
        finally:
            with self._changed:
                self._conversations -= 1
                self._changed.notify_all()

    def hear_out(self) -> None:
        """Wait until every connection has ended, so that ``seen`` holds all that clients sent."""
        self.wait(lambda: not self._conversations)

    def steps(self, symbols: str) -> Sequence[object]:
        """Return what the next connection of these symbols does."""
        with self._changed:
            self._taken[symbols] += 1
            lists = self._scripts.get(symbols, [[CLOSE]])
            return lists[min(self._taken[symbols], len(lists)) - 1]

    def wait(self, condition: Callable[[], bool]) -> None:
        """Return when ``condition`` holds, or the server is closing."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._closing or condition(), _PATIENCE)
        assert done, "a step of a script waited in vain"

    def is_polled(self, symbols: str, count: int) -> bool:
        """Return whether the symbols were polled so many times."""
        return self._polls(symbols) >= count


class _Conversation:
    """One connection: a thread reads what the client says, the server's own follows the steps."""

    def __init__(self, streamer: Streamer, tunnel: SSLSocket) -> None:
        self._streamer = streamer
        self._tunnel = tunnel
        self._protocol = Protocol(SERVER, state=State.OPEN)
        self._said: list[dict[str, list[str]]] = []
        self._subscribed: set[str] = set()
        self._symbols = ""
        self._echoed = False

    def run(self) -> None:
        self._until(lambda: bool(self._said))
        if not self._said:
            return
        self._symbols = ",".join(self._said[0]["subscribe"])
        self._streamer.seen.append((self._symbols, self._said))
        for step in self._streamer.steps(self._symbols):
            if step is DROP:
                self._await_echo()
                self._tunnel.shutdown(SHUT_RDWR)
                return
            self._take(step)
        self._until(lambda: False)

    def _take(self, step: object) -> None:
        if isinstance(step, Polls):
            symbols = step.symbols or self._symbols
            self._streamer.wait(lambda: self._streamer.is_polled(symbols, step.count))
        elif isinstance(step, Heartbeats):
            self._until(lambda: len(self._said) >= step.count)
        elif isinstance(step, Subscribed):
            self._until(lambda: self._subscribed == set(step.symbols.split(",")))
        elif self._protocol.state is not State.OPEN:
            return  # the client is on its way out, and hears nothing more
        elif isinstance(step, Close):
            self._protocol.send_close(step.code)
            self._flush()
            self._until(lambda: False)
        elif step is not IDLE:
            send = self._protocol.send_text if isinstance(step, str) else self._protocol.send_binary
            send(step.encode() if isinstance(step, str) else step)
            self._flush()

    def _await_echo(self) -> None:
        """Wait until the client has read all that was sent: a connection that is reset may lose the rest."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()
            self._until(lambda: self._echoed)

    def _until(self, condition: Callable[[], bool]) -> None:
        """Read what the client says until a condition holds, or the client is gone."""
        while not condition():
            data = self._tunnel.recv(65536)
            if not data:
                return
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if event.opcode is Opcode.TEXT:
                    self._hear(json.loads(event.data))
                self._echoed |= event.opcode is Opcode.PONG
            self._flush()

    def _hear(self, message: dict[str, list[str]]) -> None:
        self._said.append(message)
        self._subscribed |= set(message.get("subscribe", ()))
        self._subscribed -= set(message.get("unsubscribe", ()))

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._tunnel.sendall(data)
            else:
                self._tunnel.shutdown(SHUT_RDWR)
