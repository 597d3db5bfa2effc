"""A file that stays young as long as the producer lives."""

import time
from collections.abc import Callable
from pathlib import Path

from stockctl.watching.faults import WatchingError
from stockctl.watching.figures import Figures
from stockctl.watching.figures_file import FiguresFile

PERIOD = 10.0
"""Seconds between two writings; a supervisor should allow for a few of them."""


class HealthFile:
    """A ``FiguresFile`` for a supervisor.

    While a thread is hung it is left alone, so that its modification time tells; ``Vitals`` defines what
    that is.

    Args:
        path: of the file.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._file = FiguresFile(path, "The health file %s grows old", clock)

    def begin(self, figures: Figures) -> None:
        """Write it for the first time.

        Raises:
            WatchingError: it cannot be written.
        """
        try:
            self._file.replace(figures)
        except OSError as error:
            raise WatchingError(
                f"The health file {self._path} cannot be written: {error.strerror or error}.",
                "Name a file in a folder that exists and can be written: --health-file PATH.",
            ) from error

    def write(self, figures: Figures) -> None:
        """Write it anew, if all is well; that it cannot be written now is told once, and nothing ends."""
        if figures.verdict.healthy:
            self._file.try_to_replace(figures)

    def remove(self) -> None:
        """Remove it, at a clean end; what was left after another end tells its age."""
        self._file.remove()
