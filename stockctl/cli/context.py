"""What the global options say, and the settings that follow from them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from stockctl.backend import Backend
    from stockctl.config import Configuration, Settings


class Globals(NamedTuple):
    """The global options of one call."""

    config: Path | None
    target: str | None


def configuration(ctx: typer.Context) -> "Configuration":
    """Return the configuration that this call works with.

    Raises:
        ConfigError: it cannot be used.
    """
    from stockctl.config import load

    chosen: Globals = ctx.find_object(Globals) or Globals(None, None)
    overrides = {} if chosen.target is None else {"target": chosen.target}
    return load(chosen.config, os.environ, overrides)


def settings_and_backend(ctx: typer.Context) -> "tuple[Settings, Backend]":
    """Return the settings of this call and the backend that they name."""
    from stockctl.targets import open_backend

    settings = configuration(ctx).settings
    return settings, open_backend(settings)
