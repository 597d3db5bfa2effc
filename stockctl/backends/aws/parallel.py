"""Calls at the same time, a bounded number of them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event, Lock
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Parallel:
    """A crew of threads for calls that mostly wait."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="stockctl-aws")

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Return what ``function`` makes of each item, in order.

        When a call fails no further one begins, those under way are waited for, and the failure is
        raised: nothing goes on behind the caller's back.
        """
        if len(items) == 1:
            return [function(items[0])]
        queue = _Queue(items)
        results: dict[int, R] = {}

        def work() -> None:
            try:
                for index, item in queue.taken():
                    results[index] = function(item)
            finally:
                queue.close()

        futures: list[Future[None]] = []
        try:
            for _ in range(min(self._workers, len(items))):
                futures.append(self._pool.submit(work))  # noqa: PERF401 - an interrupt must find them
            wait(futures)
        finally:
            queue.close()
            wait(futures)
        for future in futures:
            future.result()
        return [results[index] for index in range(len(items))]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


class _Queue(Generic[T]):
    """Numbered items that threads take from, one at a time, until the queue closes."""

    def __init__(self, items: Sequence[T]) -> None:
        self._items = enumerate(items)
        self._lock = Lock()
        self._closed = Event()

    def close(self) -> None:
        """Give out no more."""
        self._closed.set()

    def taken(self) -> Iterator[tuple[int, T]]:
        """Yield items that no other thread has taken."""
        while not self._closed.is_set():
            with self._lock:
                taken = next(self._items, None)
            if taken is None:
                return
            yield taken
