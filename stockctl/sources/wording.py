"""Many symbols, and text of foreign origin, as they may stand in a sentence."""

from collections.abc import Sequence

_SHOWN_SYMBOLS = 5
_SHOWN_TEXT = 160


def named(symbols: Sequence[str]) -> str:
    """Return the symbols as they stand in a sentence, however many they are."""
    if len(symbols) <= _SHOWN_SYMBOLS + 1:
        return ", ".join(symbols)
    return f"{', '.join(symbols[:_SHOWN_SYMBOLS])} and {len(symbols) - _SHOWN_SYMBOLS} more"


def one_line(text: str) -> str:
    """Return text of a foreign origin as it may stand in a message: escaped, on one line, not long."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= _SHOWN_TEXT else escaped[: _SHOWN_TEXT - 3] + "..."
