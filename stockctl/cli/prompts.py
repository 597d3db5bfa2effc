"""Prompts and confirmations. They are written to standard error: standard output is for data."""

import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from stockctl.cli.output.messages import print_message
from stockctl.errors import UsageError
from stockctl.market.symbol import parse_symbols


class Question(NamedTuple):
    """A question whose answer sets one key of the configuration."""

    key: str
    flag: str
    text: str
    parse: Callable[[str], object]
    """Returns the value of the key, or raises a ``ValueError`` that says why the text cannot be used."""
    suggest: Callable[[], str] = str
    """Returns the suggested answer; an empty one stands for the default of the key."""
    default: str = ""
    """The text that is shown in brackets if there is no suggestion."""


def parse_flags(texts: Mapping[str, str | None]) -> dict[str, object]:
    """Return the keys that options set.

    Args:
        texts: the value of each option; None if it was not given.

    Raises:
        UsageError: a value cannot be used.
    """
    values: dict[str, object] = {}
    for question in QUESTIONS:
        if (text := texts.get(question.flag)) is not None:
            try:
                values[question.key] = question.parse(text)
            except ValueError as reason:
                raise UsageError(f"{question.flag}: {reason}.") from None
    return values


def ask_missing(known: Mapping[str, object]) -> dict[str, object]:
    """Ask for the keys that are not ``known``, and return those that were answered.

    Raises:
        AwsError: boto3 cannot determine its region.
        UsageError: standard input ended.
    """
    print_message("Press Enter to accept the value in brackets.")
    answers = {question.key: _ask(question) for question in QUESTIONS if question.key not in known}
    return {key: value for key, value in answers.items() if value is not None}


def _ask(question: Question) -> object | None:
    suggestion = question.suggest()
    while True:
        answer = _read_answer(f"{question.text} [{suggestion or question.default}]: ")
        if answer is None:
            raise UsageError(
                "No answer: stdin is closed. Nothing was written.", "Pass --yes to use the defaults."
            )
        if not (text := answer or suggestion):
            return None
        try:
            return question.parse(text)
        except ValueError as reason:
            print_message(f"  {reason}.")


def _read_answer(prompt: str) -> str | None:
    """Return a line of standard input; None if it is closed."""
    # Not Typer's prompts: they write part of the prompt to standard output, and format errors differently.
    print(prompt, end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)  # noqa: T201 - ends the line of the question
        return None
    return line.strip()


def _suggest_region() -> str:
    from stockctl.backends.aws.connection import default_region

    return default_region() or "us-east-1"


def _region(text: str) -> str:
    from stockctl.backends.aws.connection import known_regions

    regions = known_regions()
    if text not in regions:
        near = get_close_matches(text, regions, 3)
        raise ValueError(f"{text!r} is not an AWS region, such as {', '.join(near or ['eu-west-1'])}")
    return text


def _project(text: str) -> str:
    from pydantic import ValidationError

    from stockctl.config.schema import PROJECT_NAME, Project

    try:
        return Project(name=text).name
    except ValidationError:
        raise ValueError(f"{text!r} cannot be used: it must be {PROJECT_NAME}") from None


def _suggest_symbols() -> str:
    from stockctl.config.schema import Settings

    return ",".join(Settings().symbols)


def _email(text: str) -> list[dict[str, str]]:
    from stockctl.config.subscriptions import check_endpoint

    try:
        check_endpoint("email", text)
    except UsageError as error:
        raise ValueError(f"{error.message} {error.hint}".rstrip(".")) from None
    return [{"protocol": "email", "endpoint": text}]


QUESTIONS = (
    Question("aws.region", "--region", "AWS region", _region, suggest=_suggest_region),
    Question(
        "project.name", "--project", "Prefix of the names of all AWS resources", _project, default="none"
    ),
    Question("symbols", "--symbols", "Symbols to stream", parse_symbols, suggest=_suggest_symbols),
    Question("alerts.subscriptions", "--email", "E-mail address for alerts", _email, default="none"),
)


def confirm(question: str) -> bool:
    """Return whether the user agrees to something that costs money.

    Raises:
        UsageError: standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "This costs money and needs a confirmation, but stdin is not a terminal.", "Pass --yes to agree."
        )
    return (_read_answer(f"{question} [y/N] ") or "").lower() in ("y", "yes")


def confirm_by_name(name: str, consequence: str) -> bool:
    """Return whether the user typed ``name`` to agree to ``consequence``.

    Raises:
        UsageError: standard input is closed.
    """
    answer = _read_answer(f"{consequence} Type {name} to continue: ")
    if answer is None:
        raise UsageError(
            "No confirmation: stdin is closed.", f"Pass --yes, or type the name: echo {name} | stockctl ..."
        )
    return answer == name
