"""The start of the functions: environment variables, and no heavy imports."""

import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import stockctl
from stockctl.errors import ConfigError
from stockctl.functions.runtime import Environment, read_environment
from stockctl.market.rules import AnalysisRules
from support.aws.lambda_functions import ENVIRONMENT

ROOT = Path(stockctl.__file__).parent.parent
HEAVY = (
    "pydantic",
    "typer",
    "rich",
    "pandas",
    "numpy",
    "yfinance",
    "duckdb",
    "sqlglot",
    "stockctl.config.schema",
)


def test_the_environment_is_read_once_and_whole():
    """Names, windows and limits; zero means no limit."""
    variables = {**ENVIRONMENT, "THRESHOLD_PERCENT": "2.5", "ALERT_MAX_AGE_SECONDS": "3600", "TTL_DAYS": "90"}
    assert read_environment(variables, publishes=True) == Environment(
        "stock-market-data", "stock-market-alerts", "quotes-of-a-test", ENVIRONMENT["TOPIC_ARN"],
        AnalysisRules(5, 20, Decimal("2.5")), timedelta(hours=1), timedelta(days=90),
    )  # fmt: skip
    assert read_environment(ENVIRONMENT)[-2:] == (None, None)
    assert read_environment(ENVIRONMENT).topic_arn == ""


@pytest.mark.parametrize(
    "name",
    ["TABLE_NAME", "ALERTS_TABLE", "BUCKET", "TOPIC_ARN", "SMA_SHORT", "SMA_LONG", "THRESHOLD_PERCENT",
     "ALERT_MAX_AGE_SECONDS", "TTL_DAYS"],
)  # fmt: skip
def test_a_missing_variable_is_named(name: str):
    """The error names the variable, and the command that sets it."""
    variables = {key: value for key, value in ENVIRONMENT.items() if key != name}
    with pytest.raises(ConfigError, match=f"environment variable {name} is missing") as refused:
        read_environment(variables, publishes=True)
    assert "stockctl provision" in (refused.value.hint or "")


@pytest.mark.parametrize("name", ["SMA_SHORT", "THRESHOLD_PERCENT", "ALERT_MAX_AGE_SECONDS", "TTL_DAYS"])
@pytest.mark.parametrize("value", ["", "five", "5,0", "NaN", "Infinity", "-1"])
def test_a_variable_that_is_no_number_is_named(name: str, value: str):
    """With its value."""
    with pytest.raises(ConfigError, match=f"environment variable {name} = '{value}' "):
        read_environment({**ENVIRONMENT, name: value})


@pytest.mark.parametrize("name", ["ingest", "trend"])
def test_a_function_loads_nothing_heavy(name: str):
    """Importing an entry point leaves out what only the command line needs."""
    code = (
        f"import sys, stockctl.functions.{name} as entry\n"
        "assert callable(entry.handler)\n"
        f"heavy = {HEAVY!r}\n"
        "print([module for module in heavy if module in sys.modules])"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **ENVIRONMENT}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


def test_a_function_without_its_environment_says_so():
    """The import fails with the name of the variable, which is what the log of the function shows."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **ENVIRONMENT}
    del environment["TABLE_NAME"]
    result = subprocess.run(
        [sys.executable, "-c", "import stockctl.functions.ingest"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "ConfigError: The environment variable TABLE_NAME is missing." in result.stderr
