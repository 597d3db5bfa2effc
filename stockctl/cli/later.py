"""Commands that belong to the AWS side alone."""

from collections.abc import Callable, Mapping

import typer

from stockctl.cli.boundary import guarded
from stockctl.errors import UsageError

COMMANDS = {
    "logs": "follows the log of a Lambda function",
}
_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


def register(app: typer.Typer, commands: Mapping[str, str] = COMMANDS, instead: str = "") -> None:
    """Add commands that say what they are for and that the embedded pipeline has no such thing."""
    for name, purpose in commands.items():
        app.command(
            name,
            help=f"(AWS) {purpose[0].upper()}{purpose[1:]}.",
            context_settings=_ANYTHING,
            rich_help_panel="On AWS",
        )(guarded(_refusal(name, purpose, instead)))


def _refusal(name: str, purpose: str, instead: str) -> Callable[[], None]:
    def command() -> None:
        ending = f"; {instead}" if instead else ""
        raise UsageError(f"'{name}' {purpose} on AWS; the embedded pipeline has no such thing{ending}.")

    return command
