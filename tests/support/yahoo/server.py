"""A fake Yahoo server on the loopback, to which the real yfinance in a child process connects.

The child gets ``HTTPS_PROXY`` at this server and ``SSL_CERT_FILE`` at a throw-away authority. The server
takes ``CONNECT host:443``, ends TLS as that host, and answers by host and path: a cookie at
``fc.yahoo.com``, a crumb at ``/v1/test/getcrumb``, quotes at ``/v7/finance/quote``, live ones through
``streamer`` (see ``websocket_server``). Quotes are scripted,
request by request, for each list of symbols, so that many scenarios run side by side::

    with YahooStandIn() as yahoo:
        yahoo.script("AAPL,MSFT", quotes(good("AAPL"), good("MSFT")), status(429), status(429), EMPTY)
        subprocess.run([...], env=yahoo.environment(tmp_path))
        assert len(yahoo.polls("AAPL,MSFT")) == 4

The last reply of a script repeats. Mind that yfinance sends every request that got a 4xx or 5xx once
more, after a change of cookie: one failed poll takes two replies. Our session ends at a 429 before that.
"""

import json
import os
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR
from threading import Condition, Event, Lock, Thread
from time import monotonic
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

import trustme

from support.yahoo.websocket_server import Streamer

CRUMB = "crumb.of.the.stand-in"
COOKIE = "A3=d=standin; Expires=Wed, 01 Jan 2098 00:00:00 GMT; Domain=.yahoo.com; Path=/; Secure"
MARKET_TIME = 1_760_000_000
"""2025-10-09T08:53:20Z, the market time of ``good``."""


class Request(NamedTuple):
    """What the server was asked."""

    host: str
    path: str
    query: dict[str, str]
    at: float = 0.0
    """When, in seconds that never go back."""


class Reply(NamedTuple):
    """What the server answers; ``fault`` may be ``drop`` (close without an answer) or ``hang``."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    fault: str | None = None


def good(symbol: str, price: object = 187.44, **changes: object) -> dict[str, object]:
    """Return a result as Yahoo writes one, with ``changes``; a change to None removes the field."""
    result = {
        "language": "en-US",
        "region": "US",
        "quoteType": "EQUITY",
        "currency": "USD",
        "marketState": "REGULAR",
        "priceHint": 2,
        "regularMarketPrice": price,
        "regularMarketPreviousClose": 185.0,
        "regularMarketOpen": 186.25,
        "regularMarketDayHigh": 188.5,
        "regularMarketDayLow": 184.75,
        "regularMarketVolume": 1_234_567,
        "regularMarketTime": MARKET_TIME,
        "symbol": symbol,
        **changes,
    }
    return {name: value for name, value in result.items() if value is not None}


def quotes(*results: object) -> Reply:
    """Return a sound answer with these results (NaN is written as Python writes it)."""
    return Reply(body=json.dumps({"quoteResponse": {"result": results, "error": None}}).encode())


def status(code: int) -> Reply:
    """Return an error page as Yahoo's front servers send one."""
    if code == 429:
        return Reply(429, b"Too Many Requests\r\n", "text/plain")
    page = f"<!doctype html><html><head><title>{code}</title></head><body>Will be right back.</body></html>"
    return Reply(code, page.encode(), "text/html")


def raw(body: bytes, content_type: str = "application/json") -> Reply:
    """Return any bytes at all, as an answer that claims to be fine."""
    return Reply(body=body, content_type=content_type)


EMPTY = quotes()
DROP = Reply(fault="drop")
HANG = Reply(fault="hang")


class YahooStandIn:
    """The server; a context manager.

    ``requests`` holds all that was asked, in order; ``crumb`` is what requests for a crumb are answered,
    and ``proxy_status`` what a ``CONNECT`` is. With ``gather`` set, a quote request is answered once so many
    are under way; ``most_at_once`` is how many ever were.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.crumb = Reply(body=CRUMB.encode(), content_type="text/plain")
        self.proxy_status = 200
        self.gather = 0
        self.most_at_once = 0
        self.closing = Event()
        self._at_once = 0
        self._gathering = Condition()
        self.streamer = Streamer(lambda symbols: len(self.polls(symbols)))
        self._scripts: dict[str, tuple[Reply, ...]] = {}
        self._taken: Counter[str] = Counter()
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = Lock()
        self._open: set[ssl.SSLSocket] = set()
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.streamer.close()
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(SHUT_RDWR)
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address of the proxy."""
        return "http://{}:{}".format(*self._server.server_address[:2])

    def script(self, symbols: str, *replies: Reply) -> None:
        """Set the answers to the quote requests for this list of symbols (as asked: with commas)."""
        self._scripts[symbols] = replies

    def polls(self, symbols: str | None = None) -> list[Request]:
        """Return the quote requests, for one list of symbols or all."""
        asked = [request for request in self.requests if request.path == "/v7/finance/quote"]
        return [request for request in asked if symbols in (None, request.query.get("symbols"))]

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the environment of a child whose Yahoo this is; what it writes stays in ``folder``."""
        authority = folder / "yahoo-standin-ca.pem"
        self._authority.cert_pem.write_to_path(authority)
        bundles = dict.fromkeys(("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), str(authority))
        inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return {
            **inherited,
            **bundles,
            "HTTPS_PROXY": self.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "XDG_CACHE_HOME": str(folder),
            "TMPDIR": str(folder),
        }

    def answer(self, request: Request) -> Reply:
        """Return what to answer a request, and take it down."""
        with self._lock:
            self.requests.append(request)
            if request.host == "fc.yahoo.com":
                return Reply(404, headers=(("Set-Cookie", COOKIE),))
            if request.path == "/v1/test/getcrumb":
                return self.crumb
            if request.path == "/v7/finance/quote":
                return self._next_quotes(request.query)
            return status(404)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a quote request while it is answered, and hold it until enough have gathered."""
        with self._gathering:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._gathering.notify_all()
            self._gathering.wait_for(lambda: self.most_at_once >= self.gather, timeout=60)
            if self.gather:  # and leave time for one too many to come
                self._gathering.wait_for(lambda: self._at_once > self.gather, timeout=0.2)
        try:
            yield
        finally:
            with self._gathering:
                self._at_once -= 1

    def context(self, host: str) -> ssl.SSLContext:
        """Return what is needed to speak TLS as ``host``."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.set_alpn_protocols(["http/1.1"])
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def opened(self, connection: ssl.SSLSocket) -> None:
        """Take down a connection, which ends with the server at the latest."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: ssl.SSLSocket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def _next_quotes(self, query: dict[str, str]) -> Reply:
        symbols = query.get("symbols", "")
        if query.get("crumb") != CRUMB:
            error = {"code": "Unauthorized", "description": "Invalid Crumb"}
            return Reply(401, json.dumps({"finance": {"result": None, "error": error}}).encode())
        if symbols not in self._scripts:
            return status(500)
        replies = self._scripts[symbols]
        self._taken[symbols] += 1
        return replies[min(self._taken[symbols], len(replies)) - 1]


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, yahoo: YahooStandIn) -> None:
        self.yahoo = yahoo
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One connection: a CONNECT in clear, then requests over TLS."""

    protocol_version = "HTTP/1.1"
    server: _Server
    tunnel: ssl.SSLSocket | None = None
    host = ""

    def handle(self) -> None:
        # Clients come and go as they like: being cut off is their way to end.
        with suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        if self.tunnel is not None:
            self.server.yahoo.closed(self.tunnel)
            self.tunnel.close()

    def do_CONNECT(self) -> None:
        self.host = self.path.partition(":")[0]
        if self.server.yahoo.proxy_status != 200:
            self.send_error(self.server.yahoo.proxy_status)
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        self.rfile.close()
        self.tunnel = self.server.yahoo.context(self.host).wrap_socket(self.connection, server_side=True)
        self.server.yahoo.opened(self.tunnel)
        self.connection = self.tunnel
        self.rfile = self.tunnel.makefile("rb")
        self.wfile = self.tunnel.makefile("wb", buffering=0)
        self.close_connection = False

    def do_GET(self) -> None:
        if self.tunnel is None:
            self._tell_when_asked()
            return
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.close_connection = True
            self.server.yahoo.streamer.serve(self.tunnel, self.path, self.headers["Sec-WebSocket-Key"])
            return
        url = urlsplit(self.path)
        yahoo = self.server.yahoo
        with yahoo.under_way() if url.path == "/v7/finance/quote" else nullcontext():
            reply = yahoo.answer(Request(self.host, url.path, dict(parse_qsl(url.query)), monotonic()))
        self.server.yahoo.streamer.polled()
        if reply.fault == "hang":
            self.server.yahoo.closing.wait()
        if reply.fault is not None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in (*reply.headers, ("Content-Type", reply.content_type)):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _tell_when_asked(self) -> None:
        """Answer as soon as there was a request for quotes of the symbols: a test wants to know."""
        streamer, symbols = self.server.yahoo.streamer, dict(parse_qsl(urlsplit(self.path).query))["symbols"]
        streamer.wait(lambda: streamer.is_polled(symbols, 1))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing: all requests are in ``requests``."""
