"""What went wrong, by the exception that came out of yfinance, curl_cffi or requests."""

import json
from urllib.request import getproxies

from stockctl.sources.yahoo.faults import (
    Malformed,
    NameFault,
    ProxyFault,
    RateLimited,
    Refused,
    ServerFault,
    TimedOut,
    TlsFault,
    Unreachable,
    YahooFault,
)

_NAME_FAULTS = ("NameResolutionError", "Failed to resolve", "Name or service not known")
# By the names of their classes, which curl_cffi and requests share; the first that fits counts.
_NETWORK_FAULTS: tuple[tuple[str, type[Unreachable]], ...] = (
    ("ProxyError", ProxyFault),
    ("DNSError", NameFault),
    ("SSLError", TlsFault),
    ("Timeout", TimedOut),
)


def fault_of(error: Exception, crumb: str = "") -> YahooFault:
    """Return the fault that an exception stands for; ``crumb`` is what yfinance takes for its crumb."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    # Limited as early as at the crumb, yfinance takes the refusal for one, and is told 401 for that.
    limited_before = status == 401 and "Too Many Requests" in crumb
    if type(error).__name__ == "YFRateLimitError" or status == 429 or limited_before:
        return RateLimited()
    # A parser's error first: in requests it is a network error as well.
    if isinstance(error, json.JSONDecodeError):
        reason = f"it is not JSON ({error.msg} at character {error.pos})" if error.doc else "it is empty"
        return Malformed(reason)
    if isinstance(status, int) and status >= 400:
        return ServerFault(status) if status < 600 and status >= 500 else Refused(status)
    # Without curl_cffi, yfinance stumbles while it handles a network error.
    network = next((each for each in (error, error.__context__) if isinstance(each, OSError)), None)
    if network is not None:
        return _unreachable(network)
    return Malformed(f"yfinance stumbles over it ({type(error).__name__}: {error})")


def _unreachable(error: OSError) -> Unreachable:
    reason = _network_reason(error)
    names = {each.__name__ for each in type(error).__mro__}
    if any(text in str(error) for text in _NAME_FAULTS) and "ProxyError" not in names:
        return NameFault(reason)
    for name, fault in _NETWORK_FAULTS:
        if name in names:
            return fault(reason)
    # Behind a proxy, nothing but the proxy is connected to.
    behind_one = "Could not connect" in reason and getproxies().get("https")
    if "CONNECT tunnel failed" in reason or ("ConnectionError" in names and behind_one):
        return ProxyFault(reason)
    return Unreachable(reason)


def _network_reason(error: OSError) -> str:
    """Return the heart of what curl or requests says, without the words around it."""
    text = str(error).removeprefix("Failed to perform, ").partition(". See ")[0]
    return text.partition("(Caused by ")[2].removesuffix(")") or text or type(error).__name__
