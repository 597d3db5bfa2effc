"""The ``console`` blocks of README and docs: what they hold, how they run, and how they are refreshed.

A block holds commands (``$ `` before the first line, ``> `` before further lines) and their output. ``...``
stands for text that is left out: alone on a line for any number of lines, within a line for any characters.
Ages, process ids, ports and times of today differ with each run; any of the same kind is accepted.

The blocks of a page share one shell, one home and one working directory. An HTML comment on the line before
a block changes how it runs, ``<!-- console: WORD ... -->``:

- ``new``: start a new shell with an empty home;
- ``yahoo``: the same, and a stand-in on this machine answers for Yahoo;
- ``aws``: the same, and an emulator on this machine answers for AWS;
- ``retry``: run the command again until the output is as written, 30 seconds at most;
- ``exit-N``: the last command of the block ends with exit code N instead of 0.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from console_output import refresh, without_blank_end

from support.paths import REPOSITORY

PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))

_FENCE = re.compile(r"^( *)```(\w*)\s*$")
_DIRECTIVE = re.compile(r"^ *<!-- console: ([\w -]+?) -->$")


class Command(NamedTuple):
    """One command, the output that the page shows, and the exit code that it has to end with."""

    text: str
    output: tuple[str, ...]
    exit_code: int = 0


class Block(NamedTuple):
    """A fenced block of a page: its language, its lines, and the words of the comment before it."""

    language: str
    lines: tuple[str, ...]
    words: frozenset[str]
    start: int
    """Index of its first line in the page."""
    indent: str

    @property
    def commands(self) -> list[Command]:
        """Return what a console block runs."""
        commands: list[tuple[list[str], list[str]]] = []
        for line in self.lines:
            if line.startswith("$ "):
                commands.append(([line[2:]], []))
            elif line.startswith("> ") and commands and not commands[-1][1]:
                commands[-1][0].append(line[2:])
            elif commands:
                commands[-1][1].append(line)
            else:
                raise ValueError(f"a console block begins with a command, not with {line!r}")
        found = [Command("\n".join(text), tuple(without_blank_end(output))) for text, output in commands]
        codes = [int(word.removeprefix("exit-")) for word in self.words if word.startswith("exit-")]
        if codes:
            found[-1] = found[-1]._replace(exit_code=codes[0])
        return found

    def refreshed(self, outputs: Sequence[Sequence[str]]) -> list[str]:
        """Return the lines of the block with the real output of its commands."""
        lines: list[str] = []
        for command, output in zip(self.commands, outputs, strict=True):
            first, *rest = command.text.splitlines()
            lines += ["", f"$ {first}"] if lines else [f"$ {first}"]
            lines += [f"> {line}" for line in rest]
            lines += refresh(command.output, output)
        return lines


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    found: list[Block] = []
    words: frozenset[str] = frozenset()
    opened: tuple[str, str, int] | None = None
    lines = text.splitlines()
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if opened is None:
            if fence is not None:
                opened = fence[1], fence[2], number + 1
            else:
                directive = _DIRECTIVE.match(line)
                words = frozenset(directive[1].split()) if directive else frozenset()
        elif line == f"{opened[0]}```":
            indent, language, start = opened
            content = tuple(each.removeprefix(indent) for each in lines[start:number])
            found.append(Block(language, content, words, start, indent))
            opened, words = None, frozenset()
    return found


def rewrite(page: Path, outputs: Mapping[int, Sequence[Sequence[str]]]) -> None:
    """Put real output into the blocks of a page whose numbers are given."""
    text = page.read_text("utf-8")
    lines = text.splitlines()
    blocks = blocks_of(text)
    for number in sorted(outputs, reverse=True):
        block = blocks[number]
        fresh = [f"{block.indent}{line}".rstrip() for line in block.refreshed(outputs[number])]
        lines[block.start : block.start + len(block.lines)] = fresh
    page.write_text("\n".join(lines) + "\n", "utf-8")
