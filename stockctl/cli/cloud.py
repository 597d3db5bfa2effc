"""deploy and template: what only the AWS side has."""

import typer

from stockctl.cli.boundary import guarded
from stockctl.cli.context import aws_backend
from stockctl.cli.lifecycle import show_steps
from stockctl.cli.output import Format, Output, write
from stockctl.cli.terminal import say

_PANEL = "On AWS"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("deploy", rich_help_panel=_PANEL)(guarded(deploy))
    app.command("template", rich_help_panel=_PANEL)(guarded(template))


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
