"""Signals as wishes: to stop, and to read the configuration again."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

_STDERR = 2


class StopSignals:
    """SIGINT and SIGTERM as a wish to stop after the batch in hand; a second one stops at once."""

    def __init__(self) -> None:
        self.stop = Event()
        self.interrupted = False

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's form
        """Take one signal."""
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()
        self.interrupted = number == signal.SIGINT


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


@contextmanager
def reload_signal(reload: Callable[[], None] | None, signals: StopSignals) -> Iterator[None]:
    """Call ``reload`` on SIGHUP while the block runs; where there is none, leave the signal as it is.

    A terminal that was closed sends the same signal, and then nobody is left to see anything: that is a
    wish to stop.
    """
    if reload is None or not hasattr(signal, "SIGHUP"):
        yield
        return
    on_terminal = os.isatty(_STDERR)

    def handle(number: int, frame: FrameType | None) -> None:
        if on_terminal and not os.isatty(_STDERR):
            signals.handle(number, frame)
        else:
            reload()

    before = signal.signal(signal.SIGHUP, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
