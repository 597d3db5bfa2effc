"""Forcing what waits onto the disk, about once a second, and only while something does."""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from stockctl.producer.outbox_file import OutboxFile

INTERVAL = 0.5
"""Seconds between two looks; with the age below it bounds what a power cut takes to about a second."""
AGE = 0.25
"""Seconds that quotes have to wait to be worth a sync; what a healthy stream takes at once is not."""

_log = logging.getLogger(__name__)


class Syncer:
    """A thread that syncs a file while quotes wait in it, and sleeps without a bound when nothing is put.

    Args:
        file: the outbox.
        waits_since: since when the oldest of what waits does so, in seconds since 1970, or None.
    """

    def __init__(self, file: OutboxFile, waits_since: Callable[[], float | None]) -> None:
        self._file = file
        self._waits_since = waits_since
        self._written = Event()
        self._closed = Event()
        self._done = Event()
        self.syncs = 0
        self._thread = Thread(target=self._run, name="outbox-sync", daemon=True)
        self._thread.start()

    def note(self) -> None:
        """Note that something was written."""
        self._done.clear()
        self._written.set()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._written.set()
        self._thread.join()

    def synced(self, seconds: float) -> bool:
        """Wait for the next sync; return False when there is none in time."""
        return self._done.wait(seconds)

    def _run(self) -> None:
        while True:
            self._written.wait()
            if self._closed.wait(INTERVAL):
                return
            since = self._waits_since()
            if since is None:
                self._written.clear()
            elif time.time() - since >= AGE:
                self._written.clear()
                self._sync()
                self._done.set()

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            _log.warning("The outbox cannot be forced onto the disk: %s.", error.strerror or error)
        self.syncs += 1
