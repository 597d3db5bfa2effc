"""A file with the figures of a run, for other processes."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stockctl.market.jsontext import to_json
from stockctl.watching.figures import Figures

_log = logging.getLogger(__name__)


class FiguresFile:
    """Holds one JSON object with the figures.

    These are ``time`` (since 1970), ``pid``, ``seconds`` (since the start), ``reason`` (why nothing is
    delivered at present, or null), and the fields of ``Figures.fields``. It is replaced whole and never
    seen half written.

    Args:
        path: of the file.
        consequence: what it means that it cannot be written, with ``%s`` for the path.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, consequence: str, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._consequence = consequence
        self._clock = clock
        self._failed = False

    def replace(self, figures: Figures, **more: object) -> None:
        """Write it anew, with what else there is to tell.

        Raises:
            OSError: it cannot be written.
        """
        now = self._clock()
        document = {
            "time": round(now, 3),
            "pid": os.getpid(),
            "seconds": round(now - figures.started_at, 1),
            "reason": figures.delivery.fault,
            **figures.fields(),
            **more,
        }
        try:
            self._partial.write_text(to_json(document) + "\n", "utf-8")
            self._partial.replace(self._path)
        finally:
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)

    def try_to_replace(self, figures: Figures, **more: object) -> None:
        """Write it anew; that it cannot be written is told once, until it can, and nothing ends."""
        try:
            self.replace(figures, **more)
        except OSError as error:
            if not self._failed:
                why = error.strerror or error
                _log.warning(f"{self._consequence}, because it cannot be written: %s.", self._path, why)
            self._failed = True
        else:
            self._failed = False

    def remove(self) -> None:
        """Remove it, at a clean end; what was left after another end tells its age."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
