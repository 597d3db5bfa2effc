"""The application: global options and the list of commands. A command's module is loaded when it runs."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, NamedTuple, cast

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from stockctl import __version__
from stockctl.cli.errors import print_exception
from stockctl.cli.options import GlobalOptions
from stockctl.cli.output.messages import set_up_logging
from stockctl.cli.registration import Command, Group, new_app
from stockctl.errors import StockctlError

_NAME = "stockctl"


class _Entry(NamedTuple):
    """A command as the main help page lists it, and how to load its module."""

    name: str
    load: Callable[[], ModuleType]
    panel: str
    summary: str
    """The first line of the command's own help page."""


_RUN, _READ, _SET_UP, _AWS = "Run", "Read", "Set up", "On AWS"
ENTRIES = (
    _Entry(
        "demo",
        lambda: import_module("stockctl.cli.commands.demo"),
        _RUN,
        "Run the whole pipeline on real closing prices of 2008 and 2009; needs no account or network.",
    ),
    _Entry(
        "stream",
        lambda: import_module("stockctl.cli.commands.stream"),
        _RUN,
        "Send quotes through the pipeline; prints alerts to stdout, everything else to stderr.",
    ),
    _Entry(
        "status",
        lambda: import_module("stockctl.cli.commands.status"),
        _READ,
        "Show what is stored, how fresh it is, and how the running stream is doing.",
    ),
    _Entry(
        "query",
        lambda: import_module("stockctl.cli.commands.query"),
        _READ,
        "Query quotes, alerts and the raw archive.",
    ),
    _Entry(
        "alerts",
        lambda: import_module("stockctl.cli.commands.alerts"),
        _READ,
        "Follow, list and test alerts.",
    ),
    _Entry(
        "init",
        lambda: import_module("stockctl.cli.commands.config"),
        _SET_UP,
        "Write a configuration file with every key explained: ./stockctl.toml, or the one --config names.",
    ),
    _Entry(
        "config",
        lambda: import_module("stockctl.cli.commands.config"),
        _SET_UP,
        "Show and check the configuration.",
    ),
    _Entry(
        "plan",
        lambda: import_module("stockctl.cli.commands.lifecycle"),
        _SET_UP,
        "Show what provision would create and what it would cost; changes nothing.",
    ),
    _Entry(
        "provision",
        lambda: import_module("stockctl.cli.commands.lifecycle"),
        _SET_UP,
        "Create or update the resources of the pipeline; safe to run again.",
    ),
    _Entry(
        "teardown",
        lambda: import_module("stockctl.cli.commands.lifecycle"),
        _SET_UP,
        "Delete the pipeline and its data; asks for the project's name first.",
    ),
    _Entry(
        "deploy",
        lambda: import_module("stockctl.cli.commands.aws"),
        _AWS,
        "Update the code of the Lambda functions to the installed version; changes nothing else.",
    ),
    _Entry(
        "template",
        lambda: import_module("stockctl.cli.commands.aws"),
        _AWS,
        "Print the CloudFormation template.",
    ),
    _Entry(
        "logs",
        lambda: import_module("stockctl.cli.commands.aws"),
        _AWS,
        "Show the log of a Lambda function.",
    ),
)


class _LazyGroup(Group):
    """Loads a command's module when the command is used."""

    def load(self, name: str) -> TyperCommand | TyperGroup:
        """Return the command called ``name``, from its module."""
        (entry,) = (entry for entry in ENTRIES if entry.name == name)
        parent = typer.Typer(rich_markup_mode=None)
        entry.load().register(parent)
        return cast("TyperCommand | TyperGroup", typer.main.get_group(parent).commands[name])


app = new_app(
    _NAME,
    "Stream stock quotes, archive them, detect signals and anomalies, send alerts, and query all of it.",
    "stockctl demo",
    "stockctl stream --symbols AAPL,MSFT",
    cls=_LazyGroup,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"stockctl {__version__}")  # noqa: T201 - this is the output
        raise typer.Exit


@app.callback()
def _set_global_options(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Configuration file.",
            show_default="$STOCKCTL_CONFIG or ./stockctl.toml",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="local|aws", help="Where the pipeline runs; overrides the configuration."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print more messages to stderr.")] = False,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    set_up_logging(verbose=verbose)
    ctx.obj = GlobalOptions(config, target)


def root_command() -> Group:
    """Return the command ``stockctl``, with all commands listed and none loaded."""
    root = cast("Group", typer.main.get_command(app))
    for name, _, panel, summary in ENTRIES:
        root.add_command(Command(name, help=summary, rich_help_panel=panel, rich_markup_mode=None))
    return root


def run_command() -> int:
    """Run what the command line asks for, and return the exit code."""
    try:
        return int(root_command().main(prog_name=_NAME, standalone_mode=False) or 0)
    except StockctlError as error:
        print_exception(error)
        return error.exit_code
