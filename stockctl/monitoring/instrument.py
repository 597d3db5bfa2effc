"""Measures a source and a stream while a producer uses them."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Event

from stockctl.monitoring.health import LivenessMonitor
from stockctl.monitoring.latest_quotes import LatestQuotes
from stockctl.monitoring.metrics import MeasuredProducer, RunMetrics
from stockctl.pipeline.ports import Record, Rejection, SendResult, Stream
from stockctl.sources.base import Source, SourceStatus, Tick, source_status


class InstrumentedSource:
    """A source that reports its ticks and heartbeats.

    Args:
        source: yields the ticks.
        latest_quotes: stores them.
        liveness: receives the heartbeats of the thread that reads the source.
    """

    def __init__(self, source: Source, latest_quotes: LatestQuotes, liveness: LivenessMonitor) -> None:
        self.source = source
        self.name = source.name
        self.expected = source.expected
        self.repeatable = getattr(source, "repeatable", False)
        self._latest_quotes = latest_quotes
        self._liveness = liveness

    def status(self) -> SourceStatus:
        """Return the status of the source."""
        return source_status(self.source)

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield the ticks of the source.

        Raises:
            SourceError: the source cannot continue.
        """
        self._liveness.tick_requested()
        try:
            for tick in self.source.ticks(_HeartbeatEvent(stop, self._liveness)):
                self.expected = self.source.expected
                self._latest_quotes.add(tick)
                self._liveness.tick_yielded()
                yield tick
                self._liveness.tick_requested()
        finally:
            self._liveness.source_ended()


class _HeartbeatEvent(Event):
    """A stop event that records a heartbeat when the thread that made it uses it."""

    def __init__(self, stop: Event, liveness: LivenessMonitor) -> None:
        super().__init__()
        self._stop = stop
        self._liveness = liveness
        self._reader = threading.get_ident()

    def is_set(self) -> bool:
        if threading.get_ident() == self._reader:
            self._liveness.heartbeat()
        return self._stop.is_set()

    def set(self) -> None:
        self._stop.set()

    def clear(self) -> None:
        self._stop.clear()

    def wait(self, timeout: float | None = None) -> bool:
        if threading.get_ident() != self._reader:
            return self._stop.wait(timeout)
        self._liveness.sleep_started(timeout)
        try:
            return self._stop.wait(timeout)
        finally:
            self._liveness.sleep_ended()


class _InstrumentedStream:
    def __init__(self, stream: Stream, liveness: LivenessMonitor) -> None:
        self.batch_records = stream.batch_records
        self._stream = stream
        self._liveness = liveness

    def send(self, records: Sequence[Record]) -> SendResult:
        with _call(self._liveness):
            return self._stream.send(records)

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        with _call(self._liveness):
            self._stream.refuse(rejections)


@contextmanager
def _call(liveness: LivenessMonitor) -> Iterator[None]:
    liveness.call_started()
    try:
        yield
    finally:
        liveness.call_ended()


OpenStream = Callable[[], AbstractContextManager[Stream]]


def instrument_stream(open_stream: OpenStream, liveness: LivenessMonitor) -> OpenStream:
    """Return a function that opens the same stream and records its calls, the opening included."""

    @contextmanager
    def open_instrumented() -> Iterator[Stream]:
        with ExitStack() as stack:
            with _call(liveness):
                stream = stack.enter_context(open_stream())
            yield _InstrumentedStream(stream, liveness)

    return open_instrumented


class RunInstrumentation:
    """Measures one run.

    The producer must read ``source`` instead of the original one, and open its stream with
    ``instrument_stream``.

    Args:
        source: yields quotes.
        latest_quotes: stores the latest quote of each symbol.
        liveness: checks whether all threads are alive.
    """

    def __init__(
        self,
        source: Source,
        latest_quotes: LatestQuotes | None = None,
        liveness: LivenessMonitor | None = None,
    ) -> None:
        self.latest_quotes = LatestQuotes() if latest_quotes is None else latest_quotes
        self._liveness = LivenessMonitor() if liveness is None else liveness
        self.source = InstrumentedSource(source, self.latest_quotes, self._liveness)
        self._started_at = time.time()

    def instrument_stream(self, open_stream: OpenStream) -> OpenStream:
        """Return a function that opens the same stream and records its calls."""
        return instrument_stream(open_stream, self._liveness)

    def metrics(self, producer: MeasuredProducer) -> RunMetrics:
        """Return the metrics of this moment; any thread may call."""
        snapshot = producer.snapshot()
        return RunMetrics(
            self.source.name,
            self._started_at,
            snapshot,
            producer.totals.alerts,
            self.latest_quotes.totals(),
            source_status(self.source),
            self._liveness.check(snapshot.waiting),
        )
