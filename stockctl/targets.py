"""The choice of the place where the pipeline runs."""

from datetime import UTC, datetime

from stockctl.backend import Backend
from stockctl.config import Settings
from stockctl.errors import UsageError


def now() -> datetime:
    """Return the present as an aware UTC datetime."""
    return datetime.now(UTC)


def open_backend(settings: Settings) -> Backend:
    """Return the backend that ``target`` names.

    Raises:
        UsageError: this version has no such backend.
    """
    if settings.target == "local":
        from stockctl.local.backend import EmbeddedBackend

        return EmbeddedBackend(settings, now)
    raise UsageError(
        'target = "aws" is not available in this version of stockctl.',
        "Use the embedded pipeline: --target local.",
    )
