"""The failures a user may meet, each with what happened, why, and what to do next.

    StockctlError            1   a known failure
    ├── UsageError           2   a wrong option, argument or symbol
    ├── ConfigError          2   a wrong configuration file, key or value
    ├── HomeError            1   the embedded home is absent, in use, damaged or newer than this program
    ├── OutboxError          1   the outbox is in use, damaged, newer, or cannot be written (``producer``)
    ├── Undelivered          1   a stream did not take all of a batch (``pipeline.ports``)
    ├── SourceError          1   quotes cannot be read from where they should come from
    ├── QueryError           1   a SQL statement is refused, or fails
    └── AwsError             1   AWS refuses, cannot be reached, or does not hold what is needed

The number is the exit code. Anything that is not a ``StockctlError`` is a bug.
"""


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
