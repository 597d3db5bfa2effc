"""The example of docs/writing-a-source.md works as it is printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli.command import Command
from support.paths import REPOSITORY

pytestmark = pytest.mark.slow

_FILE = re.compile(r'^```\w+ title="([\w.]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The example as an installed package: its files, and the entry point of its pyproject.toml."""
    files = dict(_FILE.findall((REPOSITORY / "docs" / "writing-a-source.md").read_text("utf-8")))
    assert files.keys() == {"acme_quotes.py", "pyproject.toml", "test_acme.py"}
    folder = tmp_path / "package"
    described = folder / "acme_quotes-1.0.dist-info"
    described.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    entry = re.search(r"^acme = (.+)$", files["pyproject.toml"], re.MULTILINE)
    assert entry is not None
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-quotes\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(f"[stockctl.sources]\nacme = {entry[1].strip(chr(34))}\n")
    return folder


def test_the_command_line_runs_it(stockctl: Command, package: Path) -> None:
    """Its quotes go through the pipeline."""
    done = stockctl.run(
        *("stream", "--source", "acme", "--symbols", "AAPL", "--interval", "1"),
        extra={"PYTHONPATH": str(package)},
    )
    assert done.returncode == 0, done.stderr
    assert "3 quotes sent, 3 stored" in done.stderr


def test_it_passes_the_tests_of_the_contract(package: Path) -> None:
    """The test module of the page, run by pytest."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py"]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
