"""What can go wrong with a request to Yahoo, and how yfinance's exceptions are classified."""

import json
from collections.abc import Sequence
from typing import ClassVar
from urllib.request import getproxies

from stockctl.formatting import escape_line, join_symbols

SPELLING = (
    "Check the spelling; Yahoo writes BRK-B for a class of shares, VOD.L for another exchange, ^GSPC for "
    "an index and EURUSD=X for a currency."
)


class YahooError(Exception):
    """A request failed: a ``summary``, an ``explanation``, and a ``hint`` on what to do."""

    explanation: ClassVar[str]
    hint: ClassVar[str]

    def __init__(self, summary: str) -> None:
        super().__init__(summary)
        self.summary = summary


class RateLimited(YahooError):
    """Yahoo limits the number of requests from an address."""

    explanation = "No quotes come until the limit is lifted, which may take minutes or hours"
    hint = (
        "Wait some minutes, poll less often (a longer --interval) or use another network; the symbols "
        "are not at fault."
    )

    message: ClassVar[str] = "Yahoo limits this address: too many requests (HTTP 429)"

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__(self.message)
        self.retry_after = retry_after
        """Seconds to wait, from the ``Retry-After`` header; None without one."""


class CircuitOpen(RateLimited):
    """A request was not sent, because the circuit breaker is open."""

    message = "No request is sent while Yahoo's rate limit is in force (HTTP 429)"


class AccessDenied(YahooError):
    """Yahoo refuses requests from this address or with this session."""

    explanation = "Yahoo blocks some networks and outdated clients; the symbols are not the cause"
    hint = (
        "Check whether finance.yahoo.com opens in a browser on this network; try another network, and a "
        "newer yfinance (pip install --upgrade yfinance)."
    )

    def __init__(self, status: int) -> None:
        super().__init__(f"Yahoo refuses the request (HTTP {status})")


class Unreachable(YahooError):
    """Yahoo cannot be reached."""

    explanation = "The network, a proxy or a name server is the cause; nothing is known about the symbols"
    hint = "Check the connection and the proxy settings (HTTPS_PROXY), then run the command again."

    cause: ClassVar[str] = ""

    def __init__(self, reason: str) -> None:
        cause = f"{self.cause} ({escape_line(reason)})" if self.cause else escape_line(reason)
        super().__init__(f"Yahoo cannot be reached: {cause}")


class NameResolutionError(Unreachable):
    """The host name of Yahoo cannot be resolved."""

    cause = "its name cannot be found"
    explanation = "The network is down, or its name server blocks Yahoo; nothing is known about the symbols"
    hint = (
        "Check the connection and the name server (DNS): does finance.yahoo.com open in a browser on this "
        "machine?"
    )


class ProxyError(Unreachable):
    """A proxy cannot be reached, or refuses the connection."""

    cause = "the proxy refuses the connection"
    explanation = "The proxy is the cause; nothing is known about the symbols"
    hint = "Check the proxy settings (HTTPS_PROXY, NO_PROXY), and whether the proxy allows finance.yahoo.com."


class TlsError(Unreachable):
    """The server has no valid certificate for Yahoo's host name."""

    cause = "no secure connection (TLS)"
    explanation = "Something on the network decrypts connections to Yahoo; nothing is known about the symbols"
    hint = (
        "Behind such a firewall, set CURL_CA_BUNDLE to the file of its certificate (PEM); otherwise check "
        "the clock of this machine."
    )


class TimedOut(Unreachable):
    """There is no answer in time."""

    cause = "no answer in time"
    explanation = "The network or Yahoo is slow or cut off; nothing is known about the symbols"


class ServerError(YahooError):
    """Yahoo's own server failed."""

    explanation = "Such errors usually go away by themselves"
    hint = "Run the command again in some minutes. The symbols are not the cause."

    def __init__(self, status: int) -> None:
        super().__init__(f"Yahoo's server failed (HTTP {status})")


class MalformedResponse(YahooError):
    """Yahoo sent an answer of unexpected content."""

    explanation = "Either a temporary error, or Yahoo has changed its format"
    hint = (
        "Run the command again later; if the error persists, update yfinance "
        "(pip install --upgrade yfinance)."
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"Yahoo's answer cannot be understood: {escape_line(reason)}")


class NoQuotes(YahooError):
    """A valid answer in which no symbol has a quote."""

    explanation = "Yahoo does not know them, or has no data at the moment"
    hint = SPELLING

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(f"Yahoo answers, but has no quote for {join_symbols(symbols)}")


_NAME_RESOLUTION_TEXTS = ("NameResolutionError", "Failed to resolve", "Name or service not known")
# By class name, the same in curl_cffi and requests; the first match counts.
_NETWORK_ERRORS: tuple[tuple[str, type[Unreachable]], ...] = (
    ("ProxyError", ProxyError),
    ("DNSError", NameResolutionError),
    ("SSLError", TlsError),
    ("Timeout", TimedOut),
)


def classify_error(error: Exception, crumb: str = "") -> YahooError:
    """Return the ``YahooError`` for an exception; ``crumb`` is the crumb that yfinance uses."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    # If the request for the crumb is rate-limited, yfinance uses the error text as the crumb, and gets a 401.
    limited_before = status == 401 and "Too Many Requests" in crumb
    if type(error).__name__ == "YFRateLimitError" or status == 429 or limited_before:
        return RateLimited()
    # The parser's error first: in requests it is a network error, too.
    if isinstance(error, json.JSONDecodeError):
        reason = f"it is not JSON ({error.msg} at character {error.pos})" if error.doc else "it is empty"
        return MalformedResponse(reason)
    if isinstance(status, int) and status >= 400:
        return ServerError(status) if status < 600 and status >= 500 else AccessDenied(status)
    # Without curl_cffi, yfinance raises another error while it handles a network error.
    network = next((each for each in (error, error.__context__) if isinstance(each, OSError)), None)
    if network is not None:
        return _unreachable(network)
    return MalformedResponse(f"yfinance fails to process it ({type(error).__name__}: {error})")


def _unreachable(error: OSError) -> Unreachable:
    reason = _network_reason(error)
    names = {each.__name__ for each in type(error).__mro__}
    if any(text in str(error) for text in _NAME_RESOLUTION_TEXTS) and "ProxyError" not in names:
        return NameResolutionError(reason)
    for name, error_class in _NETWORK_ERRORS:
        if name in names:
            return error_class(reason)
    # Behind a proxy, the only connection is to the proxy.
    has_proxy = "Could not connect" in reason and getproxies().get("https")
    if "CONNECT tunnel failed" in reason or ("ConnectionError" in names and has_proxy):
        return ProxyError(reason)
    return Unreachable(reason)


def _network_reason(error: OSError) -> str:
    """Return the reason from a message of curl or requests, without the text around it."""
    text = str(error).removeprefix("Failed to perform, ").partition(". See ")[0]
    return text.partition("(Caused by ")[2].removesuffix(")") or text or type(error).__name__
