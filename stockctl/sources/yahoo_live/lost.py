"""Why a connection failed, in words for a person."""

import socket
import ssl

from websockets.exceptions import ConnectionClosed, InvalidProxyStatus, InvalidStatus, ProxyError

from stockctl.sources.wording import one_line
from stockctl.sources.yahoo_live.connection import ProxySetting

_CLEAN = 1000
_TOO_MANY = 429


def is_limit(error: Exception) -> bool:
    """Return whether Yahoo refuses because there are too many requests from this address."""
    return isinstance(error, InvalidStatus) and error.response.status_code == _TOO_MANY


def why(error: Exception) -> str:
    """Return what happened to the connection, as the beginning of a sentence."""
    if isinstance(error, ConnectionClosed):
        return _closed(error)
    if isinstance(error, InvalidStatus):
        return _refused(error.response.status_code)
    if isinstance(error, ProxySetting):
        return (
            "Yahoo's live quotes cannot be reached by the proxy that is set (HTTPS_PROXY, SOCKS_PROXY or "
            f"WSS_PROXY): {one_line(str(error))}. Correct or unset it, and start again"
        )
    if isinstance(error, InvalidProxyStatus):
        return f"The proxy refuses the way to Yahoo's live quotes (HTTP {error.response.status_code})"
    if isinstance(error, ProxyError):
        return f"The proxy does not let Yahoo's live quotes through: {one_line(str(error))}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Somebody else answers for Yahoo's live quotes (TLS): {one_line(error.verify_message)}"
    if isinstance(error, socket.gaierror):
        return f"No name server knows the host of Yahoo's live quotes: {one_line(str(error))}"
    if isinstance(error, TimeoutError):
        return "Yahoo's live quotes do not answer in time"
    return f"Yahoo's live quotes cannot be reached: {one_line(str(error) or type(error).__name__)}"


def _refused(status: int) -> str:
    if status == _TOO_MANY:
        return "Yahoo limits this address: too many live connections (HTTP 429)"
    if status >= 500:
        return f"Yahoo's server of live quotes failed (HTTP {status})"
    return f"Yahoo refuses a live connection (HTTP {status})"


def _closed(error: ConnectionClosed) -> str:
    if error.rcvd is None:
        return "The live connection to Yahoo broke"
    if error.rcvd.code == _CLEAN:
        return "Yahoo closed the live connection"
    return f"Yahoo closed the live connection ({error.rcvd.code} {one_line(error.rcvd.reason)})".replace(
        " )", ")"
    )
