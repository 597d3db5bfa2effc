"""The application: global options and the commands' places. Loads nothing heavy."""

from pathlib import Path
from typing import Annotated

import typer

from stockctl import __version__
from stockctl.cli.commands import alerts, demo, lifecycle, query, status, stream
from stockctl.cli.commands import aws as aws_commands
from stockctl.cli.commands import config as config_commands
from stockctl.cli.options import Globals
from stockctl.cli.output.stdio import flush_output, prepare
from stockctl.cli.output.terminal import drop_lost_stderr, set_up_logging

app = typer.Typer(
    name="stockctl",
    help="Near-real-time stock analytics: stream, archive, enrich, detect, alert and query.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"stockctl {__version__}")  # noqa: T201 - this is the output
        raise typer.Exit


@app.callback()
def _globals(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="The configuration.", show_default="$STOCKCTL_CONFIG or ./stockctl.toml"
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="local or aws, over the configuration.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on stderr.")] = False,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    set_up_logging(verbose=verbose)
    ctx.obj = Globals(config, target)


demo.register(app)
config_commands.register(app)
lifecycle.register(app)
status.register(app)
stream.register(app)
app.add_typer(query.app, name="query", help="Query quotes, alerts and the raw archive.")
app.add_typer(alerts.app, name="alerts", help="Follow, list and test alerts.")
aws_commands.register(app)


def run() -> None:
    """Run the command line."""
    prepare()
    try:
        with flush_output():
            app()
    finally:
        drop_lost_stderr()
