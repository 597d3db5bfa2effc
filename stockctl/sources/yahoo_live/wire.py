"""The one module that touches yfinance's streaming half: where it connects to, and what messages mean."""

import base64
import binascii
import json
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import NamedTuple

from stockctl.errors import SourceError
from stockctl.market.refusal import Refusal, shown
from stockctl.sources.yahoo_live.frames import Pricing

_SYMBOLS_A_MESSAGE = 1000
"""At most; yfinance sends all in one message, which servers refuse beyond 64 KiB."""
_UNFIT = "Install a release that stockctl was made for: pip install 'yfinance>=1.0,<2'."


class Yahoo(NamedTuple):
    """What yfinance knows of Yahoo's streaming server."""

    url: str
    decode: Callable[[bytes], Pricing]


@cache
def load() -> Yahoo:
    """Return what yfinance knows; the first call imports it, which takes a second.

    Raises:
        SourceError: yfinance is absent, broken, or too new.
    """
    try:
        import google.protobuf.message
        from yfinance import AsyncWebSocket
        from yfinance.pricing_pb2 import PricingData
    except ImportError as error:
        raise SourceError(f"yfinance cannot be loaded, or does not stream: {error}.", _UNFIT) from error
    url = getattr(AsyncWebSocket(verbose=False), "url", None)
    missing = Pricing.__annotations__.keys() - PricingData.DESCRIPTOR.fields_by_name.keys()
    if not isinstance(url, str) or missing:
        raise SourceError("This release of yfinance streams in another way.", _UNFIT)

    def decode(data: bytes) -> Pricing:
        try:
            pricing: Pricing = PricingData.FromString(data)
        except google.protobuf.message.DecodeError as error:
            raise Refusal(f"not a PricingData message: {error}") from None
        return pricing

    return Yahoo(url, decode)


def read_message(message: str | bytes, decode: Callable[[bytes], Pricing]) -> Pricing:
    """Return the pricing data in a message: base64 of a protobuf, in a JSON object.

    Raises:
        Refusal: it is none.
    """
    try:
        value = json.loads(message)
    except ValueError as error:
        raise Refusal(f"not JSON: {error}") from None
    except RecursionError:
        raise Refusal("not a message: nested too deeply") from None
    packed = value.get("message") if isinstance(value, dict) else None
    if not isinstance(packed, str) or not packed:
        raise Refusal(f"a message is an object with a text in it, not {shown(value)}")
    try:
        return decode(base64.b64decode(packed, validate=True))
    except (binascii.Error, ValueError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal(f"not base64: {error}") from None


def requests(verb: str, symbols: Collection[str]) -> Iterator[str]:
    """Yield the messages that ``subscribe`` or ``unsubscribe`` symbols."""
    listed = list(symbols)
    for start in range(0, len(listed), _SYMBOLS_A_MESSAGE):
        yield json.dumps({verb: listed[start : start + _SYMBOLS_A_MESSAGE]})
