"""Yahoo cannot be reached: errors of DNS, proxies, certificates and timeouts have their own messages."""

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from stockctl.sources.yahoo.errors import (
    AccessDenied,
    MalformedResponse,
    NameResolutionError,
    ProxyError,
    RateLimited,
    ServerError,
    TimedOut,
    TlsError,
    Unreachable,
    classify_error,
)
from support.paths import REPOSITORY, TESTS
from support.yahoo.polling_run import once, run
from support.yahoo.server import YahooStandIn, good, quotes

pytest_plugins = ["support.yahoo.fixtures"]

pytestmark = pytest.mark.slow

NO_NAME = ".".join(["a" * 60] * 5)
"""A name that no name server is asked for, because it is too long to be sent."""


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a proxy that refuses connections: its port is bound, but not open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def stranger(tmp_path: Path) -> str:
    """The file of another certificate authority than that of the fake server."""
    file = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return str(file)


def explained(yahoo: YahooStandIn, environment: dict[str, str], folder: Path) -> tuple[str, str]:
    """Return message and hint of a single poll that fails."""
    yahoo.script("AAPL", quotes(good("AAPL")))
    found = run(yahoo, environment, {"blocked": once("AAPL", quotes(good("AAPL")))}, folder)
    assert found.requests == []
    error = found.outcomes["blocked"].error
    assert error is not None
    assert "nothing is known about the symbols" in error[0]
    return error[0], error[1]


@pytest.mark.parametrize("without_curl", ["0", "1"])
def test_a_certificate_nobody_vouches_for_is_a_fault_of_tls(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path, stranger: str, without_curl: str
) -> None:
    """A firewall that decrypts connections; the hint says how to trust it."""
    bundles = dict.fromkeys(("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), stranger)
    environment = {**yahoo_environment, **bundles, "YF_DISABLE_CURL_CFFI": without_curl}
    message, hint = explained(yahoo, environment, tmp_path)
    assert message.startswith("Yahoo cannot be reached: no secure connection (TLS) (")
    assert "CURL_CA_BUNDLE" in hint


@pytest.mark.parametrize("without_curl", ["0", "1"])
def test_a_proxy_that_refuses_is_a_fault_of_the_proxy(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path, without_curl: str
) -> None:
    """It wants a password."""
    yahoo.proxy_status = 407
    environment = {**yahoo_environment, "YF_DISABLE_CURL_CFFI": without_curl}
    message, hint = explained(yahoo, environment, tmp_path)
    assert message.startswith("Yahoo cannot be reached: the proxy refuses the connection (")
    assert "407" in message
    assert "HTTPS_PROXY" in hint


@pytest.mark.parametrize("without_curl", ["0", "1"])
def test_a_proxy_without_an_address_is_a_fault_of_the_proxy(
    yahoo: YahooStandIn, yahoo_environment: dict[str, str], tmp_path: Path, without_curl: str
) -> None:
    """Its name is wrong, and not that of Yahoo."""
    proxy = {"HTTPS_PROXY": f"http://{NO_NAME}:3128", "YF_DISABLE_CURL_CFFI": without_curl}
    environment = {**yahoo_environment, **proxy}
    message, hint = explained(yahoo, environment, tmp_path)
    assert message.startswith("Yahoo cannot be reached: the proxy refuses the connection (")
    assert "HTTPS_PROXY" in hint


ASK = """
import json, sys
from stockctl.sources.yahoo.errors import classify_error
library, address, timeout = json.load(sys.stdin)
if library == "curl_cffi":
    from curl_cffi import requests
else:
    import requests
try:
    requests.get(address, timeout=timeout)
except OSError as error:
    fault = classify_error(error)
    print(type(fault).__name__, fault.summary, sep="|")
"""


def asked(library: str, address: str, timeout: float = 10) -> tuple[str, str]:
    """Return the fault that a library's own exception stands for, and what it says."""
    child = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps([library, address, timeout]),
        env={"PYTHONPATH": f"{REPOSITORY}:{TESTS}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    name, _, what = child.stdout.strip().partition("|")
    return name, what


libraries = pytest.mark.parametrize("library", ["curl_cffi", "requests"])


@libraries
def test_a_name_without_an_address_is_a_fault_of_names(library: str) -> None:
    """Without a proxy, Yahoo's host name cannot be resolved."""
    name, what = asked(library, f"https://{NO_NAME}/")
    assert name == "NameResolutionError"
    assert what.startswith("Yahoo cannot be reached: its name cannot be found (")


@libraries
def test_silence_is_no_answer_in_time(library: str) -> None:
    """A server that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        name, what = asked(library, f"http://127.0.0.1:{server.getsockname()[1]}/", 0.2)
    assert name == "TimedOut"
    assert what.startswith("Yahoo cannot be reached: no answer in time (")


@libraries
def test_a_refused_connection_without_a_proxy_is_no_fault_of_one(library: str, nobody: str) -> None:
    """Without more information the message is general."""
    assert asked(library, nobody)[0] == "Unreachable"


class HttpError(OSError):
    """An error with a response, as both libraries raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP Error {status}")
        self.response = type("Response", (), {"status_code": status})()


@pytest.mark.parametrize(
    ("error", "crumb", "fault"),
    [
        (HttpError(429), "", RateLimited),
        (HttpError(401), "Too Many Requests\r\n", RateLimited),
        (HttpError(401), "a1b2", AccessDenied),
        (HttpError(403), "", AccessDenied),
        (HttpError(999), "", AccessDenied),
        (HttpError(500), "", ServerError),
        (HttpError(599), "", ServerError),
        (json.JSONDecodeError("no", "<html>", 0), "", MalformedResponse),
        (KeyError("A3"), "", MalformedResponse),
        (TimeoutError(), "", Unreachable),
        (ssl.SSLError("handshake"), "", TlsError),
        (socket.gaierror(-2, "Name or service not known"), "", NameResolutionError),
    ],
)
def test_every_exception_has_a_name_of_ours(error: Exception, crumb: str, fault: type) -> None:
    """Rate limits first, then answers, then the network; any other error is a malformed answer."""
    assert type(classify_error(error, crumb)) in (fault, TimedOut if fault is Unreachable else fault)
    assert issubclass(ProxyError, Unreachable)
