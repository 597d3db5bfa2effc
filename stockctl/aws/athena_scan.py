"""How far a query of Athena is, and what it costs."""

from decimal import Decimal
from typing import NamedTuple

DOLLARS_PER_TB = Decimal(5)
"""List price of us-east-1 in November 2026; a terabyte is 10^12 bytes."""
_MB = 1_000_000
_LEAST_MB = 10


class Scan(NamedTuple):
    """How far a query is, and what it has read."""

    query_id: str
    state: str
    """``QUEUED``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``."""
    bytes: int
    """Bytes scanned so far."""

    @property
    def dollars(self) -> Decimal:
        """What Athena charges: by the megabyte, at least ten; nothing for a query that failed."""
        if self.state == "FAILED" or (self.state != "SUCCEEDED" and not self.bytes):
            return Decimal(0)
        megabytes = max(_LEAST_MB, -(-self.bytes // _MB))
        return megabytes * DOLLARS_PER_TB / 1_000_000

    @property
    def progress(self) -> str:
        """How far it is, in a few words."""
        if not self.bytes:
            return f"query {self.state.lower()}"
        return f"query {self.state.lower()}, {_size(self.bytes)} scanned"

    def __str__(self) -> str:
        cancelled = "cancelled: " if self.state == "CANCELLED" else ""
        return (
            f"{cancelled}{_size(self.bytes)} scanned, ${self.dollars:f} "
            f"(${DOLLARS_PER_TB} a TB, {_LEAST_MB} MB at least, plus the S3 requests)"
        )


def _size(number: int) -> str:
    size, units = float(number), iter(("kB", "MB", "GB"))
    if number < 1000:
        return f"{number} bytes"
    while size >= 1000 and (unit := next(units, "")):
        size, shown = size / 1000, unit
    return f"{size:.1f} {shown}"
