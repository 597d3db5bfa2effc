"""From what is asked for to who watches: the live view, the log, the metrics, the files."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from stockctl.cli.output.nonblocking import AlertWriter, NonBlockingStreams, open_nonblocking_streams
from stockctl.cli.output.terminal import print_message, use_log_handler
from stockctl.cli.run.progress import Observe, progress
from stockctl.errors import StockctlError
from stockctl.monitoring.health import DELIVERY, State, StateTracker
from stockctl.monitoring.instrument import RunInstrumentation
from stockctl.monitoring.logfmt import LogfmtHandler, LogfmtLogger
from stockctl.monitoring.metrics import MeasuredProducer, RunMetrics, delivery_state
from stockctl.monitoring.periodic import PeriodicJob, PeriodicRunner
from stockctl.monitoring.status_file import HEALTH_PERIOD, STATUS_PERIOD, HealthFile, StatusFile
from stockctl.monitoring.systemd import SystemdNotifier

if TYPE_CHECKING:
    from rich.text import Text

    from stockctl.cli.output.alerts import AlertLines
    from stockctl.cli.run.live_display import SharedConsole
    from stockctl.pipeline.ports import SendResult
    from stockctl.sources.base import Source

CHECK_PERIOD = 1.0
"""Seconds between two looks whether a condition has changed."""
LOG_PERIOD = 60.0

_log = logging.getLogger(__name__)


class MonitorOptions(NamedTuple):
    """What was asked for."""

    metrics_port: int | None = None
    health_file: Path | None = None
    outbox: Path | None = None
    """Beside which to leave the figures for ``stockctl status``; None: nowhere."""


class RunMonitor:
    """Watches a run for whoever is there: a person, a log, a supervisor.

    Args:
        source: where quotes come from; the producer is to read ``watch.source`` instead.
        lines: writes alerts; None when nobody wants them.
        wishes: what else was asked for.
        jobs: what else is to be done now and then.
    """

    def __init__(
        self,
        source: "Source",
        lines: "AlertLines | None",
        wishes: MonitorOptions,
        jobs: Sequence[PeriodicJob] = (),
    ) -> None:
        self.watch = RunInstrumentation(source)
        self._lines = lines
        self._wishes = wishes
        self._jobs = jobs
        self._conditions = StateTracker()
        self._observe: Observe = self._write
        self._outlets: NonBlockingStreams | None = None
        self._alerts: AlertWriter | None = None
        self._breaking_off: list[Callable[[str], None]] = []

    def observe(self, receipt: "SendResult") -> None:
        """Take a receipt; to be called by the producer with each."""
        self._observe(receipt)

    @contextmanager
    def writing(self, stop: Callable[[], None]) -> Iterator[None]:
        """Keep a terminal or a pipe that nobody reads from stopping a live stream while the block runs.

        A source that can wait does so instead, and nothing is left out. ``stop`` is called when standard
        output cannot be written to any more.

        Raises:
            BrokenPipeError: whoever read standard output has gone.
            StockctlError: standard output cannot be written to for another reason.
        """
        if self.watch.source.repeatable:
            yield
            return
        with open_nonblocking_streams(stop) as self._outlets:
            self._alerts = AlertWriter(self._lines, self._outlets)
            yield

    def break_off(self, reason: str, last_words: str) -> None:
        """Leave the reason for ``status``, and the terminal with a few words, before a sudden end."""
        for leave in self._breaking_off:
            leave(reason)
        print_message(last_words)
        if self._outlets is not None:
            self._outlets.close()

    @contextmanager
    def following(self, producer: MeasuredProducer) -> Iterator[None]:
        """Show while the block runs what ``producer`` does.

        Raises:
            WatchingError: the metrics' port or the health file cannot be used.
        """

        def figures() -> RunMetrics:
            return self.watch.figures(producer)

        health = None if self._wishes.health_file is None else HealthFile(self._wishes.health_file)
        with self._told_to_status(figures) as jobs, ExitStack() as stack:
            jobs += [*self._jobs, *self._shown(figures, producer, stack)]
            self._serve(figures, stack)
            jobs += [*self._supervised(figures, health, stack), *self._left_out(stack)]
            rounds = PeriodicRunner(jobs)
            stack.callback(rounds.close)
            rounds.begin()
            yield
        if health is not None:
            health.remove()

    @contextmanager
    def _told_to_status(self, figures: Callable[[], RunMetrics]) -> Iterator[list[PeriodicJob]]:
        """Leave the figures where ``status`` finds them: at once, by the job given, and when a run fails."""
        if self._wishes.outbox is None:
            yield []
            return
        state = StatusFile(self._wishes.outbox)
        state.write(figures())
        self._breaking_off.append(lambda reason: state.fail(figures(), reason))
        try:
            yield [PeriodicJob(STATUS_PERIOD, lambda: state.write(figures()))]
        except StockctlError as error:
            state.fail(figures(), error.message)
            raise
        finally:
            self._breaking_off.clear()
        state.remove()

    def _write(self, receipt: "SendResult") -> None:
        if not receipt.alerts:
            return
        if self._alerts is not None:
            self._alerts.write(receipt.alerts)
        elif self._lines is not None:
            self._lines.write(receipt.alerts)

    def _left_out(self, stack: ExitStack) -> list[PeriodicJob]:
        """Return what tells of what could not be shown, because nobody read."""
        if self._alerts is None:
            return []
        stack.callback(self._alerts.tell_unshown)
        return [PeriodicJob(CHECK_PERIOD, self._alerts.tell)]

    def _serve(self, figures: Callable[[], RunMetrics], stack: ExitStack) -> None:
        if self._wishes.metrics_port is None:
            return
        from stockctl.monitoring.prometheus import ADDRESS, serve_metrics

        port = stack.enter_context(serve_metrics(figures, self._wishes.metrics_port))
        _log.info("Metrics are at http://%s:%d/metrics.", ADDRESS, port)

    def _supervised(
        self, figures: Callable[[], RunMetrics], health: HealthFile | None, stack: ExitStack
    ) -> list[PeriodicJob]:
        supervisor = SystemdNotifier(os.environ)
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
            if now.health.healthy:
                supervisor.alive(_summarize(now))

        return [PeriodicJob(HEALTH_PERIOD, report)]

    def _shown(
        self, figures: Callable[[], RunMetrics], producer: MeasuredProducer, stack: ExitStack
    ) -> list[PeriodicJob]:
        """Begin to show the figures where somebody sees them, and return what is to be done for it."""
        if self.watch.source.expected is not None and sys.stderr.isatty():
            self._observe = stack.enter_context(progress(self.watch.source, self._lines))
            return []
        console = _terminal(self._lines)
        if console is None:
            return self._journaled(figures, producer, stack)
        return self._drawn(figures, console, stack)

    def _journaled(
        self, figures: Callable[[], RunMetrics], producer: MeasuredProducer, stack: ExitStack
    ) -> list[PeriodicJob]:
        journal, lock = LogfmtLogger(print_message), Lock()

        def note(states: Mapping[str, State]) -> None:
            with lock:
                for change in self._conditions.update(states):
                    journal.change(change)

        def look() -> None:
            note(figures().states())

        look()
        if not self.watch.source.repeatable and not sys.stderr.isatty():
            handler = LogfmtHandler(journal, lambda: note({DELIVERY: delivery_state(producer.snapshot())}))
            stack.enter_context(use_log_handler(handler))
        stack.callback(look)
        return [PeriodicJob(CHECK_PERIOD, look), PeriodicJob(LOG_PERIOD, lambda: journal.figures(figures()))]

    def _drawn(
        self, figures: Callable[[], RunMetrics], console: "SharedConsole", stack: ExitStack
    ) -> list[PeriodicJob]:
        from stockctl.cli.run.live_display import PERIOD, LiveDisplay
        from stockctl.cli.run.live_view import LiveRenderer, View, current_time

        def draw(width: int, height: int) -> "Text":
            now = figures()
            self._conditions.update(now.states())
            return easel.picture(
                View(self.watch.board, now, self._conditions.current, width, height, current_time())
            )

        easel = LiveRenderer()
        display = LiveDisplay(console, draw, take_stdout=not console.stderr, ready=self._ready(console))
        self._breaking_off.append(lambda _: display.end())
        stack.callback(display.end)
        display.begin()
        return [PeriodicJob(PERIOD, display.refresh)]

    def _ready(self, console: "SharedConsole") -> Callable[[], bool]:
        """Return what tells whether a picture would be seen at once."""
        both = self._outlets
        if both is None:
            return lambda: True
        outlet = both.error if console.stderr else both.output
        return lambda: outlet.idle


def _terminal(lines: "AlertLines | None") -> "SharedConsole | None":
    """Return a console that can be drawn on, the one that alerts go to if that is one; or None."""
    if not sys.stderr.isatty():
        return None
    from stockctl.cli.run.live_display import SharedConsole

    # Alerts and view share a console where both are seen, so that the alerts scroll by above the view.
    shared = lines is not None and lines.console.is_terminal
    console = SharedConsole(stderr=not shared)
    if console.is_dumb_terminal:
        return None
    if lines is not None and shared:
        lines.console = console
    return console


def _summarize(figures: RunMetrics) -> str:
    delivery = figures.delivery
    state = f"waiting ({delivery.fault})" if delivery.fault else "delivering"
    return f"{state}; {delivery.sent:,} sent, {delivery.waiting:,} wait"
