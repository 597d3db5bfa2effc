"""Forcing what waits onto the disk, about once a second, and only while something does."""

import logging
import time
from collections.abc import Callable
from threading import Condition, Thread

from stockctl.producer.outbox.store import OutboxFile

INTERVAL = 0.5
"""Seconds between two looks; with the age below it bounds what a power cut takes to about a second."""
AGE = 0.25
"""Seconds that quotes have to wait to be worth a sync; what a healthy stream takes at once is not."""

_log = logging.getLogger(__name__)


class FsyncThread:
    """A thread that syncs a file while quotes wait in it, and sleeps without a bound when nothing is put.

    Args:
        file: the outbox.
        waits_since: since when the oldest of what waits does so, by ``time.monotonic``, or None.
    """

    def __init__(self, file: OutboxFile, waits_since: Callable[[], float | None]) -> None:
        self._file = file
        self._waits_since = waits_since
        self._changed = Condition()
        self._noted = self._seen = 0
        self._closed = False
        self.syncs = 0
        self._thread = Thread(target=self._run, name="outbox-sync", daemon=True)
        self._thread.start()

    def note(self) -> None:
        """Note that something was written."""
        with self._changed:
            self._noted += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def synced(self, seconds: float) -> bool:
        """Wait until what was written is on the disk, or delivered; return False when it is not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._seen == self._noted, seconds)

    def _run(self) -> None:
        while self._rested():
            with self._changed:
                noted = self._noted
            since = self._waits_since()
            if since is not None:
                if time.monotonic() - since < AGE:
                    continue
                self._sync()
            with self._changed:
                self._seen = noted
                self._changed.notify_all()

    def _rested(self) -> bool:
        """Sleep until something was written, and a while longer; return whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._seen != self._noted)
            return not self._changed.wait_for(lambda: self._closed, INTERVAL)

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            _log.warning("The outbox cannot be forced onto the disk: %s.", error.strerror or error)
        self.syncs += 1
