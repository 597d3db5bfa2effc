"""A picture at the bottom of a terminal that is drawn anew when it changes, with what is said above it."""

import time
from collections.abc import Callable
from threading import RLock
from types import TracebackType
from typing import Any, Self

from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from stockctl.cli.output.terminal import Console

PERIOD = 0.5
"""Seconds between two looks whether there is something new to draw."""
LARGEST_SHARE = 0.05
"""Of the time, for looking and drawing: what takes longer happens less often."""


class SharedConsole(Console):
    """A console that several threads print on while a picture is at its bottom.

    Rich works out the way up to the picture in one step and writes in another; between them another thread
    may have written. Here they are one step. It is no console for what refreshes itself in a thread of its
    own, which takes rich's locks in another order.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        self._one_at_a_time = RLock()

    def __enter__(self) -> Self:
        """Begin to print."""
        self._one_at_a_time.acquire()
        super().__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it."""
        try:
            super().__exit__(exc_type, exc_value, traceback)
        finally:
            self._one_at_a_time.release()

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as rich has it
        """Print above what is drawn; rich looks whether there is something before its own step begins."""
        with self._one_at_a_time:
            super().print(*objects, **options)


class LiveDisplay:
    """Draws on a console, from ``begin`` to ``end``.

    Args:
        console: a terminal; what any thread prints on it in between scrolls by above the picture.
        draw: returns the picture for a width and a height.
        take_stdout: whether what is written to stdout is to appear above the picture as well.
        ready: tells whether a picture would be seen at once; there is none otherwise.
    """

    def __init__(
        self,
        console: SharedConsole,
        draw: Callable[[int, int], Text],
        *,
        take_stdout: bool = False,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._console = console
        self._draw = draw
        self._ready = ready
        self._shown: Text | None = None
        self._width = console.width
        self._rests_until = 0.0
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=take_stdout,
            vertical_overflow="crop",
        )

    def begin(self) -> None:
        """Draw for the first time."""
        with self._console:
            self._live.start()
        self.refresh()

    def refresh(self) -> None:
        """Draw, if the picture or the terminal is another one than before, and drawing is not too dear."""
        began = time.monotonic()
        if began >= self._rests_until and self._ready():
            self._redraw()
            now = time.monotonic()
            self._rests_until = now + (now - began) / LARGEST_SHARE

    def _redraw(self) -> None:
        width, height = self._console.size
        picture = self._draw(width, height)
        if picture == self._shown and width == self._width:
            return
        with self._console:
            self._mend(width)
            self._live.update(picture, refresh=True)
        self._shown, self._width = picture, width

    def end(self) -> None:
        """Leave the terminal as if nothing had been drawn."""
        with self._console:
            self._live.stop()

    def _mend(self, width: int) -> None:
        """Go up by the lines that the last picture has become longer in a terminal that is narrower now."""
        if self._shown is None or width >= self._width:
            return
        lines = self._shown.split("\n")
        extra = sum(max(0, line.cell_len - 1) // width for line in lines)
        steps = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * extra
        self._console.control(Control(ControlType.CARRIAGE_RETURN, *steps))
