"""Ticker symbols: safe in a key, a path and a query, or refused."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.errors import InvalidQuote
from stockctl.market.symbol import parse_symbol
from support.quote_strategies import SYMBOLS, examples


@pytest.mark.parametrize(
    "symbol",
    ["A", "AAPL", "BRK-B", "BF.B", "^VIX", "^GSPC", "EURUSD=X", "ES=F", "0700.HK", "7203.T", "A" * 20],
)
def test_symbols_of_the_markets_are_taken(symbol: str):
    """Shares, classes, indices, currencies and futures of any exchange are symbols."""
    assert parse_symbol(symbol) == symbol
    assert parse_symbol(symbol.lower()) == symbol


@given(st.text(max_size=24) | SYMBOLS)
@examples(150)
def test_any_text_becomes_safe_or_is_refused(text: str):
    """What is taken has only safe characters, cannot leave a folder and is its own symbol again."""
    try:
        symbol = parse_symbol(text)
    except InvalidQuote:
        return
    assert re.fullmatch(r"[A-Z0-9^][A-Z0-9.^=-]{0,19}", symbol)
    assert parse_symbol(symbol) == symbol
    assert symbol.lower() == text.lower()


@pytest.mark.parametrize(
    "character", sorted(set(string.printable) - set(string.ascii_letters + string.digits))
)
def test_every_other_ascii_character(character: str):
    """Of the other ASCII characters only ^ may begin a symbol, and only . ^ = - may go on."""
    taken = []
    for text in (f"{character}A", f"A{character}A", f"A{character}"):
        try:
            taken.append(parse_symbol(text))
        except InvalidQuote:
            taken.append(None)
    begins, goes_on = character == "^", character in "^.=-"
    assert [symbol is not None for symbol in taken] == [begins, goes_on, goes_on]


@pytest.mark.parametrize("letter", ["ß", "ı", "ſ", "ﬁ", "İ", "\u212a", "é", "Ａ", "А"])
def test_letters_that_upper_case_to_ascii_are_refused(letter: str):
    """A letter that only looks like ASCII, or becomes it in upper case, is refused, not rewritten."""
    with pytest.raises(InvalidQuote, match="is not 1 to 20 letters, digits and"):
        parse_symbol(f"A{letter}")
