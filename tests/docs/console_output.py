"""Output of commands beside what a page shows of it: what counts as the same, and what a refresh writes."""

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

WILDCARD = "..."
_VARIABLE = {
    "time": re.compile(r"\b20[2-9]\d-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)?"),
    "age": re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|min|[smhdwy])\b"),
    "process": re.compile(r"\bprocess \d+"),
    "port": re.compile(r"127\.0\.0\.1:\d+"),
    "folder": re.compile(r"stockctl-demo-\w+"),
    "  ": re.compile(r" {2,}"),
}
"""What differs with each run, by the kind that stands for it in a comparison."""
_LEAST_ALIKE = 0.4
"""How alike two lines have to be to be taken for an old and a new form of one."""
_COST_OF_CHANGE = 1.5


def without_blank_end(lines: Sequence[str]) -> list[str]:
    """Return lines without those that are blank at the end."""
    lines = list(lines)
    while lines and not lines[-1]:
        lines.pop()
    return lines


@cache
def masked(line: str) -> str:
    """Return a line with the kind of what differs with each run in its place."""
    for name, pattern in _VARIABLE.items():
        line = pattern.sub(name if name.isspace() else f"<{name}>", line)
    return line.rstrip()


def line_matches(expected: str, actual: str) -> bool:
    """Tell whether a line of output is what the page shows."""
    expected, actual = masked(expected), masked(actual)
    if WILDCARD not in expected:
        return expected == actual
    return re.fullmatch(".*".join(map(re.escape, expected.split(WILDCARD))), actual) is not None


def output_matches(expected: Sequence[str], actual: Sequence[str]) -> bool:
    """Tell whether an output is what the page shows."""
    at = start = 0
    wildcard: int | None = None
    while start < len(actual):
        if at < len(expected) and expected[at] == WILDCARD:
            wildcard, resume = at, start
            at += 1
        elif at < len(expected) and line_matches(expected[at], actual[start]):
            at, start = at + 1, start + 1
        elif wildcard is not None:
            resume += 1
            at, start = wildcard + 1, resume
        else:
            return False
    return all(line == WILDCARD for line in expected[at:])


def refresh(expected: Sequence[str], actual: Sequence[str]) -> list[str]:
    """Return the output as it is, with ``...`` where the page had it."""
    if output_matches(expected, actual):
        return list(expected)
    lines = []
    for old, new in _aligned(list(expected), list(actual), _line_likeness):
        if old == WILDCARD and new is None:
            lines.append(WILDCARD)
        elif new is not None:
            lines.append(_refresh_line(old, new))
    return lines


def _refresh_line(old: str | None, new: str) -> str:
    if old is None or WILDCARD not in old:
        return new
    if line_matches(old, new):
        return old
    old_words = [word for word in re.split(rf"({re.escape(WILDCARD)}|\s+)", old) if word]
    new_words = [word for word in re.split(r"(\s+)", new) if word]
    words = []
    for before, now in _aligned(old_words, new_words, lambda one, other: float(one == other)):
        if before == WILDCARD and now is None:
            words.append(WILDCARD)
        elif now is not None:
            words.append(now)
    return "".join(words)


def _line_likeness(old: str, new: str) -> float:
    if line_matches(old, new):
        return 1.0
    return SequenceMatcher(None, masked(old), masked(new), autojunk=False).ratio()


def _aligned(
    old: list[str], new: list[str], likeness: Callable[[str, str], float]
) -> list[tuple[str | None, str | None]]:
    """Return the cheapest pairing of two sequences in their order; a wildcard takes any run for nothing.

    A pair costs the more the less alike it is; what has no partner costs 1. What a wildcard takes is left
    out of the result.
    """
    steps = _cheapest_steps(old, new, likeness)
    pairs: list[tuple[str | None, str | None]] = []
    i = j = 0
    while (step := steps[i][j].kind) != "end":
        if step != "taken":
            pairs.append((old[i] if step in _TAKES_OLD else None, new[j] if step in _TAKES_NEW else None))
        i += step in _TAKES_OLD
        j += step in _TAKES_NEW
    return pairs


_TAKES_OLD = ("pair", "old")
_TAKES_NEW = ("pair", "new", "taken")


class _Step(NamedTuple):
    """The cheapest way on from a place in both sequences: what it costs to the end, and its first step."""

    cost: float
    kind: str


def _cheapest_steps(
    old: list[str], new: list[str], likeness: Callable[[str, str], float]
) -> list[list[_Step]]:
    """Return the step from each pair of places, from the last back to the first."""
    rows, columns = len(old), len(new)
    best = [[_Step(0.0, "end")] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows, -1, -1):
        wild = i < rows and old[i] == WILDCARD
        alone = 0.0 if wild else 1.0
        for j in range(columns, -1, -1):
            steps = []
            if i < rows:
                steps.append(_Step(best[i + 1][j].cost + alone, "old"))
            if j < columns:
                steps.append(_Step(best[i][j + 1].cost + alone, "taken" if wild else "new"))
            if i < rows and j < columns and not wild and (alike := likeness(old[i], new[j])) >= _LEAST_ALIKE:
                changed = _COST_OF_CHANGE * (1.0 - alike)
                steps.append(_Step(best[i + 1][j + 1].cost + changed, "pair"))
            best[i][j] = min(steps, default=best[i][j])
    return best
