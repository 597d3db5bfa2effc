"""Where the threads of a live source leave what they got, and its reader waits."""

from collections.abc import Sequence
from threading import Condition
from typing import Generic, TypeVar

from stockctl.errors import StockctlError

Item = TypeVar("Item")


class Closed(Exception):
    """Nobody reads any more."""


class Inbox(Generic[Item]):
    """A bounded queue that is emptied at one go.

    A writer waits while ``limit`` items or more are there, which slows the connection down in turn.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: list[Item] = []
        self._changed = Condition()
        self._closed = False
        self._error: StockctlError | None = None

    def put(self, items: Sequence[Item]) -> None:
        """Add the items, as soon as there is room.

        Raises:
            Closed: the inbox was closed before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit)
            if self._closed:
                raise Closed
            self._items.extend(items)
            self._changed.notify_all()

    def take(self, timeout: float) -> list[Item]:
        """Return all items, waiting at most ``timeout`` seconds for the first one.

        Raises:
            StockctlError: what a writer gave to ``close``, once the items before it were taken.
            Closed: a writer closed the inbox without a reason.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items), timeout)
            if self._items or not self._closed:
                items, self._items = self._items, []
                self._changed.notify_all()
                return items
            raise self._error or Closed

    def rest(self) -> list[Item]:
        """Close it, and return what is left."""
        with self._changed:
            self.close()
            items, self._items = self._items, []
            return items

    def close(self, error: StockctlError | None = None) -> None:
        """Let nobody wait any more, for the reason ``error``; the first one counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()
