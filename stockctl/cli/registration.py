"""Commands and groups of commands: how they are added, and how they parse arguments and show help."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from stockctl.cli.errors import handle_errors
from stockctl.cli.help import help_page
from stockctl.cli.parameters import convert_values, help_hint
from stockctl.errors import UsageError

_UNEXPECTED = re.compile(r"Got unexpected extra argument\(s\) \((.*)\)$", re.DOTALL)


class Command(TyperCommand):
    """A command with our help page and our conversion of values."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Return the parameters."""
        parameters = super().get_params(ctx)
        convert_values(parameters)
        return parameters

    def get_help(self, ctx: typer.Context) -> str:  # type: ignore[override]
        """Return the help page."""
        return help_page(self, ctx)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the arguments.

        Raises:
            UsageError: they cannot be used.
        """
        with _usage_errors(ctx):
            return super().parse_args(ctx, args)


class Group(TyperGroup):
    """A command with subcommands, our help page and our conversion of values."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Return the parameters."""
        parameters = super().get_params(ctx)
        convert_values(parameters)
        return parameters

    def get_help(self, ctx: typer.Context) -> str:  # type: ignore[override]
        """Return the help page."""
        return help_page(self, ctx)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the arguments; if there are none, print the help page and exit with the code for wrong usage.

        Raises:
            UsageError: they cannot be used.
        """
        if not args and not ctx.resilient_parsing:
            print(self.get_help(ctx))  # noqa: T201 - this is the output
            raise typer.Exit(2)
        with _usage_errors(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(  # type: ignore[override]
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str | None, TyperCommand | TyperGroup | None, list[str]]:
        """Return the name of the command, the command, and the other arguments.

        Raises:
            UsageError: there is no such command.
        """
        name = args[0]
        if name in self.commands:
            return name, self.load(name), args[1:]
        if ctx.resilient_parsing:
            return None, None, args
        near = get_close_matches(name, self.commands, 1)
        raise UsageError(
            f"{ctx.command_path} has no command {name!r}.",
            f"Did you mean {near[0]}?" if near else f"'{ctx.command_path} --help' lists the commands.",
        )

    def load(self, name: str) -> TyperCommand | TyperGroup:
        """Return the command called ``name``."""
        return cast("TyperCommand | TyperGroup", self.commands[name])


@contextmanager
def _usage_errors(ctx: typer.Context) -> Iterator[None]:
    """Turn Typer's errors about the command line into a ``UsageError``."""
    try:
        yield
    except typer.TyperException as error:
        raise _usage_error(error, ctx) from None


def _usage_error(error: typer.TyperException, ctx: typer.Context) -> UsageError:
    message, hint = error.message, help_hint(ctx)
    option: str | None = getattr(error, "option_name", None)
    if option is None:
        return UsageError(_UNEXPECTED.sub(r"Unexpected argument: \1.", message), hint)
    if message.startswith("No such option"):
        near = getattr(error, "possibilities", None)
        hint = f"Did you mean {near[0]}?" if near else hint
        return UsageError(f"{ctx.command_path} has no option {option}.", hint)
    needs = "needs a value" if "requires" in message else "takes no value"
    return UsageError(f"{option} {needs}.", hint)


def new_app(name: str, help_text: str, *examples: str, cls: type[Group] = Group) -> typer.Typer:
    """Return a group without commands."""
    return typer.Typer(
        name=name,
        help=help_text,
        cls=cls,
        epilog="\n".join(examples),
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def add_command(
    app: typer.Typer, name: str, function: Callable[..., None], *examples: str, panel: str | None = None
) -> None:
    """Add a command to a group.

    Args:
        app: the group.
        name: the name that users type.
        function: runs the command; the first line of its docstring is the help text.
        examples: command lines for the help page.
        panel: the heading under which the group's help page lists the command.
    """
    run = handle_errors(function)
    app.command(name, cls=Command, epilog="\n".join(examples), rich_help_panel=panel)(run)
