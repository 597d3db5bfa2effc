"""The error of invalid quotes, and how it shows a value."""

from decimal import Decimal

_SHOWN = 60


class InvalidQuote(ValueError):
    """A value is not valid in a quote; the text is the reason, for people and logs."""


def truncate(value: object) -> str:
    """Return ``value`` for an error message: one line, escaped, at most 60 characters."""
    text = str(value) if type(value) is Decimal else ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
