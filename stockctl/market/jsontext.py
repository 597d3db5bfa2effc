"""JSON text with exact numbers."""

import json
from collections.abc import Mapping
from decimal import Decimal

from stockctl.market.decimals import plain


def to_json(value: object) -> str:
    """Return ``value`` as JSON, decimals exact."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)}: {to_json(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(to_json(inner) for inner in value) + "]"
    return json.dumps(value)
