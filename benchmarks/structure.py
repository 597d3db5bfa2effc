"""Figures of the code's structure: sizes, names used twice, and the modules that a quote and a key pass.

    python benchmarks/structure.py [--root CHECKOUT]

``--root`` measures another checkout, such as an older commit in a worktree, with the same rules.

A module is on the way of a quote when one of its functions runs because of it: when ``stockctl stream`` reads
one quote from a pipe and stores it, and not when the pipe is empty. It is on the way of a configuration key
when one of its functions runs while a file with that key is loaded.
"""

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
QUOTE = {
    "symbol": "AAPL", "timestamp": "2026-01-05T15:00:00.000Z", "price": 267.26, "previous_close": 240.0,
    "open": 265.0, "high": 268.0, "low": 264.0, "volume": 1000, "source": "replay",
}  # fmt: skip
QUOTES = json.dumps(QUOTE) + "\n"
KEY = "[anomaly]\nthreshold_percent = 4\n"


class Module(NamedTuple):
    """One module of the package."""

    path: Path
    lines: int
    names: tuple[str, ...]
    """Public classes and functions that it defines at its top."""


def modules_of(root: Path) -> list[Module]:
    """Return the modules of the package, without ``__init__`` and ``__main__``."""
    found = []
    for path in sorted((root / "stockctl").rglob("*.py")):
        if path.stem not in ("__init__", "__main__"):
            text = path.read_text("utf-8")
            names = tuple(
                node.name
                for node in ast.parse(text).body
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            )
            found.append(Module(path.relative_to(root), len(text.splitlines()), names))
    return found


def repeated(names: Iterator[str]) -> list[str]:
    """Return the names that occur more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def quote_modules(root: Path) -> list[str]:
    """Return the modules that one live quote passes, from standard input to its alerts."""
    return modules_in(called(root, "stream", QUOTES) - called(root, "stream", ""))


def key_modules(root: Path) -> list[str]:
    """Return the modules that one configuration key passes, from the file to the settings."""
    return modules_in(called(root, "load", ""))


def modules_in(functions: set[tuple[str, str]]) -> list[str]:
    """Return the modules of functions, sorted."""
    return sorted({module for module, _ in functions})


def called(root: Path, what: str, text: str) -> set[tuple[str, str]]:
    """Return the functions of the package that a run calls, each with its module."""
    with tempfile.TemporaryDirectory(prefix="stockctl-structure-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STOCKCTL_")}
        environment |= {"PYTHONPATH": str(root), "STOCKCTL_LOCAL__PATH": f"{folder}/home"}
        (Path(folder) / "stockctl.toml").write_text(KEY)
        done = subprocess.run(
            [sys.executable, str(HERE / "structure_trace.py"), what],
            input=text, text=True, cwd=folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True,
        )  # fmt: skip
        return {(module, name) for module, name in json.loads(done.stderr.splitlines()[-1])}


def report(root: Path) -> Iterator[str]:
    """Yield the figures, a line each."""
    modules = modules_of(root)
    sizes = sorted(module.lines for module in modules)
    folders = Counter(module.path.parent.as_posix() for module in modules)
    folder, most = folders.most_common(1)[0]
    stems = repeated(module.path.stem for module in modules)
    names = repeated(name for module in modules for name in module.names)
    yield f"modules                        {len(modules)}, {sum(sizes):,} lines"
    p95 = sizes[int(len(sizes) * 0.95)]
    yield f"lines of a module              median {median(sizes):.0f}, p95 {p95}, longest {sizes[-1]}"
    yield f"largest folder                 {folder}, {most} modules"
    yield f"folders over 15 modules        {sum(count > 15 for count in folders.values())}"
    yield f"basenames used twice or more   {len(stems)}: {', '.join(stems)}"
    yield f"public names defined twice     {len(names)}: {', '.join(names)}"
    for what, passed in (("a live quote", quote_modules(root)), ("a configuration key", key_modules(root))):
        yield f"modules {what} passes".ljust(36) + str(len(passed))
        yield from (f"    {name}" for name in passed)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=HERE.parent, help="the checkout to measure")
    for line in report(parser.parse_args().root.resolve()):
        print(line)


if __name__ == "__main__":
    main()
