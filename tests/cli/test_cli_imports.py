"""What --help may load."""

import subprocess
import sys

import pytest

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
