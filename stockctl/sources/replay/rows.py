"""The check of one row, from the texts of a file to texts that need no second look."""

import re
from collections.abc import Callable, Collection
from decimal import Decimal
from functools import lru_cache

from stockctl.market.decimals import parse_number, parse_positive, plain
from stockctl.market.quote import MAX_VOLUME
from stockctl.market.refusal import Refusal, shown
from stockctl.market.symbol import parse_symbol
from stockctl.sources.replay.columns import Values

_REMEMBERED = 1 << 16
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
# Nearly every cell is one of these, and then is right as it stands.
_is_plain = re.compile(r"(?:[0-9]{1,15}(?:\.[0-9]{1,6})?)?").fullmatch
_is_plain_positive = re.compile(r"(?=[0.]*[1-9])[0-9]{1,15}(?:\.[0-9]{1,6})?").fullmatch
_is_plain_volume = re.compile(r"(?:[0-9]{1,18})?").fullmatch


class RowCheck:
    """Turns the values of a row into canonical ones, texts all the same.

    Args:
        symbols: the symbols that are wanted, in canonical form, or None for all.
        moment: reads a time.
    """

    def __init__(self, symbols: Collection[str] | None, moment: Callable[[str], str]) -> None:
        self._wanted = symbols
        self._moment = moment
        self._symbol = lru_cache(maxsize=_REMEMBERED)(self._read_symbol)
        self.absent = set(symbols or ())
        """Which of the wanted symbols were not met yet."""

    def checked(self, values: Values) -> Values | None:
        """Return the values of a row as a quote has them, empty where unknown; None if it is unwanted.

        Raises:
            Refusal: a field is missing or breaks the contract of a quote.
        """
        symbol_text, time_text, price, previous_close, opening, high, low, volume = values
        symbol = self._symbol(symbol_text)
        if symbol is None:
            return None
        timestamp = self._moment(time_text)
        if not _is_plain_positive(price):
            price = _price(price)
        if previous_close and not _is_plain_positive(previous_close):
            previous_close = _optional(previous_close, "previous_close", parse_positive)
        if not _is_plain(opening):
            opening = _optional(opening, "open", parse_number)
        if not _is_plain(high):
            high = _optional(high, "high", parse_number)
        if not _is_plain(low):
            low = _optional(low, "low", parse_number)
        if not _is_plain_volume(volume):
            volume = _volume(volume)
        return symbol, timestamp, price, previous_close, opening, high, low, volume

    def _read_symbol(self, text: str) -> str | None:
        text = text.strip()
        if not text:
            raise Refusal("symbol is missing")
        symbol = parse_symbol(text)
        if self._wanted is None:
            return symbol
        if symbol not in self._wanted:
            return None
        self.absent.discard(symbol)
        return symbol


def _price(text: str) -> str:
    if not text.strip():
        raise Refusal("price is missing")
    return _optional(text, "price", parse_positive)


def _optional(text: str, field: str, parse: Callable[[object, str], Decimal]) -> str:
    text = text.strip()
    return plain(parse(_number(text, field), field)) if text else ""


def _number(text: str, field: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise Refusal(f"{field} {shown(text)} is not a number")
    return Decimal(text)


def _volume(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    number = _number(text, "volume")
    # A column of whole numbers with gaps is often written as 1200.0 or 1.2e3.
    if not 0 <= number <= MAX_VOLUME or number != number.to_integral_value():
        raise Refusal(f"volume {shown(text)} is not a whole number from 0 to 2**63 - 1")
    return str(int(number))
