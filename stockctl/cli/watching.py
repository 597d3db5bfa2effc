"""From what is asked for to who watches: the live view, the log, the metrics, the files."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stockctl.cli.progress import Observe, progress
from stockctl.cli.terminal import say
from stockctl.errors import StockctlError
from stockctl.watching.conditions import Conditions
from stockctl.watching.figures import Figures, Producing
from stockctl.watching.health import PERIOD as HEALTH_PERIOD
from stockctl.watching.health import HealthFile
from stockctl.watching.journal import Journal
from stockctl.watching.rounds import Job, Rounds
from stockctl.watching.state import PERIOD as STATE_PERIOD
from stockctl.watching.state import StateFile
from stockctl.watching.supervisor import Supervisor
from stockctl.watching.watch import Watch

if TYPE_CHECKING:
    from rich.text import Text

    from stockctl.cli.alert_view import AlertLines
    from stockctl.cli.live_display import SharedConsole
    from stockctl.pipeline.ports import Receipt
    from stockctl.sources.base import Source

LOOK_PERIOD = 1.0
"""Seconds between two looks whether a condition has changed."""
JOURNAL_PERIOD = 60.0


class Wishes(NamedTuple):
    """What was asked for."""

    metrics_port: int | None = None
    health_file: Path | None = None
    outbox: Path | None = None
    """Beside which to leave the figures for ``stockctl status``; None: nowhere."""


class Watching:
    """Watches a run for whoever is there: a person, a log, a supervisor.

    Args:
        source: where quotes come from; the producer is to read ``watch.source`` instead.
        lines: writes alerts; None when nobody wants them.
        wishes: what else was asked for.
        jobs: what else is to be done now and then.
    """

    def __init__(
        self, source: "Source", lines: "AlertLines | None", wishes: Wishes, jobs: Sequence[Job] = ()
    ) -> None:
        self.watch = Watch(source)
        self._lines = lines
        self._wishes = wishes
        self._jobs = jobs
        self._conditions = Conditions()
        self._observe: Observe = self._write

    def observe(self, receipt: "Receipt") -> None:
        """Take a receipt; to be called by the producer with each."""
        self._observe(receipt)

    @contextmanager
    def following(self, producer: Producing) -> Iterator[None]:
        """Show while the block runs what ``producer`` does.

        Raises:
            WatchingError: the metrics' port or the health file cannot be used.
        """

        def figures() -> Figures:
            return self.watch.figures(producer)

        health = None if self._wishes.health_file is None else HealthFile(self._wishes.health_file)
        with self._told_to_status(figures) as jobs, ExitStack() as stack:
            self._serve(figures, stack)
            jobs += [*self._jobs, *self._supervised(figures, health, stack), *self._shown(figures, stack)]
            rounds = Rounds(jobs)
            stack.callback(rounds.close)
            rounds.begin()
            yield
        if health is not None:
            health.remove()

    @contextmanager
    def _told_to_status(self, figures: Callable[[], Figures]) -> Iterator[list[Job]]:
        """Leave the figures where ``status`` finds them: at once, by the job given, and when a run fails."""
        if self._wishes.outbox is None:
            yield []
            return
        state = StateFile(self._wishes.outbox)
        state.write(figures())
        try:
            yield [Job(STATE_PERIOD, lambda: state.write(figures()))]
        except StockctlError as error:
            state.fail(figures(), error.message)
            raise
        state.remove()

    def _write(self, receipt: "Receipt") -> None:
        if self._lines is not None and receipt.alerts:
            self._lines.write(receipt.alerts)

    def _serve(self, figures: Callable[[], Figures], stack: ExitStack) -> None:
        if self._wishes.metrics_port is None:
            return
        from stockctl.watching.metrics import ADDRESS, served

        port = stack.enter_context(served(figures, self._wishes.metrics_port))
        say(f"Metrics are at http://{ADDRESS}:{port}/metrics.")

    def _supervised(
        self, figures: Callable[[], Figures], health: HealthFile | None, stack: ExitStack
    ) -> list[Job]:
        supervisor = Supervisor(os.environ)
        if health is None and not supervisor.listens:
            return []
        if health is not None:
            health.begin(figures())
        supervisor.ready()
        stack.callback(supervisor.stopping)

        def report() -> None:
            now = figures()
            if health is not None:
                health.write(now)
            if now.verdict.healthy:
                supervisor.alive(_in_short(now))

        return [Job(HEALTH_PERIOD, report)]

    def _shown(self, figures: Callable[[], Figures], stack: ExitStack) -> list[Job]:
        """Begin to show the figures where somebody sees them, and return what is to be done for it."""
        if self.watch.source.expected is not None and sys.stderr.isatty():
            self._observe = stack.enter_context(progress(self.watch.source, self._lines))
            return []
        console = _terminal(self._lines)
        if console is None:
            return self._journaled(figures)
        return self._drawn(figures, console, stack)

    def _journaled(self, figures: Callable[[], Figures]) -> list[Job]:
        journal = Journal(say)
        self._conditions.update(figures().states())

        def look() -> None:
            for change in self._conditions.update(figures().states()):
                journal.change(change)

        return [Job(LOOK_PERIOD, look), Job(JOURNAL_PERIOD, lambda: journal.figures(figures()))]

    def _drawn(self, figures: Callable[[], Figures], console: "SharedConsole", stack: ExitStack) -> list[Job]:
        from stockctl.cli.live_display import PERIOD, LiveDisplay
        from stockctl.cli.live_view import Easel, View, present

        def draw(width: int, height: int) -> "Text":
            now = figures()
            self._conditions.update(now.states())
            return easel.picture(
                View(self.watch.board, now, self._conditions.current, width, height, present())
            )

        easel = Easel()
        display = LiveDisplay(console, draw, take_stdout=not console.stderr)
        stack.callback(display.end)
        display.begin()
        return [Job(PERIOD, display.refresh)]


def _terminal(lines: "AlertLines | None") -> "SharedConsole | None":
    """Return a console that can be drawn on, the one that alerts go to if that is one; or None."""
    if not sys.stderr.isatty():
        return None
    from stockctl.cli.live_display import SharedConsole

    # Alerts and view share a console where both are seen, so that the alerts scroll by above the view.
    shared = lines is not None and lines.console.is_terminal
    console = SharedConsole(stderr=not shared)
    if console.is_dumb_terminal:
        return None
    if lines is not None and shared:
        lines.console = console
    return console


def _in_short(figures: Figures) -> str:
    delivery = figures.delivery
    state = f"waiting ({delivery.fault})" if delivery.fault else "delivering"
    return f"{state}; {delivery.sent:,} sent, {delivery.waiting:,} wait"
