"""What a running producer leaves beside its outbox, for ``stockctl status``."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from stockctl.watching.figures import Figures
from stockctl.watching.figures_file import FiguresFile

PERIOD = 2.0
"""Seconds between two writings."""


def state_path(outbox: Path) -> Path:
    """Return the file of the producer that uses ``outbox``."""
    return outbox.with_name(f"{outbox.name}.state.json")


class StateFile:
    """A ``FiguresFile`` for whoever wonders how the producer is.

    It is written whether all is well or not, with why a thread is ``hung``, and the ``failure`` that ended
    the producer. Nobody has asked for it, so nothing ends when it cannot be written.

    Any thread may call.

    Args:
        outbox: of the producer.
        clock: seconds since 1970.
    """

    def __init__(self, outbox: Path, clock: Callable[[], float] = time.time) -> None:
        self._outbox = outbox
        self._lock = Lock()
        self._failed = False
        self._file = FiguresFile(state_path(outbox), "'stockctl status' does not see %s", clock)

    def write(self, figures: Figures) -> None:
        """Write it anew, unless the outbox is gone: a teardown has removed it, and this file with it."""
        with self._lock:
            if not self._failed and self._outbox.exists():
                self._file.try_to_replace(figures, hung=figures.verdict.reason)

    def fail(self, figures: Figures, reason: str) -> None:
        """Write it for the last time, with the reason why the producer ends."""
        with self._lock:
            self._failed = True
            if self._outbox.exists():
                self._file.try_to_replace(figures, failure=reason)

    def remove(self) -> None:
        """Remove it, at a clean end."""
        self._file.remove()
