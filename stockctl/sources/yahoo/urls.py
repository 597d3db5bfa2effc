"""How many symbols go into one request."""

from collections.abc import Iterable
from urllib.parse import quote

LONGEST_LIST = 6000
"""Characters of a URL that the symbols may take: servers and proxies accept 8,000 in all."""

_COMMA = len(quote(",", safe=""))


def split(symbols: Iterable[str]) -> list[list[str]]:
    """Return the symbols, in order, in as few lists as fit into a URL each; 500 and more fit into one."""
    lists: list[list[str]] = []
    room = 0
    for symbol in symbols:
        length = len(quote(symbol, safe="")) + _COMMA
        if length > room:
            lists.append([])
            room = LONGEST_LIST
        lists[-1].append(symbol)
        room -= length
    return lists
