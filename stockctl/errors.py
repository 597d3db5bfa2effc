"""The errors that end a command, with what to do next and the exit code."""


class StockctlError(Exception):
    """A known failure: ``message`` says what and why, ``hint`` what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(StockctlError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class ConfigError(StockctlError):
    """The configuration names an unknown key or holds a value that cannot be used."""

    exit_code = 2


class HomeError(StockctlError):
    """The embedded home cannot be used as it is."""


class SourceError(StockctlError):
    """A source of quotes cannot be read."""


class QueryError(StockctlError):
    """A SQL statement was refused or could not be answered."""


class AwsError(StockctlError):
    """AWS refused a call, could not be reached, or does not hold what is needed."""


class WatchingError(StockctlError):
    """A port or a file for whoever watches cannot be used."""
