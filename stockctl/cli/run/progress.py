"""A progress bar and a status line, on a terminal only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stockctl.cli.output.messages import escape_control

if TYPE_CHECKING:
    from rich.progress import Progress

    from stockctl.cli.output.alerts import AlertLines
    from stockctl.pipeline.ports import SendResult
    from stockctl.sources.base import Source

Observe = Callable[["SendResult"], None]


@contextmanager
def activity() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is being done, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda text: None  # noqa: ARG005 - not a terminal
        return
    from rich.text import Text

    from stockctl.cli.output.rich_console import Console

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(Text(escape_control(text)))


@contextmanager
def progress(source: "Source", lines: "AlertLines | None") -> Iterator[Observe]:
    """Yield a function that takes each result, writes its alerts and updates the progress bar."""

    def write(result: "SendResult") -> None:
        if lines is not None and result.alerts:
            lines.write(result.alerts)

    if not sys.stderr.isatty():
        yield write
        return
    with _bar(lines) as bar:
        task = bar.add_task(source.name, total=None, alerts=0)
        alerts = 0

        def show(result: "SendResult") -> None:
            nonlocal alerts
            write(result)
            alerts += len(result.alerts)
            done = result.sent or result.quarantined
            bar.update(task, advance=done, total=source.expected, alerts=alerts)

        yield show


def _bar(lines: "AlertLines | None") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from stockctl.cli.output.rich_console import Console

    # If both are on the terminal they share a console, so that alerts scroll by above the bar.
    shared = lines is not None and lines.console.is_terminal
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("quotes, {task.fields[alerts]:,} alerts"),
        TimeElapsedColumn(),
        console=lines.console if lines is not None and shared else Console(stderr=True),
        transient=True,
        redirect_stdout=shared,
    )
