"""The errors that end a command, with what to do next and the exit code."""

from collections.abc import Sequence


class StockctlError(Exception):
    """A known failure.

    Args:
        message: what went wrong, and why.
        hint: what to do next.
        others: errors that were found together with this one.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None, others: "Sequence[StockctlError]" = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.others = others


class UsageError(StockctlError):
    """The command line is not valid."""

    exit_code = 2


class ConfigError(StockctlError):
    """The configuration has an unknown key, or a value that cannot be used."""

    exit_code = 2


class HomeError(StockctlError):
    """The data folder of the embedded pipeline cannot be used."""


class SourceError(StockctlError):
    """A source of quotes cannot be read."""


class QueryError(StockctlError):
    """A SQL statement was refused or could not be answered."""


class AwsError(StockctlError):
    """AWS denied a call, could not be reached, or lacks a resource."""


class MonitoringError(StockctlError):
    """The port for metrics or the health file cannot be used."""
