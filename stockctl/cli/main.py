"""Runs the program: standard streams and exit code. Loads Typer only when it is needed."""

import sys

import stockctl
from stockctl.cli.output.messages import drop_lost_stderr
from stockctl.cli.output.standard_streams import flush_output, prepare


def run() -> None:
    """Run the command line."""
    prepare()
    try:
        with flush_output():
            if sys.argv[1:] == ["--version"]:
                print(f"stockctl {stockctl.__version__}")  # noqa: T201 - this is the output
                return
            from stockctl.cli.app import run_command

            sys.exit(run_command())
    finally:
        drop_lost_stderr()
