"""Handles signals: stop, forced stop, and reload of the configuration.

A handler can interrupt the main thread anywhere, even while it holds a lock. So handlers only queue a task,
and a thread runs it.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from types import FrameType

_STDOUT, _STDERR = 1, 2
_TASK_SECONDS = 1.0


class ForcedStop(KeyboardInterrupt):
    """A second signal; ``exit_code`` is that of a process killed by it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = exit_code(number)


class StopSignals:
    """The first SIGINT or SIGTERM asks for a stop after the current batch; a second one forces it.

    Without ``force_stop`` the second one raises ``ForcedStop`` in the main thread. ``force_stop`` must end
    the process; it is called in another thread with the number of the signal. A third signal ends it anyway.
    """

    def __init__(self) -> None:
        self.stop = Event()
        self.first: int | None = None
        """The number of the first signal; None before it."""
        self._forced = False
        self.force_stop: Callable[[int], None] | None = None
        self.worker = SignalWorker("stop-signals")

    @property
    def interrupted(self) -> bool:
        """Whether the first signal was SIGINT."""
        return self.first == signal.SIGINT

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's form
        """Handle one signal."""
        if self.first is None:
            self.first = number
            self.worker.submit(self.stop.set)
            return
        again, self._forced = self._forced, True
        if self.force_stop is None:
            raise ForcedStop(number)
        if again:
            os._exit(exit_code(number))
        self.worker.submit(partial(self.force_stop, number))


class SignalWorker:
    """A thread that runs the tasks of signal handlers one after the other."""

    def __init__(self, name: str) -> None:
        # Unlike Python's locks and events, its put may be called in a handler that interrupts another put.
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, task: Callable[[], None]) -> None:
        """Queue a task."""
        self._tasks.put(task)

    def close(self) -> None:
        """End the thread; wait a short time for a running task."""
        self._tasks.put(None)
        self._thread.join(_TASK_SECONDS)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


def exit_code(number: int) -> int:
    """Return the exit code of a process killed by a signal."""
    return 128 + number


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handle SIGINT and SIGTERM while the block runs."""
    signals = StopSignals()
    before = {number: signal.signal(number, signals.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signals.worker.close()


@contextmanager
def reload_signal(reload: Callable[[], None], signals: StopSignals) -> Iterator[None]:
    """Call ``reload`` in a thread of its own on SIGHUP while the block runs.

    A terminal that was closed sends the same signal, often more than once; then it means to stop.
    """
    on_terminal = _any_terminal()
    worker = SignalWorker("reload")

    def handle(number: int, frame: FrameType | None) -> None:
        if not on_terminal or _any_terminal():
            worker.submit(reload)
        elif signals.first is None:
            signals.handle(number, frame)

    before = signal.signal(signal.SIGHUP, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
        worker.close()


def _any_terminal() -> bool:
    return os.isatty(_STDERR) or os.isatty(_STDOUT)
