"""What the global options say, and the settings that follow from them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from stockctl.errors import UsageError

if TYPE_CHECKING:
    from stockctl.aws.backend import AwsBackend
    from stockctl.backend import Backend
    from stockctl.config import Settings
    from stockctl.config_loading import Configuration


class Globals(NamedTuple):
    """The global options of one call."""

    config: Path | None
    target: str | None


def configuration(ctx: typer.Context, file: Path | None = None) -> "Configuration":
    """Return the configuration that this call works with; ``file``: by that file, and no other.

    Raises:
        ConfigError: it cannot be used.
    """
    from stockctl.config_loading import load

    chosen: Globals = ctx.find_object(Globals) or Globals(None, None)
    overrides = {} if chosen.target is None else {"target": chosen.target}
    return load(file or chosen.config, os.environ, overrides)


def settings_and_backend(ctx: typer.Context) -> "tuple[Settings, Backend]":
    """Return the settings of this call and the backend that they name."""
    from stockctl.targets import open_backend

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
    from stockctl.aws.backend import AwsBackend
    from stockctl.targets import now

    return settings, AwsBackend(settings, now)
