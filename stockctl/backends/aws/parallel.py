"""Runs a bounded number of calls at the same time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event, Lock
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Parallel:
    """A thread pool for calls that mostly wait for the network."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="stockctl-aws")

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Return the result of ``function`` for each item, in order.

        After a failure no further call starts, the running ones are waited for, and the failure is raised,
        so that nothing continues in the background. The same holds when the caller is interrupted.
        """
        if len(items) == 1:
            return [function(items[0])]
        numbered, lock, stopped = enumerate(items), Lock(), Event()
        results: dict[int, R] = {}

        def take() -> Iterator[tuple[int, T]]:
            while not stopped.is_set():
                with lock:
                    numbered_item = next(numbered, None)
                if numbered_item is None:
                    return
                yield numbered_item

        def work() -> None:
            try:
                for index, item in take():
                    results[index] = function(item)
            finally:
                stopped.set()

        futures = []
        try:
            for _ in range(min(self._workers, len(items))):
                futures.append(self._pool.submit(work))  # noqa: PERF401 - needed after an interrupt
            wait(futures)
        finally:
            stopped.set()
            wait(futures)
        for future in futures:
            future.result()
        return [results[index] for index in range(len(items))]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
