"""Make slow calls where they cannot keep a program from ending."""

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

_LOOK = 0.1

Answer = TypeVar("Answer")


class RequestPool(Generic[Answer]):
    """A few threads for all calls, so that a session keeps its connection from call to call.

    A request may take longer than a person who pressed Ctrl-C is willing to wait; the threads are
    daemons, so an abandoned request ends with the program.

    Args:
        threads: how many calls are made at once at most; a thread is begun when it is needed first.
    """

    def __init__(self, threads: int = 1) -> None:
        self._most = threads
        self._tasks: SimpleQueue[tuple[Callable[[], Answer], Future[Answer]] | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def call(self, function: Callable[[], Answer], stop: Event) -> Answer:
        """Return what ``function`` returns, or raise what it raises.

        Raises:
            Stopped: ``stop`` was set first.
        """
        [answer] = self.call_all([function], stop)
        if isinstance(answer, YahooError):
            raise answer
        return answer

    def call_all(self, functions: Sequence[Callable[[], Answer]], stop: Event) -> list[Answer | YahooError]:
        """Return what each function returns, or the fault of Yahoo's that it raises; in their order.

        Raises:
            Stopped: ``stop`` was set first.
            SourceError: a function raised it.
        """
        answers = {
            place: answer for group in self.answers(functions, stop) for place, answer in group.items()
        }
        return [answers[place] for place in range(len(functions))]

    def answers(
        self, functions: Sequence[Callable[[], Answer]], stop: Event, patience: float = math.inf
    ) -> Iterator[dict[int, Answer | YahooError]]:
        """Yield what ``call_all`` returns, by place: all at once, or as it comes after ``patience`` seconds.

        So one that hangs does not hold up the others for longer. Raises what ``call_all`` raises.
        """
        self._begin(len(functions))
        places = {Future[Answer](): place for place in range(len(functions))}
        for future, place in places.items():
            self._tasks.put((functions[place], future))
        begun = time.monotonic()
        while places:
            done, waiting = wait(places, timeout=_LOOK)
            if waiting:
                self._check(stop)
            if done and (not waiting or time.monotonic() - begun >= patience):
                group = {places.pop(future): self._outcome(future) for future in done}
                yield {place: group[place] for place in sorted(group)}

    def close(self) -> None:
        """Let the threads end, each after the call it is in; calls not yet begun are not made."""
        with suppress(Empty):
            while True:
                self._tasks.get_nowait()
        for _ in self._threads:
            self._tasks.put(None)

    def _begin(self, calls: int) -> None:
        for _ in range(len(self._threads), min(calls, self._most)):
            thread = Thread(target=self._work, name="stockctl-yahoo", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            function, future = task
            try:
                future.set_result(function())
            except (YahooError, SourceError, SourceStopped) as fault:
                future.set_exception(fault)

    def _check(self, stop: Event) -> None:
        if stop.is_set():
            raise SourceStopped
        if not all(thread.is_alive() for thread in self._threads):
            raise RuntimeError("the thread that asks Yahoo has died")

    def _outcome(self, future: Future[Answer]) -> Answer | YahooError:
        try:
            return future.result()
        except YahooError as fault:
            return fault
