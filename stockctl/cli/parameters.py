"""Converts the text of options and arguments to values, or explains why it cannot be used."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import Enum
from typing import Any, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperOption

from stockctl.cli.help import Parameter, display_name
from stockctl.errors import UsageError


class Option(TyperOption):
    """An option that converts its value with ``_read``."""

    def process_value(self, ctx: typer.Context, value: object) -> object:  # type: ignore[override]
        """Return the value as the command's function expects it."""
        return _read(self, ctx, value)


class Argument(TyperArgument):
    """An argument that converts its value with ``_read``."""

    def process_value(self, ctx: typer.Context, value: object) -> object:  # type: ignore[override]
        """Return the value as the command's function expects it."""
        return _read(self, ctx, value)


def _read(parameter: Parameter, ctx: typer.Context, value: object) -> object:
    """Return the value of a parameter, converted from text or from its default.

    Typer would use pydantic: importing that takes longer than most commands, and its messages are not written
    for users of a command line.

    Raises:
        UsageError: the text cannot be used, or is missing.
    """
    kind: Any = parameter.type_descriptor.annotation
    if value is None:
        value = () if _is_multiple(parameter) else None
    elif get_origin(kind) is list and isinstance(value, list | tuple):
        value = [_convert(parameter, ctx, get_args(kind)[0], item) for item in value]
    else:
        value = _convert(parameter, ctx, kind, value)
    if parameter.required and parameter.value_is_missing(value):
        what = "argument" if isinstance(parameter, TyperArgument) else "option"
        raise UsageError(f"The {what} {display_name(parameter)} is missing.", help_hint(ctx))
    return value if parameter.callback is None else parameter.callback(ctx, parameter, value)


def _is_multiple(parameter: Parameter) -> bool:
    return parameter.multiple or parameter.nargs == -1


def _convert(parameter: Parameter, ctx: typer.Context, kind: type[Any], value: object) -> object:
    if isinstance(value, kind):
        return value
    text = str(value)
    try:
        if issubclass(kind, Enum):
            return _choice(kind, text)
        if kind is int or kind is float:
            return _number(kind, text, parameter.min, parameter.max)
        return kind(text)
    except ValueError as reason:
        choices = [str(item.value) for item in kind] if issubclass(kind, Enum) else []
        near = get_close_matches(text, choices, 1)
        raise UsageError(
            f"{display_name(parameter)} = {text!r} cannot be used: it must be {reason}.",
            f"Did you mean {near[0]}?" if near else help_hint(ctx),
        ) from None


def _choice(kind: type[Enum], text: str) -> Enum:
    try:
        return kind(text)
    except ValueError:
        *first, last = (str(item.value) for item in kind)
        raise ValueError(f"{', '.join(first)} or {last}" if first else last) from None


def _number(kind: Callable[[str], float], text: str, least: float | None, most: float | None) -> float:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError("a whole number" if kind is int else "a number") from None
    if least is not None and not number >= least:
        raise ValueError(f"{least:g} or more")
    if most is not None and not number <= most:
        raise ValueError(f"{most:g} or less")
    return number


def help_hint(ctx: typer.Context) -> str:
    """Return the hint that names the help page of a command."""
    return f"See '{ctx.command_path} --help'."


def convert_values(parameters: Iterable[object]) -> None:
    """Make the parameters that Typer created convert their values with ``_read``."""
    for parameter in parameters:
        # Typer has no setting for the classes of parameters.
        if isinstance(parameter, TyperOption):
            parameter.__class__ = Option
        elif isinstance(parameter, TyperArgument):
            parameter.__class__ = Argument
