"""init, config show, config check."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.errors import handle_errors
from stockctl.cli.options import Globals, configuration
from stockctl.cli.output import tables
from stockctl.cli.output.tables import Cell, Column, Format, Output, Row, emit
from stockctl.cli.output.terminal import print_error, print_message
from stockctl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from stockctl.config.loading import Configuration

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("init")(handle_errors(init))
    app.add_typer(group, name="config", help="Show and check the configuration.")


class Target(StrEnum):
    """Where the pipeline runs."""

    LOCAL = "local"
    AWS = "aws"


def init(
    ctx: typer.Context,
    *,
    target: Annotated[
        Target | None, typer.Option("--target", help="Where to run; aws asks on a terminal.")
    ] = None,
    symbols: Annotated[str | None, typer.Option("--symbols", "-s", help="Such as AAPL,MSFT.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="Of AWS, such as eu-west-1.")] = None,
    project: Annotated[str | None, typer.Option("--project", help="Goes before every name on AWS.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="Whom SNS sends the alerts.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a configuration with every key explained: ./stockctl.toml, or what --config names."""
    from stockctl.cli.prompts import ask_missing, read_flags
    from stockctl.config.loading import DEFAULT_FILE

    options = ctx.find_object(Globals) or Globals(None, None)
    path = options.config or Path(DEFAULT_FILE)
    if os.path.lexists(path) and not force:
        raise _refuse_existing(path)
    chosen = read_flags({"--region": region, "--project": project, "--symbols": symbols, "--email": email})
    if (wanted := target or _target(options.target)) is not None:
        chosen["target"] = wanted.value
    if wanted is Target.AWS and not yes and sys.stdin.isatty():
        chosen |= ask_missing(chosen)
    _write(path, chosen, force=force)
    print_message(f"Wrote {path}. Every key is optional; 'stockctl config check' tells what is in force.")


def _target(text: str | None) -> Target | None:
    try:
        return None if text is None else Target(text)
    except ValueError:
        raise UsageError(f"--target: {text!r} is neither local nor aws.") from None


def _write(path: Path, chosen: dict[str, object], *, force: bool) -> None:
    from stockctl.config.example import example_file

    text = example_file(chosen)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _refuse_existing(path) from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.",
            "Name a file in a folder that is there and may be written to: stockctl -c PATH init",
        ) from None


def _refuse_existing(path: Path) -> ConfigError:
    return ConfigError(f"{path} is there already.", "Edit it, or pass --force to write over it.")


def show(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show every key, its value in force and where that comes from."""
    shown = [
        tables.text_cell("KEY", "key", style="bold"),
        tables.text_cell("VALUE", "value"),
        tables.text_cell("FROM", "from", style="dim", optional=True),
    ]
    emit(_rows(configuration(ctx)), ("key", "value", "from"), shown, output)


def check(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Check the configuration and what it names; ends with 1 when a command would fail."""
    from stockctl.backends.base import Finding
    from stockctl.backends.factory import open_backend

    found = configuration(ctx)
    findings = [
        Finding("configuration", str(found.file or "no file; built-in defaults")),
        Finding("target", found.settings.target),
        *open_backend(found.settings).check(),
    ]
    shown = [tables.text_cell("CHECK", "check", style="bold"), Column("FOUND", _print_findings)]
    emit([finding._asdict() for finding in findings], Finding._fields, shown, output)
    wrong = [finding for finding in findings if not finding.fine]
    if not wrong:
        return
    print_error(f"error: What was found makes commands fail: {', '.join(each.check for each in wrong)}.")
    for finding in wrong:
        print_error(f"  → {finding.check}: {finding.hint or finding.found}")
    raise typer.Exit(1)


def _print_findings(row: Row) -> Cell:
    return Cell(str(row["found"])) if row["fine"] else Cell(f"✗ {row['found']}", "red")


def _rows(found: "Configuration") -> list[Row]:
    from stockctl.config.example import to_toml
    from stockctl.config.loading import flatten

    return [
        {
            "key": key,
            "value": None if value is None else to_toml(_plain(value)),
            "from": found.origins.get(key, "default"),
        }
        for key, value in flatten(found.settings)
    ]


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.model_dump() if hasattr(value, "model_dump") else value


group.command("show")(handle_errors(show))
group.command("check")(handle_errors(check))
