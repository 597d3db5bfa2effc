"""Files with the metrics of a run: for other processes, and for a supervisor."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from stockctl.errors import WatchingError
from stockctl.market.numbers import to_json
from stockctl.monitoring.metrics import RunMetrics

TEXTS = ("reason", "hung", "failure")
"""Other texts in the file: why nothing is delivered, why a thread hangs, why the run ended."""

_log = logging.getLogger(__name__)


class MetricsFile:
    """Holds one JSON object with the figures.

    These are ``time`` (since 1970), ``pid``, ``seconds`` (since the start), ``reason`` (why nothing is
    delivered at present, or null), and the fields of ``RunMetrics.fields``. It is replaced whole and never
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

    def replace(self, figures: RunMetrics, **more: object) -> None:
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

    def try_to_replace(self, figures: RunMetrics, **more: object) -> None:
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


STATUS_PERIOD = 2.0
"""Seconds between two writings."""


def status_path(outbox: Path) -> Path:
    """Return the file of the producer that uses ``outbox``."""
    return outbox.with_name(f"{outbox.name}.state.json")


class StatusFile:
    """A ``MetricsFile`` for whoever wonders how the producer is.

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
        self._file = MetricsFile(status_path(outbox), "'stockctl status' does not see %s", clock)

    def write(self, figures: RunMetrics) -> None:
        """Write it anew, unless the outbox is gone: a teardown has removed it, and this file with it."""
        with self._lock:
            if not self._failed and self._outbox.exists():
                self._file.try_to_replace(figures, hung=figures.health.reason)

    def fail(self, figures: RunMetrics, reason: str) -> None:
        """Write it for the last time, with the reason why the producer ends."""
        with self._lock:
            self._failed = True
            if self._outbox.exists():
                self._file.try_to_replace(figures, failure=reason)

    def remove(self) -> None:
        """Remove it, at a clean end."""
        self._file.remove()


HEALTH_PERIOD = 10.0
"""Seconds between two writings; a supervisor should allow for a few of them."""


class HealthFile:
    """A ``MetricsFile`` for a supervisor.

    While a thread is hung it is not written, so that its modification time shows it; ``LivenessMonitor``
    defines what hung means.

    Args:
        path: of the file.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._file = MetricsFile(path, "The health file %s grows old", clock)

    def begin(self, figures: RunMetrics) -> None:
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

    def write(self, figures: RunMetrics) -> None:
        """Write it anew, if all is well; that it cannot be written now is told once, and nothing ends."""
        if figures.health.healthy:
            self._file.try_to_replace(figures)

    def remove(self) -> None:
        """Remove it, at a clean end; what was left after another end tells its age."""
        self._file.remove()
