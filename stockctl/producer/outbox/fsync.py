"""Syncs waiting quotes to the disk about once per second; does nothing while no quote waits."""

import logging
import time
from collections.abc import Callable
from threading import Condition, Thread

from stockctl.producer.outbox.store import OutboxFile

INTERVAL = 0.5
"""Seconds between two checks; with ``AGE``, a crash of the machine costs about one second of quotes."""
AGE = 0.25
"""Seconds that quotes must wait before a sync; a healthy stream accepts them earlier."""

_log = logging.getLogger(__name__)


class FsyncThread:
    """A thread that syncs a file while quotes wait in it, and sleeps while nothing is written.

    Args:
        file: the outbox.
        waiting_since: returns the ``time.monotonic`` at which the oldest waiting quote was put, or None.
    """

    def __init__(self, file: OutboxFile, waiting_since: Callable[[], float | None]) -> None:
        self._file = file
        self._waiting_since = waiting_since
        self._changed = Condition()
        self._writes = self._synced_writes = 0
        self._closed = False
        self.syncs = 0
        self._thread = Thread(target=self._run, name="outbox-sync", daemon=True)
        self._thread.start()

    def written(self) -> None:
        """Record that something was written."""
        with self._changed:
            self._writes += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def wait_for_sync(self, seconds: float) -> bool:
        """Wait until everything written is on the disk or delivered; return False after the time limit."""
        with self._changed:
            return self._changed.wait_for(lambda: self._synced_writes == self._writes, seconds)

    def _run(self) -> None:
        while self._sleep():
            with self._changed:
                writes = self._writes
            since = self._waiting_since()
            if since is not None:
                if time.monotonic() - since < AGE:
                    continue
                self._sync()
            with self._changed:
                self._synced_writes = writes
                self._changed.notify_all()

    def _sleep(self) -> bool:
        """Sleep until something was written, and then for ``INTERVAL``; return whether to continue."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._synced_writes != self._writes)
            return not self._changed.wait_for(lambda: self._closed, INTERVAL)

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            _log.warning("The outbox cannot be forced onto the disk: %s.", error.strerror or error)
        self.syncs += 1
