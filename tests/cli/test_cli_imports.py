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


@pytest.mark.parametrize("arguments", [["--help"], ["stream", "--help"], ["query", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """After --help none of the large libraries is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stderr.strip().split(","))
    assert "stockctl.cli.main" in loaded
    assert not HEAVY & loaded


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
