"""A thread pool for requests that must not keep the program from exiting."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeVar

from stockctl.errors import SourceError
from stockctl.sources.base import SourceStopped
from stockctl.sources.yahoo.errors import YahooError

_STOP_CHECK_SECONDS = 0.1

Answer = TypeVar("Answer")


class RequestPool(Generic[Answer]):
    """A few threads that make all calls, so that each session reuses its connection.

    A request may take longer than a user who pressed Ctrl-C wants to wait. The threads are daemons, so an
    abandoned request ends with the program.

    Args:
        threads: the maximum number of calls at the same time; a thread starts when it is first needed.
    """

    def __init__(self, threads: int = 1) -> None:
        self._max_threads = threads
        self._tasks: SimpleQueue[tuple[Callable[[], Answer], Future[Answer]] | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def call(self, function: Callable[[], Answer], stop: Event) -> Answer:
        """Return what ``function`` returns, or raise what it raises.

        Raises:
            SourceStopped: ``stop`` was set first.
        """
        [answer] = self.call_all([function], stop)
        if isinstance(answer, YahooError):
            raise answer
        return answer

    def call_all(self, functions: Sequence[Callable[[], Answer]], stop: Event) -> list[Answer | YahooError]:
        """Return what each function returns, or the ``YahooError`` that it raises; in their order.

        Raises:
            SourceStopped: ``stop`` was set first.
            SourceError: a function raised it.
        """
        answers = {
            index: answer for group in self.call_in_groups(functions, stop) for index, answer in group.items()
        }
        return [answers[index] for index in range(len(functions))]

    def call_in_groups(
        self, functions: Sequence[Callable[[], Answer]], stop: Event, max_wait: float = math.inf
    ) -> Iterator[dict[int, Answer | YahooError]]:
        """Yield the results of ``call_all`` by index: all at once, or, after ``max_wait``, as they come.

        So a request that hangs does not delay the others for longer. Raises what ``call_all`` raises.
        """
        self._start_threads(len(functions))
        indexes = {Future[Answer](): index for index in range(len(functions))}
        for future, index in indexes.items():
            self._tasks.put((functions[index], future))
        started = time.monotonic()
        while indexes:
            done, pending = wait(indexes, timeout=_STOP_CHECK_SECONDS)
            if pending:
                self._check(stop)
            if done and (not pending or time.monotonic() - started >= max_wait):
                group = {indexes.pop(future): self._result(future) for future in done}
                yield {index: group[index] for index in sorted(group)}

    def close(self) -> None:
        """Let each thread end after its current call; calls that have not started are dropped."""
        with suppress(Empty):
            while True:
                self._tasks.get_nowait()
        for _ in self._threads:
            self._tasks.put(None)

    def _start_threads(self, calls: int) -> None:
        for _ in range(len(self._threads), min(calls, self._max_threads)):
            thread = Thread(target=self._work, name="stockctl-yahoo", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            function, future = task
            try:
                future.set_result(function())
            except (YahooError, SourceError, SourceStopped) as error:
                future.set_exception(error)

    def _check(self, stop: Event) -> None:
        if stop.is_set():
            raise SourceStopped
        if not all(thread.is_alive() for thread in self._threads):
            raise RuntimeError("a thread that sends requests to Yahoo has died")

    def _result(self, future: Future[Answer]) -> Answer | YahooError:
        try:
            return future.result()
        except YahooError as error:
            return error
