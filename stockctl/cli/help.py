"""Help pages: options in groups, examples at the end, at most 100 columns wide."""

import shutil
import sys
from enum import Enum

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from stockctl.cli.output.messages import has_style, wrap

WIDTH = 100
_LONGEST_NAME = 30
"""Longer names have their description on the next line."""
_NARROW = 60
"""On narrower terminals every description is on the line after its name."""

AnyCommand = TyperCommand | TyperGroup
Parameter = TyperArgument | TyperOption
_Rows = list[tuple[str, str]]


def help_page(command: AnyCommand, ctx: typer.Context) -> str:
    """Return the help page of a command."""
    width = min(shutil.get_terminal_size().columns, WIDTH)
    sections = _sections(command, ctx)
    names = [name for rows in sections.values() for name, _ in rows if len(name) <= _LONGEST_NAME]
    column = max(map(len, names), default=0) + 4 if width >= _NARROW else 6
    usage = wrap(f"Usage: {' '.join([ctx.command_path, *_usage(command)])}", width, " " * 11)
    parts = [usage, wrap(_summary(command), width - 2)]
    for title, rows in sections.items():
        parts.append("\n".join([_heading(title), *(_row(name, text, column, width) for name, text in rows)]))
    if command.epilog:
        lines = [_example(line, width) for line in command.epilog.splitlines()]
        parts.append("\n".join([_heading("Examples"), *lines]))
    return "\n\n".join(part for part in parts if part)


def display_name(parameter: Parameter) -> str:
    """Return the name of a parameter for users: ``--limit`` or ``SYMBOL``."""
    if isinstance(parameter, TyperArgument):
        return parameter.metavar or parameter.name.upper()
    return max(parameter.opts, key=len)


def _usage(command: AnyCommand) -> list[str]:
    arguments = [
        display_name(each) if each.required else f"[{display_name(each)}]"
        for each in command.params
        if isinstance(each, TyperArgument)
    ]
    return ["[OPTIONS]", *arguments, *(["COMMAND [ARGS]..."] if isinstance(command, TyperGroup) else [])]


def _summary(command: AnyCommand) -> str:
    return " ".join((command.help or "").partition("\f")[0].split())


def _sections(command: AnyCommand, ctx: typer.Context) -> dict[str, _Rows]:
    sections: dict[str, _Rows] = {}
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            if isinstance(each, TyperCommand | TyperGroup):
                sections.setdefault(each.rich_help_panel or "Commands", []).append((name, _summary(each)))
    parameters = [each for each in command.get_params(ctx) if isinstance(each, TyperArgument | TyperOption)]
    for parameter in sorted(parameters, key=_rank):
        usual = "Arguments" if isinstance(parameter, TyperArgument) else "Options"
        rows = sections.setdefault(parameter.rich_help_panel or usual, [])
        rows.append((_names(parameter), _description(parameter)))
    return sections


def _rank(parameter: Parameter) -> int:
    """Return the sort key of a parameter: arguments first, then grouped options, then the other options."""
    return 0 if isinstance(parameter, TyperArgument) else 1 if parameter.rich_help_panel else 2


def _names(parameter: Parameter) -> str:
    if isinstance(parameter, TyperArgument):
        return display_name(parameter)
    names = ", ".join(sorted(parameter.opts, key=len))
    return names if parameter.is_flag else f"{names} {parameter.metavar or parameter.name.upper()}"


def _description(parameter: Parameter) -> str:
    default = _default(parameter)
    return f"{parameter.help or ''} [default: {default}]" if default else parameter.help or ""


def _default(parameter: Parameter) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.default is None or not parameter.show_default or getattr(parameter, "is_flag", False):
        return ""
    value = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    return f"{value:g}" if isinstance(value, float) else str(value)


def _heading(title: str) -> str:
    return f"\033[1m{title}:\033[0m" if has_style(sys.stdout) else f"{title}:"


def _row(name: str, text: str, column: int, width: int) -> str:
    lines = wrap(text, width - column).splitlines() if text else []
    head = f"  {name}"
    if len(name) + 4 <= column and lines:
        head = head.ljust(column) + lines.pop(0)
    return "\n".join([head, *(" " * column + line for line in lines)])


def _example(line: str, width: int) -> str:
    """Return a command line, continued on the next line if it is too long."""
    return "  " + wrap(line, width - 4, "    ").replace("\n", " \\\n  ")
