"""A source and a stream that are looked at while they work, and work as they did before."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Event

from stockctl.pipeline.ports import Receipt, Record, Rejection, Stream
from stockctl.sources.base import Source, Tick
from stockctl.sources.telling import Told, told_by
from stockctl.watching.board import Board
from stockctl.watching.vitals import Vitals


class ObservedSource:
    """A source whose ticks are noted on their way.

    Args:
        source: what yields them.
        board: where they are noted.
        vitals: is told what the thread does that reads the source.
    """

    def __init__(self, source: Source, board: Board, vitals: Vitals) -> None:
        self.source = source
        self.name = source.name
        self.expected = source.expected
        self.repeatable = getattr(source, "repeatable", False)
        self._board = board
        self._vitals = vitals

    def told(self) -> Told:
        """Return what the source tells."""
        return told_by(self.source)

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield what the source yields.

        Raises:
            SourceError: the source cannot go on.
        """
        self._vitals.takes_up()
        try:
            for tick in self.source.ticks(_Heard(stop, self._vitals)):
                self.expected = self.source.expected
                self._board.note(tick)
                self._vitals.hands_over()
                yield tick
                self._vitals.takes_up()
        finally:
            self._vitals.ended()


class _Heard(Event):
    """A wish to stop that notes when the thread it was made in asks for it."""

    def __init__(self, stop: Event, vitals: Vitals) -> None:
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


class _ObservedStream:
    def __init__(self, stream: Stream, vitals: Vitals) -> None:
        self.batch_records = stream.batch_records
        self._stream = stream
        self._vitals = vitals

    def send(self, records: Sequence[Record]) -> Receipt:
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


def observed_stream(open_stream: OpenStream, vitals: Vitals) -> OpenStream:
    """Return what opens the same stream, whose calls are noted, the opening among them."""

    @contextmanager
    def opened() -> Iterator[Stream]:
        with ExitStack() as stack:
            vitals.calls()
            try:
                stream = stack.enter_context(open_stream())
            finally:
                vitals.returns()
            yield _ObservedStream(stream, vitals)

    return opened
