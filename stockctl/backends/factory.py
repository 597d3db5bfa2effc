"""Opens the backend of a target."""

from datetime import UTC, datetime

from stockctl.backends.base import Backend
from stockctl.config.schema import Settings


def now() -> datetime:
    """Return the present as an aware UTC datetime."""
    return datetime.now(UTC)


def open_backend(settings: Settings) -> Backend:
    """Return the backend that ``target`` names, loading nothing of the other.

    Raises:
        AwsError: the connection that ``aws`` describes cannot be made.
    """
    if settings.target == "aws":
        from stockctl.backends.aws.backend import AwsBackend

        return AwsBackend(settings, now)
    from stockctl.backends.local.backend import LocalBackend

    return LocalBackend(settings, now)
