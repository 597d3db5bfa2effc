"""Prompts and confirmations."""

import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from stockctl.cli.output.terminal import print_message
from stockctl.errors import UsageError
from stockctl.market.symbol import parse_symbols


class Question(NamedTuple):
    """What sets one key of the configuration."""

    key: str
    flag: str
    text: str
    read: Callable[[str], object]
    """Returns the value of the key, or raises a ``ValueError`` with the reason why there is none."""
    suggest: Callable[[], str] = str
    """Returns the answer that Enter takes; empty when Enter leaves the key as it is by default."""
    nothing: str = ""
    """What that default is, for a person."""


def read_flags(given: Mapping[str, str | None]) -> dict[str, object]:
    """Return the keys that flags set.

    Args:
        given: the text of each flag that may be there, by flag.

    Raises:
        UsageError: a text cannot be used.
    """
    chosen: dict[str, object] = {}
    for question in QUESTIONS:
        if (text := given.get(question.flag)) is not None:
            try:
                chosen[question.key] = question.read(text)
            except ValueError as reason:
                raise UsageError(f"{question.flag}: {reason}.") from None
    return chosen


def ask_missing(chosen: Mapping[str, object]) -> dict[str, object]:
    """Return the keys that a person at the terminal sets, asked for what is not ``chosen``.

    Raises:
        AwsError: boto3's own chain cannot be asked for a region.
        UsageError: standard input is at its end.
    """
    print_message("Enter takes what is in brackets.")
    answers = {question.key: _answer(question) for question in QUESTIONS if question.key not in chosen}
    return {key: value for key, value in answers.items() if value is not None}


def _answer(question: Question) -> object | None:
    suggestion = question.suggest()
    prompt = f"{question.text} [{suggestion or question.nothing}]: "
    while True:
        print(prompt, end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
        line = sys.stdin.readline()
        if not line:
            print(file=sys.stderr)  # noqa: T201 - ends the line of the question
            raise UsageError(
                "Nobody answered, so nothing was written.", "Pass --yes to take the defaults unasked."
            )
        if not (text := line.strip() or suggestion):
            return None
        try:
            return question.read(text)
        except ValueError as reason:
            print_message(f"  {reason}.")


def _region_here() -> str:
    from stockctl.backends.aws.connection import default_region

    return default_region() or "us-east-1"


def _region(text: str) -> str:
    from stockctl.backends.aws.connection import known_regions

    regions = known_regions()
    if text not in regions:
        near = get_close_matches(text, regions, 3)
        raise ValueError(f"{text!r} is no region of AWS, such as {', '.join(near or ['eu-west-1'])}")
    return text


def _project(text: str) -> str:
    from pydantic import ValidationError

    from stockctl.config.schema import PROJECT_NAME, Project

    try:
        return Project(name=text).name
    except ValidationError:
        raise ValueError(f"{text!r} is no name: {PROJECT_NAME}") from None


def _usual_symbols() -> str:
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
    Question("aws.region", "--region", "Region of AWS", _region, suggest=_region_here),
    Question("project.name", "--project", "Prefix of every name on AWS", _project, nothing="none"),
    Question("symbols", "--symbols", "Symbols to stream", parse_symbols, suggest=_usual_symbols),
    Question("alerts.subscriptions", "--email", "E-mail address for alerts", _email, nothing="nobody"),
)


def confirm(question: str) -> bool:
    """Ask a question that only a yes answers; nothing costs money without one.

    Raises:
        UsageError: nobody can answer, because standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError("This costs money, and there is no terminal to ask on.", "Pass --yes to agree.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def confirm_by_name(name: str, what: str) -> bool:
    """Ask to type ``name`` before ``what`` happens; True when it was typed.

    Raises:
        UsageError: nobody can answer, because standard input is at its end.
    """
    print(f"{what} Type {name} to go on: ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
    answer = sys.stdin.readline()
    if not answer:
        print(file=sys.stderr)  # noqa: T201 - ends the line of the question
        raise UsageError(
            "Nobody answered: standard input is closed.",
            f"Pass --yes, or type the name: echo {name} | stockctl ...",
        )
    return answer.strip() == name
