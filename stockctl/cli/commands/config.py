"""init, config show and config check."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.options import GlobalOptions, load_configuration
from stockctl.cli.output.columns import Cell, Column, Row, text_column
from stockctl.cli.output.messages import print_error, print_message
from stockctl.cli.output.tables import Format, Output, emit
from stockctl.cli.registration import add_command, new_app
from stockctl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from stockctl.config.loading import Configuration


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    add_command(app, "init", init, "stockctl init --symbols AAPL,MSFT", "stockctl init --target aws")
    group = new_app(
        "config", "Show and check the configuration.", "stockctl config check", "stockctl config show"
    )
    add_command(group, "show", show, "stockctl config show", "stockctl -c other.toml config show -o json")
    add_command(group, "check", check, "stockctl config check", "stockctl --target aws config check")
    app.add_typer(group)


class Target(StrEnum):
    """Where the pipeline runs."""

    LOCAL = "local"
    AWS = "aws"


def init(
    ctx: typer.Context,
    *,
    target: Annotated[
        Target | None,
        typer.Option(
            "--target",
            metavar="local|aws",
            help="Where the pipeline runs. With aws, init asks for missing values if stdin is a terminal.",
        ),
    ] = None,
    symbols: Annotated[
        str | None,
        typer.Option("--symbols", "-s", metavar="SYMBOLS", help="Symbols to stream, such as AAPL,MSFT."),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", help="AWS region, such as eu-west-1.")
    ] = None,
    project: Annotated[
        str | None,
        typer.Option("--project", metavar="NAME", help="Prefix of the names of all AWS resources."),
    ] = None,
    email: Annotated[
        str | None,
        typer.Option("--email", metavar="ADDRESS", help="E-mail address that receives the alerts."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask no questions; use the defaults.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a configuration file with every key explained: ./stockctl.toml, or the one --config names."""
    from stockctl.cli.prompts import ask_missing, parse_flags
    from stockctl.config.loading import DEFAULT_FILE

    options = ctx.find_object(GlobalOptions) or GlobalOptions(None, None)
    path = options.config or Path(DEFAULT_FILE)
    if os.path.lexists(path) and not force:
        raise _refuse_existing(path)
    chosen = parse_flags({"--region": region, "--project": project, "--symbols": symbols, "--email": email})
    if (wanted := target or _target(options.target)) is not None:
        chosen["target"] = wanted.value
    if wanted is Target.AWS and not yes and sys.stdin.isatty():
        chosen |= ask_missing(chosen)
    _write(path, chosen, force=force)
    print_message(f"Wrote {path}. Every key is optional; 'stockctl config show' shows the values in use.")


def _target(text: str | None) -> Target | None:
    try:
        return None if text is None else Target(text)
    except ValueError:
        raise UsageError(
            f"--target = {text!r} cannot be used: it must be local or aws.",
            "Pass --target local or --target aws.",
        ) from None


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
            "Name a file in a folder that exists and is writable: stockctl -c PATH init",
        ) from None


def _refuse_existing(path: Path) -> ConfigError:
    return ConfigError(f"{path} already exists.", "Edit it, or pass --force to overwrite it.")


def show(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show every key, its value in use, and where the value comes from."""
    columns = [
        text_column("KEY", "key", style="bold"),
        text_column("VALUE", "value"),
        text_column("FROM", "from", style="dim", optional=True),
    ]
    emit(_rows(load_configuration(ctx)), ("key", "value", "from"), columns, output)


def check(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Check the configuration, and the folder or AWS account that it names."""
    from stockctl.backends.base import Finding
    from stockctl.backends.factory import open_backend

    configuration = load_configuration(ctx)
    findings = [
        Finding("configuration", str(configuration.file or "no file; built-in defaults")),
        Finding("target", configuration.settings.target),
        *open_backend(configuration.settings).check(),
    ]
    columns = [text_column("CHECK", "check", style="bold"), Column("FOUND", _finding_cell)]
    rows = [
        {"check": finding.check, "found": finding.found, "fine": finding.ok, "hint": finding.hint}
        for finding in findings
    ]
    emit(rows, ("check", "found", "fine", "hint"), columns, output)
    wrong = [finding for finding in findings if not finding.ok]
    if not wrong:
        return
    print_error(f"error: Commands will fail because of: {', '.join(each.check for each in wrong)}.")
    for finding in wrong:
        print_error(f"  → {finding.check}: {finding.hint or finding.found}")
    raise typer.Exit(1)


def _finding_cell(row: Row) -> Cell:
    return Cell(str(row["found"])) if row["fine"] else Cell(f"✗ {row['found']}", "red")


def _rows(configuration: "Configuration") -> list[Row]:
    from stockctl.config.example import to_toml
    from stockctl.config.loading import flatten

    return [
        {
            "key": key,
            "value": None if value is None else to_toml(_plain(value)),
            "from": configuration.origins.get(key, "default"),
        }
        for key, value in flatten(configuration.settings)
    ]


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.model_dump() if hasattr(value, "model_dump") else value
