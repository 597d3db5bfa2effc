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
    """A poll failed: ``what`` happened, what it ``means``, and a ``hint`` for whoever will not wait."""

    means: ClassVar[str]
    hint: ClassVar[str]

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class RateLimited(YahooError):
    """Yahoo counts the requests of an address and has had enough of them."""

    means = "No quotes come until the limit is lifted, which may take minutes or hours"
    hint = (
        "Wait some minutes, poll less often (a longer --interval) or use another network; the symbols "
        "are not at fault."
    )

    says: ClassVar[str] = "Yahoo limits this address: too many requests (HTTP 429)"

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__(self.says)
        self.retry_after = retry_after
        """Seconds that Yahoo asks to wait; None when it does not say."""


class CircuitOpen(RateLimited):
    """A request was not sent, so that Yahoo is left alone for a while."""

    says = "Yahoo is left alone after too many requests (HTTP 429)"


class AccessDenied(YahooError):
    """Yahoo does not serve this address or this session."""

    means = "Yahoo blocks some networks and outdated clients; the symbols are not at fault"
    hint = (
        "See whether finance.yahoo.com opens in a browser on this network; try another network, and a "
        "newer yfinance (pip install --upgrade yfinance)."
    )

    def __init__(self, status: int) -> None:
        super().__init__(f"Yahoo refuses the request (HTTP {status})")


class Unreachable(YahooError):
    """There is no way to Yahoo."""

    means = "The network, a proxy or a name server is in the way; nothing is known about the symbols"
    hint = "Check the connection and the proxy settings (HTTPS_PROXY), then run the command again."

    cause: ClassVar[str] = ""

    def __init__(self, reason: str) -> None:
        what = f"{self.cause} ({escape_line(reason)})" if self.cause else escape_line(reason)
        super().__init__(f"Yahoo cannot be reached: {what}")


class NameResolutionError(Unreachable):
    """No name server gives the address of Yahoo."""

    cause = "its name cannot be found"
    means = "The network is down, or its name server blocks Yahoo; nothing is known about the symbols"
    hint = (
        "Check the connection and the name server (DNS): does finance.yahoo.com open in a browser on this "
        "machine?"
    )


class ProxyError(Unreachable):
    """A proxy cannot be reached, or does not let requests through."""

    cause = "the proxy does not let us through"
    means = "The proxy is in the way; nothing is known about the symbols"
    hint = "Check the proxy settings (HTTPS_PROXY, NO_PROXY), and whether the proxy allows finance.yahoo.com."


class TlsError(Unreachable):
    """The other side cannot prove that it is Yahoo."""

    cause = "no secure connection (TLS)"
    means = "Something between here and Yahoo opens its connections; nothing is known about the symbols"
    hint = (
        "Behind a firewall that does so, set CURL_CA_BUNDLE to the file of its certificate (PEM); otherwise "
        "check the clock of this machine."
    )


class TimedOut(Unreachable):
    """Nobody answers in time."""

    cause = "no answer in time"
    means = "The network or Yahoo is slow or cut off; nothing is known about the symbols"


class ServerError(YahooError):
    """Yahoo's own server failed."""

    means = "Such faults of Yahoo pass by themselves as a rule"
    hint = "Run the command again in some minutes; the symbols are not at fault."

    def __init__(self, status: int) -> None:
        super().__init__(f"Yahoo's server failed (HTTP {status})")


class MalformedResponse(YahooError):
    """Yahoo answered, and the answer is not what it should be."""

    means = "Either a passing fault, or Yahoo has changed its answers"
    hint = "Run the command again later; if it stays so, update yfinance (pip install --upgrade yfinance)."

    def __init__(self, reason: str) -> None:
        super().__init__(f"Yahoo's answer cannot be understood: {escape_line(reason)}")


class NoQuotes(YahooError):
    """A sound answer in which no symbol has a quote."""

    means = "Yahoo does not know them, or has nothing to say just now"
    hint = SPELLING

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(f"Yahoo answers, but has no quote for {join_symbols(symbols)}")


_NAME_RESOLUTION_CODES = ("NameResolutionError", "Failed to resolve", "Name or service not known")
# By the names of their classes, which curl_cffi and requests share; the first that fits counts.
_NETWORK_CODES: tuple[tuple[str, type[Unreachable]], ...] = (
    ("ProxyError", ProxyError),
    ("DNSError", NameResolutionError),
    ("SSLError", TlsError),
    ("Timeout", TimedOut),
)


def classify_error(error: Exception, crumb: str = "") -> YahooError:
    """Return the fault that an exception stands for; ``crumb`` is what yfinance takes for its crumb."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    # Limited as early as at the crumb, yfinance takes the refusal for one, and is told 401 for that.
    limited_before = status == 401 and "Too Many Requests" in crumb
    if type(error).__name__ == "YFRateLimitError" or status == 429 or limited_before:
        return RateLimited()
    # A parser's error first: in requests it is a network error as well.
    if isinstance(error, json.JSONDecodeError):
        reason = f"it is not JSON ({error.msg} at character {error.pos})" if error.doc else "it is empty"
        return MalformedResponse(reason)
    if isinstance(status, int) and status >= 400:
        return ServerError(status) if status < 600 and status >= 500 else AccessDenied(status)
    # Without curl_cffi, yfinance stumbles while it handles a network error.
    network = next((each for each in (error, error.__context__) if isinstance(each, OSError)), None)
    if network is not None:
        return _unreachable(network)
    return MalformedResponse(f"yfinance stumbles over it ({type(error).__name__}: {error})")


def _unreachable(error: OSError) -> Unreachable:
    reason = _network_reason(error)
    names = {each.__name__ for each in type(error).__mro__}
    if any(text in str(error) for text in _NAME_RESOLUTION_CODES) and "ProxyError" not in names:
        return NameResolutionError(reason)
    for name, fault in _NETWORK_CODES:
        if name in names:
            return fault(reason)
    # Behind a proxy, nothing but the proxy is connected to.
    behind_one = "Could not connect" in reason and getproxies().get("https")
    if "CONNECT tunnel failed" in reason or ("ConnectionError" in names and behind_one):
        return ProxyError(reason)
    return Unreachable(reason)


def _network_reason(error: OSError) -> str:
    """Return the heart of what curl or requests says, without the words around it."""
    text = str(error).removeprefix("Failed to perform, ").partition(". See ")[0]
    return text.partition("(Caused by ")[2].removesuffix(")") or text or type(error).__name__
