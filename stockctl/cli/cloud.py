"""deploy, template and logs: what only the AWS side has."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.alert_view import since_timestamp
from stockctl.cli.boundary import guarded
from stockctl.cli.context import aws_backend
from stockctl.cli.lifecycle import show_steps
from stockctl.cli.options import Since
from stockctl.cli.output import Format, Output, emit, write, write_csv
from stockctl.cli.pausing import pause
from stockctl.cli.terminal import safe, say, utc_text
from stockctl.market.jsontext import to_json

if TYPE_CHECKING:
    from stockctl.aws.logs import LogLine

_PANEL = "On AWS"
_POLL_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("deploy", rich_help_panel=_PANEL)(guarded(deploy))
    app.command("template", rich_help_panel=_PANEL)(guarded(template))
    app.command("logs", rich_help_panel=_PANEL)(guarded(logs))


def deploy(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Bring the code that is installed here to the Lambda functions, and change nothing else."""
    _, backend = aws_backend(ctx, "'deploy' updates the code of the Lambda functions")
    outcome = backend.deploy(say)
    show_steps(outcome.steps, output)
    say("The functions run the code that is installed here." + ("" if outcome.steps else " Nothing changed."))


def template() -> None:
    """Print the CloudFormation template."""
    from stockctl.aws.template import template_text

    write(template_text().rstrip("\n"))


class StageName(StrEnum):
    """A function, by its stage."""

    INGEST = "ingest"
    TREND = "trend"


def logs(
    ctx: typer.Context,
    stage: Annotated[StageName, typer.Argument(help="Whose log.")],
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    since: Since = "10m",
    output: Output = Format.TABLE,
) -> None:
    """Show the log of a Lambda function."""
    start = since_timestamp(since)
    _, backend = aws_backend(ctx, "'logs' shows the log of a Lambda function")
    tail = backend.log(stage.value, start or "")
    if follow:
        lines = tail.follow(lambda: pause(_POLL_SECONDS), lambda: say("There is no log yet; waiting for it."))
        for line in lines:
            _write_line(line, output)
        return
    found = list(tail.read())
    if output is not Format.TABLE:
        emit([line._asdict() for line in found], ("timestamp", "message"), [], output)
        return
    for line in found:
        _write_line(line, output)
    if not found:
        say("No lines.")


def _write_line(line: "LogLine", output: Format) -> None:
    if output is Format.JSON:
        write(to_json(line._asdict()))
    elif output is Format.CSV:
        write_csv((), [line], header=False)
    else:
        write(f"{utc_text(line.timestamp)} {safe(line.message)}")
    sys.stdout.flush()
