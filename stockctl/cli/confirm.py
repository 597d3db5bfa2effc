"""Asking before data is deleted."""

import sys

from stockctl.errors import UsageError


def ask(question: str) -> bool:
    """Ask a question that only a yes answers; nothing costs money without one.

    Raises:
        UsageError: nobody can answer, because standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError("This costs money, and there is no terminal to ask on.", "Pass --yes to agree.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - a question
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def ask_for_name(name: str, what: str) -> bool:
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
