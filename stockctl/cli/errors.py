"""Turns every error of a command into a message and an exit code."""

import gc
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import FrameType
from typing import ParamSpec

import typer

from stockctl.cli.output.messages import escape_control, print_error
from stockctl.cli.output.standard_streams import OutputFailed, discard_stdout
from stockctl.errors import StockctlError

P = ParamSpec("P")

FAILED = 1
INTERRUPTED = 130


class Terminated(BaseException):
    """SIGTERM arrived; the command cleans up and ends."""


def handle_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Return ``command`` with its errors printed and turned into exit codes.

    The codes are 0 for success, SIGTERM and a closed pipe; 1 for a known failure or a bug (with the traceback
    in a file); 2 for wrong usage or configuration; 130 for SIGINT; 128 plus its number for a second signal.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            _set_signal_handlers()
            _start_garbage_collection()
            command(*args, **kwargs)
        except StockctlError as error:
            with suppress(OSError):  # the end of the program flushes again, and reports the error
                sys.stdout.flush()
            print_exception(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(getattr(interrupt, "exit_code", INTERRUPTED)) from None
        except Terminated:
            raise typer.Exit(0) from None
        except BrokenPipeError:
            discard_stdout()
            raise typer.Exit(0) from None
        except (typer.Exit, typer.Abort, OutputFailed):
            raise  # handled at the end of the program
        except Exception as error:  # noqa: BLE001 - the only place that reports bugs
            _report_bug(error)
            raise typer.Exit(FAILED) from None

    return run


def print_exception(error: StockctlError) -> None:
    """Print on stderr what happened, why, and what to do next; print a hint of several errors once."""
    errors = [error, *error.others]
    for each, following in zip(errors, [*errors[1:], None], strict=True):
        print_error(f"error: {each.message}")
        if each.hint and (following is None or following.hint != each.hint):
            print_error(f"  → {each.hint}")


def _set_signal_handlers() -> None:
    """Let signals end a command like an exception, so that it cleans up."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _start_garbage_collection() -> None:
    """Enable garbage collection, but exclude the objects that exist now.

    Nearly all of them live until the end.
    """
    gc.freeze()
    gc.enable()


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's form
    raise Terminated


def _report_bug(error: Exception) -> None:
    with tempfile.NamedTemporaryFile(
        "w", prefix="stockctl-bug-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    summary = escape_control(f"{type(error).__name__}: {error}".splitlines()[0])
    print_error(f"error: this is a bug in stockctl: {summary}")
    print_error(f"  → Please report it with {log.name}; stored data is safe.")
