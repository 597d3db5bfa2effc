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
    """A source whose ticks are noted on their way.

    Args:
        source: what yields them.
        board: where they are noted.
        vitals: is told what the thread does that reads the source.
    """

    def __init__(self, source: Source, board: LatestQuotes, vitals: LivenessMonitor) -> None:
        self.source = source
        self.name = source.name
        self.expected = source.expected
        self.repeatable = getattr(source, "repeatable", False)
        self._board = board
        self._vitals = vitals

    def told(self) -> SourceStatus:
        """Return what the source tells."""
        return source_status(self.source)

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what the source yields.

        Raises:
            SourceError: the source cannot go on.
        """
        self._vitals.takes_up()
        try:
            for tick in self.source.ticks(_HeartbeatEvent(stop, self._vitals)):
                self.expected = self.source.expected
                self._board.add(tick)
                self._vitals.hands_over()
                yield tick
                self._vitals.takes_up()
        finally:
            self._vitals.ended()


class _HeartbeatEvent(Event):
    """A wish to stop that notes when the thread it was made in asks for it."""

    def __init__(self, stop: Event, vitals: LivenessMonitor) -> None:
        super().__init__()
        self._stop = stop
        self._vitals = vitals
        self._reader = threading.get_ident()

    def is_set(self) -> bool:
        if threading.get_ident() == self._reader:
            self._vitals.looked()
        return self._stop.is_set()

    def set(self) -> None:
        self._stop.set()

    def clear(self) -> None:
        self._stop.clear()

    def wait(self, timeout: float | None = None) -> bool:
        if threading.get_ident() != self._reader:
            return self._stop.wait(timeout)
        self._vitals.sleeps(timeout)
        try:
            return self._stop.wait(timeout)
        finally:
            self._vitals.wakes()


class _InstrumentedStream:
    def __init__(self, stream: Stream, vitals: LivenessMonitor) -> None:
        self.batch_records = stream.batch_records
        self._stream = stream
        self._vitals = vitals

    def send(self, records: Sequence[Record]) -> SendResult:
        self._vitals.calls()
        try:
            return self._stream.send(records)
        finally:
            self._vitals.returns()

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        self._vitals.calls()
        try:
            self._stream.refuse(rejections)
        finally:
            self._vitals.returns()


OpenStream = Callable[[], AbstractContextManager[Stream]]


def instrument_stream(open_stream: OpenStream, vitals: LivenessMonitor) -> OpenStream:
    """Return what opens the same stream, whose calls are noted, the opening among them."""

    @contextmanager
    def opened() -> Iterator[Stream]:
        with ExitStack() as stack:
            vitals.calls()
            try:
                stream = stack.enter_context(open_stream())
            finally:
                vitals.returns()
            yield _InstrumentedStream(stream, vitals)

    return opened


class RunInstrumentation:
    """Watches one run.

    The producer is to read ``source`` in place of the one given, and to open its stream by ``stream``.

    Args:
        source: where quotes come from.
        board: notes the last quote of each symbol.
        vitals: judges whether all threads live.
    """

    def __init__(
        self, source: Source, board: LatestQuotes | None = None, vitals: LivenessMonitor | None = None
    ) -> None:
        self.board = LatestQuotes() if board is None else board
        self._vitals = LivenessMonitor() if vitals is None else vitals
        self.source = InstrumentedSource(source, self.board, self._vitals)
        self._started_at = time.time()

    def stream(self, open_stream: OpenStream) -> OpenStream:
        """Return what opens the same stream, observed."""
        return instrument_stream(open_stream, self._vitals)

    def figures(self, producer: MeasuredProducer) -> RunMetrics:
        """Return the figures of this moment; any thread may ask."""
        snapshot = producer.snapshot()
        return RunMetrics(
            self.source.name,
            self._started_at,
            snapshot,
            producer.totals.alerts,
            self.board.totals(),
            source_status(self.source),
            self._vitals.verdict(snapshot.waiting),
        )
