"""A file that stays young as long as the producer lives."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stockctl.market.jsontext import to_json
from stockctl.watching.faults import WatchingError
from stockctl.watching.figures import Figures

PERIOD = 10.0
"""Seconds between two writings; a supervisor should allow for a few of them."""

_log = logging.getLogger(__name__)


class HealthFile:
    """Holds one JSON object with the figures.

    These are ``time`` (since 1970), ``pid``, ``seconds`` (since the start), ``reason`` (why nothing is
    delivered at present, or null), and the fields of ``Figures.fields``.

    It is replaced whole and never seen half written. While a thread is hung it is left alone, so that its
    modification time tells; ``Vitals`` defines what that is.

    Args:
        path: of the file.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._clock = clock
        self._failed = False

    def begin(self, figures: Figures) -> None:
        """Write it for the first time.

        Raises:
            WatchingError: it cannot be written.
        """
        try:
            self._replace(figures)
        except OSError as error:
            raise WatchingError(
                f"The health file {self._path} cannot be written: {error.strerror or error}.",
                "Name a file in a folder that exists and can be written: --health-file PATH.",
            ) from error

    def write(self, figures: Figures) -> None:
        """Write it anew, if all is well; that it cannot be written now is told once, and nothing ends."""
        if not figures.verdict.healthy:
            return
        try:
            self._replace(figures)
        except OSError as error:
            if not self._failed:
                _log.warning(
                    "The health file %s grows old, because it cannot be written: %s.",
                    self._path,
                    error.strerror or error,
                )
            self._failed = True
        else:
            self._failed = False

    def remove(self) -> None:
        """Remove it, at a clean end; what was left after another end tells its age."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _replace(self, figures: Figures) -> None:
        now = self._clock()
        document = {
            "time": round(now, 3),
            "pid": os.getpid(),
            "seconds": round(now - figures.started_at, 1),
            "reason": figures.delivery.fault,
            **figures.fields(),
        }
        try:
            self._partial.write_text(to_json(document) + "\n", "utf-8")
            self._partial.replace(self._path)
        finally:
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)
