"""The command ``stockctl`` and ``python -m stockctl``: handles signals before the slow imports."""

import atexit
import gc
import os
import signal
import sys
import threading
from types import FrameType


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's form
    # No command has started yet: exit without clean-up, and without unwinding a running import.
    os._exit(130 if number == signal.SIGINT else 0)


def main() -> None:
    """Run the command line. A signal that arrives while modules are loaded ends it at once."""
    gc.disable()  # objects created by imports live until the process ends
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    from stockctl.cli.main import run

    try:
        run()
    except SystemExit as end:
        _exit_at_once(end.code)
        raise


def _exit_at_once(code: object) -> None:
    """End the process without the interpreter's clean-up of every module: that is slow.

    Returns if only the interpreter can end the process correctly: other threads are running, the code is a
    text to print, or output cannot be flushed.
    """
    if threading.active_count() > 1 or not isinstance(code, int | None):
        return
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public way to run them
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(code or 0)


if __name__ == "__main__":
    main()
