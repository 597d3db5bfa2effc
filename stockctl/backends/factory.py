"""Opens the backend that the configuration names."""

from datetime import UTC, datetime

from stockctl.backends.base import Backend
from stockctl.config.schema import Settings


def now() -> datetime:
    """Return the current time as an aware UTC datetime."""
    return datetime.now(UTC)


def open_backend(settings: Settings) -> Backend:
    """Return the backend that ``target`` names; the other one is not imported.

    Raises:
        AwsError: the AWS connection cannot be configured.
    """
    if settings.target == "aws":
        from stockctl.backends.aws.backend import AwsBackend

        return AwsBackend(settings, now)
    from stockctl.backends.local.backend import LocalBackend

    return LocalBackend(settings, now)
