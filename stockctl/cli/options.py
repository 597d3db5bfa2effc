"""Options that commands share, and the settings and backend they ask for."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stockctl.errors import UsageError
from stockctl.market import symbol
from stockctl.market.validation import InvalidQuote

Since = Annotated[
    str | None, typer.Option("--since", help="A span such as 10m, 2h or 3d, or a time (UTC unless it says).")
]


def parse_symbols(text: str | None) -> list[str] | None:
    """Return the symbols of a comma-separated list, in order, without repeats; None for None.

    Raises:
        UsageError: one of them is no symbol, or there is none.
    """
    if text is None:
        return None
    try:
        return symbol.parse_symbols(text)
    except InvalidQuote as reason:
        raise UsageError(f"--symbols: {reason}.", "Such as: --symbols AAPL,MSFT") from None


def parse_one_symbol(text: str) -> str:
    """Return the symbol that an argument names.

    Raises:
        UsageError: it is none.
    """
    try:
        return symbol.parse_symbol(text.strip())
    except InvalidQuote as reason:
        raise UsageError(f"{reason}.", "Give one symbol, such as AAPL.") from None


if TYPE_CHECKING:
    from stockctl.backends.aws.backend import AwsBackend
    from stockctl.backends.base import Backend
    from stockctl.config.loading import Configuration
    from stockctl.config.schema import Settings


class Globals(NamedTuple):
    """The global options of one call."""

    config: Path | None
    target: str | None


def configuration(ctx: typer.Context, file: Path | None = None) -> "Configuration":
    """Return the configuration that this call works with; ``file``: by that file, and no other.

    Raises:
        ConfigError: it cannot be used.
    """
    from stockctl.config.loading import load

    chosen: Globals = ctx.find_object(Globals) or Globals(None, None)
    overrides = {} if chosen.target is None else {"target": chosen.target}
    return load(file or chosen.config, os.environ, overrides)


def settings_and_backend(ctx: typer.Context) -> "tuple[Settings, Backend]":
    """Return the settings of this call and the backend that they name."""
    from stockctl.backends.factory import open_backend

    settings = configuration(ctx).settings
    return settings, open_backend(settings)


def aws_backend(ctx: typer.Context, purpose: str, instead: str = "") -> "tuple[Settings, AwsBackend]":
    """Return the settings of this call and the AWS backend.

    Raises:
        UsageError: the target is another; the message says what the command is for, and what does instead.
    """
    settings = configuration(ctx).settings
    if settings.target != "aws":
        ending = f"; {instead}" if instead else ""
        raise UsageError(f"{purpose} on AWS; the embedded pipeline has no such thing{ending}.")
    from stockctl.backends.aws.backend import AwsBackend
    from stockctl.backends.factory import now

    return settings, AwsBackend(settings, now)
