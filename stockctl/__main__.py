"""The installed command, and ``python -m stockctl``: ready for signals before anything takes time."""

import os
import signal
from types import FrameType


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's form
    # Nothing has begun: nothing is to be cleaned up, and no import is to be unwound.
    os._exit(130 if number == signal.SIGINT else 0)


def main() -> None:
    """Run the command line; a signal that comes while it loads ends it at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    from stockctl.cli.main import run

    run()


if __name__ == "__main__":
    main()
