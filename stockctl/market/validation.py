"""What makes a quote invalid."""

from decimal import Decimal

_SHOWN = 60


class InvalidQuote(ValueError):
    """A value breaks the contract of a quote; the text is the reason, fit for a person and a log."""


def truncate(value: object) -> str:
    """Return ``value`` as it may appear in a reason: one line, escaped, cut at 60 characters."""
    text = str(value) if type(value) is Decimal else ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
