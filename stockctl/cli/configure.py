"""init, config show, config check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli import columns
from stockctl.cli.boundary import guarded
from stockctl.cli.context import Globals, configuration
from stockctl.cli.options import parse_symbols
from stockctl.cli.output import Format, Output, Row, emit
from stockctl.cli.terminal import say
from stockctl.errors import ConfigError

if TYPE_CHECKING:
    from stockctl.config_loading import Configuration

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("init")(guarded(init))
    app.add_typer(group, name="config", help="Show and check the configuration.")


def init(
    ctx: typer.Context,
    *,
    symbols: Annotated[str | None, typer.Option("--symbols", "-s", help="Such as AAPL,MSFT.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a configuration with every key explained: ./stockctl.toml, or what --config names."""
    from stockctl.config_example import example
    from stockctl.config_loading import DEFAULT_FILE

    chosen: dict[str, object] = {}
    options = ctx.find_object(Globals) or Globals(None, None)
    if options.target is not None:
        chosen["target"] = options.target
    if (wanted := parse_symbols(symbols)) is not None:
        chosen["symbols"] = wanted
    path = options.config or Path(DEFAULT_FILE)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(example(chosen))
    except FileExistsError:
        raise ConfigError(f"{path} is there already.", "Edit it, or pass --force to write over it.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    say(f"Wrote {path}. Every key is optional; 'stockctl config check' tells what is in force.")


def show(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show every key, its value in force and where that comes from."""
    shown = [
        columns.text("KEY", "key", style="bold"),
        columns.text("VALUE", "value"),
        columns.text("FROM", "from", style="dim", optional=True),
    ]
    emit(_rows(configuration(ctx)), ("key", "value", "from"), shown, output)


def check(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Check the configuration and what it names."""
    from stockctl.targets import open_backend

    found = configuration(ctx)
    backend = open_backend(found.settings)
    missing = backend.plan(say).steps
    rows: list[Row] = [
        {"check": "configuration", "found": str(found.file or "no file; built-in defaults")},
        {"check": "target", "found": found.settings.target},
        {"check": "place", "found": backend.place},
        {"check": "provisioned", "found": "no: run 'stockctl provision'" if missing else "yes"},
    ]
    if not missing:
        rows += [{"check": name, "found": str(value)} for name, value in backend.status().facts[1:]]
    shown = [columns.text("CHECK", "check", style="bold"), columns.text("FOUND", "found")]
    emit(rows, ("check", "found"), shown, output)


def _rows(found: "Configuration") -> list[Row]:
    from stockctl.config_example import toml
    from stockctl.config_loading import flat

    return [
        {
            "key": key,
            "value": None if value is None else toml(_plain(value)),
            "from": found.origins.get(key, "default"),
        }
        for key, value in flat(found.settings)
    ]


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.model_dump() if hasattr(value, "model_dump") else value


group.command("show")(guarded(show))
group.command("check")(guarded(check))
