"""Signals as wishes: to stop, to stop at once, and to read the configuration again.

A handler interrupts the main thread anywhere, whatever lock it holds just then. So handlers only note a
signal, and a thread does what it asks for.
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
    """A second signal; ``exit_code`` is that of a process which it has ended."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = exit_code(number)


class StopSignals:
    """SIGINT and SIGTERM as a wish to stop after the batch in hand; a second one stops at once.

    Without ``at_once`` that is a ``ForcedStop`` in the main thread. ``at_once`` is to end the process;
    it is called in another thread with the number of the signal, and a third signal ends what it does.
    """

    def __init__(self) -> None:
        self.stop = Event()
        self.first: int | None = None
        """The number of the first signal; None before it."""
        self._forced = False
        self.at_once: Callable[[int], None] | None = None
        self.errands = SignalWorker("stop-signals")

    @property
    def interrupted(self) -> bool:
        """Whether the wish to stop was SIGINT."""
        return self.first == signal.SIGINT

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's form
        """Take one signal."""
        if self.first is None:
            self.first = number
            self.errands.ask(self.stop.set)
            return
        again, self._forced = self._forced, True
        if self.at_once is None:
            raise ForcedStop(number)
        if again:
            os._exit(exit_code(number))
        self.errands.ask(partial(self.at_once, number))


class SignalWorker:
    """A thread that does one after the other what handlers ask for."""

    def __init__(self, name: str) -> None:
        # Its put may interrupt itself, other than that of any lock or event of Python.
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self, errand: Callable[[], None]) -> None:
        """Have something done."""
        self._asked.put(errand)

    def close(self) -> None:
        """End, after the errand in hand if that takes no longer than a moment."""
        self._asked.put(None)
        self._thread.join(_TASK_SECONDS)

    def _run(self) -> None:
        while (errand := self._asked.get()) is not None:
            errand()


def exit_code(number: int) -> int:
    """Return the exit code of a process that a signal has stopped at once."""
    return 128 + number


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handle signals as wishes to stop while the block runs."""
    signals = StopSignals()
    before = {number: signal.signal(number, signals.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signals.errands.close()


@contextmanager
def reload_signal(reload: Callable[[], None], signals: StopSignals) -> Iterator[None]:
    """Have ``reload`` called in a thread of its own on SIGHUP while the block runs.

    A terminal that was closed sends the same signal, often more than once, and then nobody is left to see
    anything: that is a wish to stop.
    """
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    on_terminal = _any_terminal()
    errands = SignalWorker("reload")

    def handle(number: int, frame: FrameType | None) -> None:
        if not on_terminal or _any_terminal():
            errands.ask(reload)
        elif signals.first is None:
            signals.handle(number, frame)

    before = signal.signal(signal.SIGHUP, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
        errands.close()


def _any_terminal() -> bool:
    return os.isatty(_STDERR) or os.isatty(_STDOUT)
