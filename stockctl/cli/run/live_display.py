"""A live text at the bottom of a terminal; other output scrolls by above it."""

import time
from collections.abc import Callable
from threading import RLock
from types import TracebackType
from typing import Any, Self

from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from stockctl.cli.output.rich_console import Console

PERIOD = 0.5
"""Seconds between two checks for a changed text."""
LARGEST_SHARE = 0.05
"""The largest share of the time for rendering; if rendering is slow, it happens less often."""


class SharedConsole(Console):
    """A console on which several threads may print while a live text is at the bottom of the terminal.

    Rich computes in one step how to move the cursor to the live text, and writes in another; another thread
    may write between the two. Here one lock covers both steps. Do not use it with rich's own refresh thread,
    which acquires rich's locks in another order.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        self._print_lock = RLock()

    def __enter__(self) -> Self:
        """Take the lock and begin to print."""
        self._print_lock.acquire()
        super().__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End printing and release the lock."""
        try:
            super().__exit__(exc_type, exc_value, traceback)
        finally:
            self._print_lock.release()

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as rich has it
        """Print above the live text; the lock also covers rich's check whether there is one."""
        with self._print_lock:
            super().print(*objects, **options)


class LiveDisplay:
    """Shows a live text on a console, from ``start`` to ``stop``.

    Args:
        console: a terminal; what threads print on it scrolls by above the text.
        render: returns the text for a width and a height.
        take_stdout: whether what is written to stdout also appears above the text.
        ready: returns whether a new text would appear at once; otherwise it is not rendered.
    """

    def __init__(
        self,
        console: SharedConsole,
        render: Callable[[int, int], Text],
        *,
        take_stdout: bool = False,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._console = console
        self._render = render
        self._ready = ready
        self._shown: Text | None = None
        self._width = console.width
        self._next_refresh = 0.0
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=take_stdout,
            vertical_overflow="crop",
        )

    def start(self) -> None:
        """Show the text for the first time."""
        with self._console:
            self._live.start()
        self.refresh()

    def refresh(self) -> None:
        """Render again, if the output is ready and rendering does not take too large a share of the time."""
        began = time.monotonic()
        if began >= self._next_refresh and self._ready():
            self._redraw()
            now = time.monotonic()
            self._next_refresh = now + (now - began) / LARGEST_SHARE

    def _redraw(self) -> None:
        width, height = self._console.size
        text = self._render(width, height)
        if text == self._shown and width == self._width:
            return
        with self._console:
            self._clear_wrapped_lines(width)
            self._live.update(text, refresh=True)
        self._shown, self._width = text, width

    def stop(self) -> None:
        """Remove the text from the terminal."""
        with self._console:
            self._live.stop()

    def _clear_wrapped_lines(self, width: int) -> None:
        """Clear the extra lines of the text if the terminal became narrower and wrapped it."""
        if self._shown is None or width >= self._width:
            return
        lines = self._shown.split("\n")
        extra = sum(max(0, line.cell_len - 1) // width for line in lines)
        steps = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * extra
        self._console.control(Control(ControlType.CARRIAGE_RETURN, *steps))
