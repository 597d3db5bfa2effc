"""What the ``sh`` blocks and tables of README and docs call exists: each command, and each of its options.

Blocks of this kind need a network, an account or a person; they are read, not run.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest
from console_blocks import PAGES, blocks_of

from stockctl.cli.app import root_command
from support.paths import REPOSITORY

DOCUMENTS = (*PAGES, REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "SECURITY.md")
PROGRAM = root_command()
_IN_TEXT = re.compile(r"`(stockctl(?: [^`]*)?)`")
_TOGETHER = {"|", "&&", ";", "&", "||"}


def calls_of(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of stockctl in shell commands."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    call: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _TOGETHER:
            call.append(word)
            continue
        if call and PurePath(call[0]).name == "stockctl":
            yield call[1:]
        call = []


def documented_calls() -> Iterator[tuple[str, list[str]]]:
    """Yield each call that a document shows, with its place."""
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for block in blocks_of(text):
            if block.language == "sh":
                for number, line in enumerate(block.lines):
                    for call in calls_of(line):
                        yield f"{document.relative_to(REPOSITORY)}:{block.start + number + 1}", call
        for number, line in enumerate(text.splitlines()):
            for code in _IN_TEXT.findall(line):
                for call in calls_of(re.sub(r"[\[\]]|\.\.\.", " ", code)):
                    yield f"{document.relative_to(REPOSITORY)}:{number + 1}", call


def options_of(command: Any) -> set[str]:
    """Return all names of the options of a command."""
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def check(words: list[str]) -> None:
    """Raise unless a call names a command that exists, and options that it has."""
    command = PROGRAM
    options = {"--help", "-h", *options_of(command)}
    for word in words:
        if word in getattr(command, "commands", {}):
            command = command.load(word)
            options |= options_of(command)
        elif word.startswith("-") and word != "-":
            assert word.partition("=")[0] in options, f"{command.name} has no option {word}"
        else:
            assert not hasattr(command, "commands") or word == "COMMAND", f"there is no command {word}"


@pytest.mark.parametrize(("place", "words"), list(documented_calls()))
def test_a_call_names_what_exists(place: str, words: list[str]) -> None:
    """Command and options."""
    check([word for word in words if word not in {"NAME", "F"}])


@pytest.mark.parametrize("call", ["stockctl streams", "stockctl stream --nowhere", "stockctl query newest"])
def test_a_call_of_what_is_not_there_is_noticed(call: str) -> None:
    """A renamed command or option makes the documents wrong."""
    (words,) = calls_of(call)
    with pytest.raises(AssertionError):
        check(words)


def test_each_file_that_is_named_exists() -> None:
    """Paths of this repository in code format, in all documents."""
    pattern = re.compile(r"`(?:python )?((?:stockctl|tests|benchmarks|docs|deploy|\.github)/[\w./-]+)`")
    named = {
        (document.name, path)
        for document in DOCUMENTS
        for path in pattern.findall(Path(document).read_text("utf-8"))
    }
    assert not {(name, path) for name, path in named if not (REPOSITORY / path).exists()}
