"""Writes metrics to files: the status file for ``stockctl status``, the health file for supervisors."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from stockctl.errors import MonitoringError
from stockctl.market.numbers import to_json
from stockctl.monitoring.metrics import RunMetrics
from stockctl.producer.outbox.paths import STATUS, beside

TEXTS = ("reason", "hung", "failure")
"""Other texts in the file: why nothing is delivered, why a thread hangs, why the run ended."""

_log = logging.getLogger(__name__)


class MetricsFile:
    """A file with one JSON object of metrics, always replaced as a whole.

    It has ``time`` (seconds since 1970), ``pid``, ``seconds`` (since the start), ``reason`` (why nothing is
    delivered at present, or null), and the fields of ``RunMetrics.fields``.

    Args:
        path: the path of the file.
        consequence: what happens if it cannot be written, with ``%s`` for the path.
        clock: returns seconds since 1970.
    """

    def __init__(self, path: Path, consequence: str, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._consequence = consequence
        self._clock = clock
        self._failed = False

    def replace(self, run: RunMetrics, **more: object) -> None:
        """Write the file, with additional fields.

        Raises:
            OSError: it cannot be written.
        """
        now = self._clock()
        document = {
            "time": round(now, 3),
            "pid": os.getpid(),
            "seconds": round(now - run.started_at, 1),
            "reason": run.delivery.fault,
            **run.fields(),
            **more,
        }
        try:
            self._partial.write_text(to_json(document) + "\n", "utf-8")
            self._partial.replace(self._path)
        finally:
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)

    def try_to_replace(self, run: RunMetrics, **more: object) -> None:
        """Write the file; log a failure once until a write succeeds again."""
        try:
            self.replace(run, **more)
        except OSError as error:
            if not self._failed:
                reason = error.strerror or error
                _log.warning(f"{self._consequence}: it cannot be written: %s.", self._path, reason)
            self._failed = True
        else:
            self._failed = False

    def remove(self) -> None:
        """Remove the file, at a clean end. After any other end it stays, with its age."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


STATUS_PERIOD = 2.0
"""Seconds between two writes."""


class StatusFile:
    """The metrics of a producer for ``stockctl status``.

    It is also written while a thread hangs, with the reason as ``hung``. If the run fails it has the reason
    as ``failure``. A failure to write it does not end the run. Any thread may call.

    Args:
        outbox: the outbox of the producer.
        clock: returns seconds since 1970.
    """

    def __init__(self, outbox: Path, clock: Callable[[], float] = time.time) -> None:
        self._outbox = outbox
        self._lock = Lock()
        self._failed = False
        self._file = MetricsFile(
            beside(outbox, STATUS), "'stockctl status' does not see the metrics in %s", clock
        )

    def write(self, run: RunMetrics) -> None:
        """Write the file, unless a teardown removed the outbox and this file with it."""
        with self._lock:
            if not self._failed and self._outbox.exists():
                self._file.try_to_replace(run, hung=run.health.reason)

    def fail(self, run: RunMetrics, reason: str) -> None:
        """Write the file for the last time, with the reason why the run failed."""
        with self._lock:
            self._failed = True
            if self._outbox.exists():
                self._file.try_to_replace(run, failure=reason)

    def remove(self) -> None:
        """Remove the file, at a clean end."""
        self._file.remove()


HEALTH_PERIOD = 10.0
"""Seconds between two writes; a supervisor should allow for a few of them."""


class HealthFile:
    """The metrics of a producer for a supervisor.

    It is not written while a thread hangs, so that its modification time shows that. ``LivenessMonitor``
    defines when a thread hangs.

    Args:
        path: the path of the file.
        clock: returns seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._file = MetricsFile(path, "The health file %s is not updated", clock)

    def create(self, run: RunMetrics) -> None:
        """Write the file for the first time.

        Raises:
            MonitoringError: it cannot be written.
        """
        try:
            self._file.replace(run)
        except OSError as error:
            raise MonitoringError(
                f"The health file {self._path} cannot be written: {error.strerror or error}.",
                "Pass a path in an existing, writable folder: --health-file PATH.",
            ) from error

    def write(self, run: RunMetrics) -> None:
        """Write the file, unless a thread hangs."""
        if run.health.healthy:
            self._file.try_to_replace(run)

    def remove(self) -> None:
        """Remove the file, at a clean end."""
        self._file.remove()
