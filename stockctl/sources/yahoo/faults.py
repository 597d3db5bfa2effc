"""Why a poll brought nothing. Four things look alike and are told apart: limited, refused, cut off, unknown.

    YahooFault
    ├── RateLimited     too many requests from this address
    ├── Refused         this address or session is not served
    ├── Unreachable     no connection to Yahoo
    ├── ServerFault     Yahoo failed by itself
    ├── Malformed       an answer that nobody can understand
    └── NoQuotes        a sound answer without any of the symbols

None of them says that a symbol is gone, and all of them may pass.
"""

from collections.abc import Sequence
from typing import ClassVar

_SHOWN_SYMBOLS = 5
_SHOWN_TEXT = 160

SPELLING = (
    "Check the spelling; Yahoo writes BRK-B for a class of shares, VOD.L for another exchange, ^GSPC for "
    "an index and EURUSD=X for a currency."
)


class YahooFault(Exception):
    """A poll failed: ``what`` happened, what it ``means``, and a ``hint`` for whoever will not wait."""

    means: ClassVar[str]
    hint: ClassVar[str]

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class RateLimited(YahooFault):
    """Yahoo counts the requests of an address and has had enough of them."""

    means = "No quotes come until the limit is lifted, which may take minutes or hours"
    hint = (
        "Wait some minutes, poll less often (a longer --interval) or use another network; the symbols "
        "are not at fault."
    )

    def __init__(self) -> None:
        super().__init__("Yahoo limits this address: too many requests (HTTP 429)")


class Refused(YahooFault):
    """Yahoo does not serve this address or this session."""

    means = "Yahoo blocks some networks and outdated clients; the symbols are not at fault"
    hint = (
        "See whether finance.yahoo.com opens in a browser on this network; try another network, and a "
        "newer yfinance (pip install --upgrade yfinance)."
    )

    def __init__(self, status: int) -> None:
        super().__init__(f"Yahoo refuses the request (HTTP {status})")


class Unreachable(YahooFault):
    """There is no way to Yahoo."""

    means = "The network, a proxy or a name server is in the way; nothing is known about the symbols"
    hint = "Check the connection and the proxy settings (HTTPS_PROXY), then run the command again."

    def __init__(self, reason: str) -> None:
        super().__init__(f"Yahoo cannot be reached: {one_line(reason)}")


class ServerFault(YahooFault):
    """Yahoo's own server failed."""

    means = "Such faults of Yahoo pass by themselves as a rule"
    hint = "Run the command again in some minutes; the symbols are not at fault."

    def __init__(self, status: int) -> None:
        super().__init__(f"Yahoo's server failed (HTTP {status})")


class Malformed(YahooFault):
    """Yahoo answered, and the answer is not what it should be."""

    means = "Either a passing fault, or Yahoo has changed its answers"
    hint = "Run the command again later; if it stays so, update yfinance (pip install --upgrade yfinance)."

    def __init__(self, reason: str) -> None:
        super().__init__(f"Yahoo's answer cannot be understood: {one_line(reason)}")


class NoQuotes(YahooFault):
    """A sound answer in which no symbol has a quote."""

    means = "Yahoo does not know them, or has nothing to say just now"
    hint = SPELLING

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(f"Yahoo answers, but has no quote for {named(symbols)}")


def named(symbols: Sequence[str]) -> str:
    """Return the symbols as they stand in a sentence, however many they are."""
    if len(symbols) <= _SHOWN_SYMBOLS + 1:
        return ", ".join(symbols)
    return f"{', '.join(symbols[:_SHOWN_SYMBOLS])} and {len(symbols) - _SHOWN_SYMBOLS} more"


def one_line(text: str) -> str:
    """Return text of a foreign origin as it may stand in a message: escaped, on one line, not long."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= _SHOWN_TEXT else escaped[: _SHOWN_TEXT - 3] + "..."
