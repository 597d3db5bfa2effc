"""What --help may load, and signals that come while something loads."""

import os
import signal
import subprocess
import sys
import tomllib

import pytest

from support.cli.command import Command
from support.paths import REPOSITORY

pytestmark = pytest.mark.slow

MODULE, _, FUNCTION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"][
    "stockctl"
].partition(":")
INSTALLED = f"import sys; from {MODULE} import {FUNCTION}; sys.exit({FUNCTION}())"
"""What the script that an installation makes does."""

HEAVY = {"prometheus_client", "boto3", "botocore", "pandas", "yfinance", "duckdb", "pyathena", "sqlglot"}
PROGRAM = """
import sys
from stockctl.cli.main import run
sys.argv = ["stockctl", *sys.argv[1:]]
try:
    run()
finally:
    print(",".join(sorted(sys.modules)), file=sys.stderr)
"""


def loaded_by(arguments: list[str], environment: dict[str, str] | None = None) -> set[str]:
    """Return the modules that are loaded once a command has run."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=None if environment is None else {**os.environ, **environment},
        timeout=60,
    )
    return set(done.stderr.strip().splitlines()[-1].split(","))


@pytest.mark.parametrize("arguments", [["--help"], ["stream", "--help"], ["query", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """After --help none of the large libraries is loaded, nor what draws tables or validates."""
    loaded = loaded_by(arguments)
    assert "stockctl.cli.main" in loaded
    assert not {*HEAVY, "rich", "pydantic"} & loaded


def test_the_version_needs_no_command_line_library() -> None:
    """It is printed before Typer is imported."""
    assert not {"typer", "stockctl.cli.app"} & loaded_by(["--version"])


@pytest.mark.parametrize("words", ["stockctl al", "stockctl alerts list -o js", "stockctl stream --sy"])
def test_completion_loads_what_the_words_need(words: str) -> None:
    """No validation, no tables, and no commands but the one that is typed."""
    shell = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    loaded = loaded_by([], {"_STOCKCTL_COMPLETE": "complete_bash", **shell})
    assert not {*HEAVY, "rich", "pydantic"} & loaded
    commands = {name for name in loaded if name.startswith("stockctl.cli.commands.")}
    typed = words.split()[1]
    assert commands <= {f"stockctl.cli.commands.{typed}", "stockctl.cli.commands.symbol_reload"}


def test_only_sections_that_are_read_are_built() -> None:
    """The validator of a section is built when something is set in it."""
    program = (
        "from stockctl.config.schema import SECTIONS, Settings\n"
        "settings = Settings.model_validate({'local': {'path': '/x'}})\n"
        "assert settings.functions.retries == 50\n"
        "print([name for name, each in SECTIONS.items() if each.__pydantic_complete__])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "['local']\n"


def test_the_end_runs_what_was_registered_for_it(stockctl: Command) -> None:
    """The process ends without taking the interpreter apart, but exit handlers run, and output is written."""
    (stockctl.folder / "sitecustomize.py").write_text(
        "import atexit, sys\natexit.register(lambda: print('registered', file=sys.stderr))\n"
    )
    extra = {"PYTHONPATH": os.pathsep.join([str(stockctl.folder), str(REPOSITORY)])}
    fresh = Command(stockctl.folder, fresh=True)
    done = fresh.run("--version", extra=extra)
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "stockctl", "registered\n")
    done = fresh.run("strem", extra=extra)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "registered")


def test_status_loads_no_cloud_and_no_warehouse(stockctl) -> None:
    """A command that answers from the table loads no AWS client, no DuckDB and no pandas."""
    stockctl.ok("provision")
    program = PROGRAM.replace("sys.argv = ", "sys.argv = ['stockctl', 'status'] or ")
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=stockctl.environment(),
        timeout=60,
    )
    assert not HEAVY & set(done.stderr.strip().splitlines()[-1].split(","))


SIGNALLED = """
import importlib.abc, os, signal, sys

class Signalling(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["AT_IMPORT"]:
            os.kill(os.getpid(), int(os.environ["NUMBER"]))
        return None

sys.meta_path.insert(0, Signalling())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.parametrize(
    "module", ["stockctl.cli", "typer", "stockctl.cli.commands.config", "stockctl.config.schema"]
)
@pytest.mark.parametrize("program", [["-m", "stockctl"], ["-c", INSTALLED]], ids=["module", "installed"])
def test_a_signal_while_loading_ends_it_like_any_other(
    stockctl: Command, program: list[str], module: str, number: int, code: int
) -> None:
    """No traceback, and the exit codes of a command that runs."""
    (stockctl.folder / "sitecustomize.py").write_text(SIGNALLED)
    found = [str(stockctl.folder), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    extra = {"PYTHONPATH": os.pathsep.join(found), "AT_IMPORT": module, "NUMBER": str(int(number))}
    done = subprocess.run(
        [sys.executable, *program, "config", "show"],
        capture_output=True,
        text=True,
        check=False,
        env=stockctl.environment(extra),
        cwd=stockctl.folder,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
