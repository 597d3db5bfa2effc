"""Sets up what monitors a run: the live view or the log, the metrics, and the status files."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from stockctl.cli.output.messages import print_message, use_log_handler
from stockctl.cli.output.nonblocking_streams import AlertWriter, NonBlockingStreams, open_nonblocking_streams
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
"""Seconds between two checks for changed states."""
LOG_PERIOD = 60.0

_log = logging.getLogger(__name__)

ReadMetrics = Callable[[], RunMetrics]
"""Returns the current metrics."""


class MonitorOptions(NamedTuple):
    """Options of a monitor."""

    metrics_port: int | None = None
    health_file: Path | None = None
    outbox: Path | None = None
    """The status file for ``stockctl status`` is written next to this path; None: no status file."""


class RunMonitor:
    """Reports on a run to a terminal or a log, to Prometheus, to files and to systemd.

    Args:
        source: yields quotes; the producer must read ``instrumentation.source`` instead.
        lines: writes alerts; None with --quiet.
        options: what else to provide.
        jobs: what else to run periodically.
    """

    def __init__(
        self,
        source: "Source",
        lines: "AlertLines | None",
        options: MonitorOptions,
        jobs: Sequence[PeriodicJob] = (),
    ) -> None:
        self.instrumentation = RunInstrumentation(source)
        self._lines = lines
        self._options = options
        self._jobs = jobs
        self._states = StateTracker()
        self._observe: Observe = self._write_alerts
        self._streams: NonBlockingStreams | None = None
        self._alerts: AlertWriter | None = None
        self._before_forced_stop: list[Callable[[str], None]] = []

    def observe(self, result: "SendResult") -> None:
        """Process the result of a batch; the producer calls this."""
        self._observe(result)

    @contextmanager
    def nonblocking_output(self, stop: Callable[[], None]) -> Iterator[None]:
        """Write to stdout and stderr without blocking while the block runs, if the source is live.

        Other sources can wait, so they write normally, and no alert is skipped. ``stop`` is called when
        standard output cannot be written to any more.

        Raises:
            BrokenPipeError: the reader of standard output closed the pipe.
            StockctlError: standard output cannot be written to for another reason.
        """
        if self.instrumentation.source.repeatable:
            yield
            return
        with open_nonblocking_streams(stop) as self._streams:
            self._alerts = AlertWriter(self._lines, self._streams)
            yield

    def prepare_forced_stop(self, reason: str, message: str) -> None:
        """Write the reason to the status file, restore the terminal and print ``message``."""
        for prepare in self._before_forced_stop:
            prepare(reason)
        print_message(message)
        if self._streams is not None:
            self._streams.close()

    @contextmanager
    def monitoring(self, producer: MeasuredProducer) -> Iterator[None]:
        """Monitor ``producer`` while the block runs.

        Raises:
            MonitoringError: the metrics' port or the health file cannot be used.
        """

        def read() -> RunMetrics:
            return self.instrumentation.metrics(producer)

        health = None if self._options.health_file is None else HealthFile(self._options.health_file)
        with self._status_file(read) as jobs, ExitStack() as stack:
            jobs += [*self._jobs, *self._display(read, producer, stack)]
            self._serve_metrics(read, stack)
            jobs += [*self._report_health(read, health, stack), *self._report_dropped_alerts(stack)]
            runner = PeriodicRunner(jobs)
            stack.callback(runner.close)
            runner.start()
            yield
        if health is not None:
            health.remove()

    @contextmanager
    def _status_file(self, read: ReadMetrics) -> Iterator[list[PeriodicJob]]:
        """Write the status file at the start and when the run fails; yield the job that updates it."""
        if self._options.outbox is None:
            yield []
            return
        file = StatusFile(self._options.outbox)
        file.write(read())
        self._before_forced_stop.append(lambda reason: file.fail(read(), reason))
        try:
            yield [PeriodicJob(STATUS_PERIOD, lambda: file.write(read()))]
        except StockctlError as error:
            file.fail(read(), error.message)
            raise
        finally:
            self._before_forced_stop.clear()
        file.remove()

    def _write_alerts(self, result: "SendResult") -> None:
        if not result.alerts:
            return
        if self._alerts is not None:
            self._alerts.write(result.alerts)
        elif self._lines is not None:
            self._lines.write(result.alerts)

    def _report_dropped_alerts(self, stack: ExitStack) -> list[PeriodicJob]:
        """Return the job that reports alerts that were dropped because the output's reader is too slow."""
        if self._alerts is None:
            return []
        stack.callback(self._alerts.report_dropped_alerts)
        return [PeriodicJob(CHECK_PERIOD, self._alerts.report_dropped)]

    def _serve_metrics(self, read: ReadMetrics, stack: ExitStack) -> None:
        if self._options.metrics_port is None:
            return
        from stockctl.monitoring.prometheus import ADDRESS, serve_metrics

        port = stack.enter_context(serve_metrics(read, self._options.metrics_port))
        _log.info("Metrics are at http://%s:%d/metrics.", ADDRESS, port)

    def _report_health(
        self, read: ReadMetrics, health: HealthFile | None, stack: ExitStack
    ) -> list[PeriodicJob]:
        """Report to the health file and to systemd, if there are any."""
        systemd = SystemdNotifier(os.environ)
        if health is None and not systemd.listens:
            return []
        if health is not None:
            health.create(read())
        systemd.ready()
        stack.callback(systemd.stopping)

        def report() -> None:
            run = read()
            if health is not None:
                health.write(run)
            if run.health.healthy:
                systemd.alive(_summarize(run))

        return [PeriodicJob(HEALTH_PERIOD, report)]

    def _display(self, read: ReadMetrics, producer: MeasuredProducer, stack: ExitStack) -> list[PeriodicJob]:
        """Start a progress bar, the live view or the log, and return the jobs that update it."""
        source = self.instrumentation.source
        if source.expected is not None and sys.stderr.isatty():
            self._observe = stack.enter_context(progress(source, self._lines))
            return []
        console = _terminal(self._lines)
        if console is None:
            return self._start_log(read, producer, stack)
        return self._start_live_view(read, console, stack)

    def _start_log(
        self, read: ReadMetrics, producer: MeasuredProducer, stack: ExitStack
    ) -> list[PeriodicJob]:
        logger, lock = LogfmtLogger(print_message), Lock()

        def log_changes(states: Mapping[str, State]) -> None:
            with lock:
                for change in self._states.update(states):
                    logger.change(change)

        def check() -> None:
            log_changes(read().states())

        def check_delivery() -> None:
            log_changes({DELIVERY: delivery_state(producer.snapshot())})

        check()
        if not self.instrumentation.source.repeatable and not sys.stderr.isatty():
            stack.enter_context(use_log_handler(LogfmtHandler(logger, check_delivery)))
        stack.callback(check)
        return [PeriodicJob(CHECK_PERIOD, check), PeriodicJob(LOG_PERIOD, lambda: logger.metrics(read()))]

    def _start_live_view(
        self, read: ReadMetrics, console: "SharedConsole", stack: ExitStack
    ) -> list[PeriodicJob]:
        from stockctl.cli.run.live_display import PERIOD, LiveDisplay
        from stockctl.cli.run.live_view import LiveRenderer, View, current_time

        def render(width: int, height: int) -> "Text":
            run = read()
            self._states.update(run.states())
            quotes, states = self.instrumentation.latest_quotes, self._states.current
            return renderer.render(View(quotes, run, states, width, height, current_time()))

        renderer = LiveRenderer()
        display = LiveDisplay(console, render, take_stdout=not console.stderr, ready=self._is_idle(console))
        self._before_forced_stop.append(lambda _: display.stop())
        stack.callback(display.stop)
        display.start()
        return [PeriodicJob(PERIOD, display.refresh)]

    def _is_idle(self, console: "SharedConsole") -> Callable[[], bool]:
        """Return a function that returns whether new output would appear at once."""
        streams = self._streams
        if streams is None:
            return lambda: True
        writer = streams.error if console.stderr else streams.output
        return lambda: writer.idle


def _terminal(lines: "AlertLines | None") -> "SharedConsole | None":
    """Return the terminal for the live view, shared with the alerts if those go to a terminal; or None."""
    if not sys.stderr.isatty():
        return None
    from stockctl.cli.run.live_display import SharedConsole

    # If both are on the terminal they share a console, so that alerts scroll by above the view.
    shared = lines is not None and lines.console.is_terminal
    console = SharedConsole(stderr=not shared)
    if console.is_dumb_terminal:
        return None
    if lines is not None and shared:
        lines.console = console
    return console


def _summarize(run: RunMetrics) -> str:
    delivery = run.delivery
    state = f"waiting ({delivery.fault})" if delivery.fault else "delivering"
    return f"{state}; {delivery.sent:,} sent, {delivery.waiting:,} waiting"
