"""Make slow calls where they cannot keep a program from ending."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeVar

from stockctl.errors import SourceError
from stockctl.sources.yahoo.faults import YahooFault

_LOOK = 0.1

Answer = TypeVar("Answer")


class Stopped(Exception):
    """The call was left alone, because the program is to end."""


class Caller(Generic[Answer]):
    """One thread for all calls, so that a session keeps its connection from call to call.

    A request may take longer than a person who pressed Ctrl-C is willing to wait; the thread is a daemon,
    so an abandoned request ends with the program.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[Callable[[], Answer], Future[Answer]] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="stockctl-yahoo", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Answer], stop: Event) -> Answer:
        """Return what ``function`` returns, or raise what it raises.

        Raises:
            Stopped: ``stop`` was set first.
        """
        future: Future[Answer] = Future()
        self._tasks.put((function, future))
        while not wait([future], timeout=_LOOK).done:
            if stop.is_set():
                raise Stopped
            if not self._thread.is_alive():
                raise RuntimeError("the thread that asks Yahoo has died")
        return future.result()

    def close(self) -> None:
        """Let the thread end after the call it is in."""
        self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            function, future = task
            try:
                future.set_result(function())
            except (YahooFault, SourceError) as fault:
                future.set_exception(fault)
