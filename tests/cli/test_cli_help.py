"""--help: the defaults, and which sources an option is for."""

import pytest

from stockctl.config.schema import Settings
from support.cli.command import Command


@pytest.mark.parametrize(
    ("arguments", "option", "told"),
    [
        ((), "--config", "[default: ($STOCKCTL_CONFIG or ./stockctl.toml)]"),
        (("stream",), "--timezone", "[default: (America/New_York)]"),
        (("stream",), "--when-closed", f"[default: ({Settings().source.when_closed}, or as configured)]"),
        (("stream",), "--interval", f"[default: ({Settings().source.interval:g}, or as configured)]"),
        (("stream",), "--interval", "(yahoo, yahoo-live)"),
        (("stream",), "--file", "(ndjson)"),
        (("stream",), "--limit", "[default: 0]"),
        (("query", "latest"), "--limit", "[default: 20]"),
    ],
)
def test_defaults_and_sources_are_told(
    stockctl: Command, arguments: tuple[str, ...], option: str, told: str
) -> None:
    """No part of a help text is taken for markup."""
    shown = stockctl.ok(*arguments, "--help", extra={"COLUMNS": "250"})
    (line,) = (line for line in shown.splitlines() if f"│ {option} " in line)
    assert told in line
