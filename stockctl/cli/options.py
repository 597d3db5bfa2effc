"""Options that several commands have, and loading the configuration of a command."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stockctl.errors import UsageError
from stockctl.market import symbol
from stockctl.market.errors import InvalidQuote

if TYPE_CHECKING:
    from stockctl.backends.aws.backend import AwsBackend
    from stockctl.backends.base import Backend
    from stockctl.config.loading import Configuration
    from stockctl.config.schema import Settings

Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Only newer entries: a duration such as 10m, 2h or 3d, or a time (in UTC if it has no zone).",
    ),
]
Symbols = Annotated[
    str | None,
    typer.Option("--symbols", "-s", metavar="SYMBOLS", help="Only these symbols, such as AAPL,MSFT."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]


def parse_symbols(text: str | None) -> list[str] | None:
    """Return the symbols of a comma-separated list, in order, without duplicates; None for None.

    Raises:
        UsageError: one of them is not a symbol, or the list is empty.
    """
    if text is None:
        return None
    try:
        return symbol.parse_symbols(text)
    except InvalidQuote as reason:
        raise UsageError(f"--symbols: {reason}.", "Example: --symbols AAPL,MSFT") from None


def parse_one_symbol(text: str) -> str:
    """Return the symbol that an argument names.

    Raises:
        UsageError: it is not a symbol.
    """
    try:
        return symbol.parse_symbol(text.strip())
    except InvalidQuote as reason:
        raise UsageError(f"{reason}.", "Give one symbol, such as AAPL.") from None


class GlobalOptions(NamedTuple):
    """The options before the command."""

    config: Path | None
    target: str | None


def load_configuration(ctx: typer.Context, file: Path | None = None) -> "Configuration":
    """Return the configuration of a command.

    Args:
        ctx: the command's context.
        file: read this file instead of the one that the global options name.

    Raises:
        ConfigError: it is not valid.
    """
    from stockctl.config.loading import load

    chosen: GlobalOptions = ctx.find_object(GlobalOptions) or GlobalOptions(None, None)
    overrides = {} if chosen.target is None else {"target": chosen.target}
    return load(file or chosen.config, os.environ, overrides)


def settings_and_backend(ctx: typer.Context) -> "tuple[Settings, Backend]":
    """Return the settings of a command, and the backend for them."""
    from stockctl.backends.factory import open_backend

    settings = load_configuration(ctx).settings
    return settings, open_backend(settings)


def aws_backend(ctx: typer.Context, instead: str = "") -> "tuple[Settings, AwsBackend]":
    """Return the settings of a command, and the AWS backend.

    Args:
        ctx: the command's context.
        instead: a hint that names the command for the embedded pipeline.

    Raises:
        UsageError: the target is not AWS.
    """
    settings = load_configuration(ctx).settings
    if settings.target != "aws":
        raise UsageError(
            f'{ctx.command_path.removeprefix("stockctl ")} works only with target = "aws".',
            instead or "Pass --target aws before the command, or set it in the configuration.",
        )
    from stockctl.backends.aws.backend import AwsBackend
    from stockctl.backends.factory import now

    return settings, AwsBackend(settings, now)
