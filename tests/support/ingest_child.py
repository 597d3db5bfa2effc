"""Feeds a file of records into an embedded home, and dies on request.

    ingest_child.py HOME RECORDS BATCH [CALL]

It prints "ready" and waits for a line on its standard input, so that several can begin at once. Then it
prints the number of new quotes after each batch, and at the end how many calls of functions, Python's and
C's, it made. At the CALL-th of these it kills itself with SIGKILL: a moment that is the same every time. It
ends when its standard input does, so that there is time to kill it.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from stockctl.pipeline.ports import Record
from support.local_home import batches, open_stream


class Countdown:
    """Counts calls, and ends the process at one of them."""

    def __init__(self, death: int) -> None:
        self.calls = 0
        self._death = death

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Count one event of the interpreter's profiler."""
        if event in ("call", "c_call"):
            self.calls += 1
            if self.calls == self._death:
                os.kill(os.getpid(), signal.SIGKILL)


def main(root: Path, lines: list[bytes], size: int, death: int) -> None:
    """Feed ``lines`` in batches of ``size``."""
    print("ready", flush=True)
    sys.stdin.readline()
    countdown = Countdown(death)
    sys.setprofile(countdown)
    with open_stream(root) as stream:
        for batch in batches(lines, size):
            print(stream.send([Record(line, "test") for line in batch]).stored, flush=True)
    sys.setprofile(None)
    print("calls", countdown.calls, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    home, file, size, *death = sys.argv[1:]
    main(Path(home), Path(file).read_bytes().splitlines(), int(size), int(*death))
