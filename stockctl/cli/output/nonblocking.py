"""Writes to standard output and error from threads, so that a blocked reader stops nothing."""

import io
import logging
import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple, TextIO

from stockctl.cli.output.terminal import pluralize, redirect_to_devnull
from stockctl.errors import StockctlError

MOST_BYTES = 1 << 20
"""What may wait for a reader; beyond it alerts are left out, which are logged, and at twice as much all."""
CLOSING_SECONDS = 0.5
"""How long the end waits for a reader."""


class _Chunk(NamedTuple):
    data: bytes
    is_output: bool
    """Whether it is for standard output."""


class NonBlockingWriter:
    """A thread that writes to a descriptor; whoever has something to write does not wait for it.

    Args:
        descriptors: where to write, all of which lead to the same place.
        lost: called in that thread when something for standard output cannot be written, with the reason.
        most_bytes: how much may wait.
    """

    def __init__(
        self, descriptors: Sequence[int], lost: Callable[[OSError], None], most_bytes: int = MOST_BYTES
    ) -> None:
        self._descriptors = descriptors
        self._lost = lost
        self._most_bytes = most_bytes
        self._changed = Condition()
        self._pieces: deque[_Chunk] = deque()
        self._bytes = 0
        self._failure: OSError | None = None
        self._closed = False
        self._refused = 0
        self._thread = Thread(target=self._run, name=f"outlet-{descriptors[0]}", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing waits for a reader."""
        return not self._bytes

    @property
    def full(self) -> bool:
        """Whether so much waits that nothing should be added that can be read elsewhere."""
        return self._bytes >= self._most_bytes

    def take_refused(self) -> int:
        """Return how many pieces were left out since the last time, once there is room again."""
        with self._changed:
            if self.full:
                return 0
            refused, self._refused = self._refused, 0
            return refused

    def put(self, data: bytes, *, is_output: bool) -> None:
        """Have a piece written, whole or not at all: what cannot be written goes nowhere."""
        with self._changed:
            failure = self._failure
            if failure is None and self._bytes < 2 * self._most_bytes:
                self._pieces.append(_Chunk(data, is_output))
                self._bytes += len(data)
                self._changed.notify_all()
            elif failure is None:
                self._refused += 1
        if failure is not None and is_output:
            self._lost(failure)

    def close(self, seconds: float = CLOSING_SECONDS) -> bool:
        """End; return whether all was written.

        When nobody reads for so long, the descriptors lead nowhere from then on, so that nothing else waits.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while self._bytes and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            written = not self._bytes
            self._closed = True
            self._changed.notify_all()
        if not written:
            for descriptor in self._descriptors:
                redirect_to_devnull(descriptor)
        return written

    def _run(self) -> None:
        while (piece := self._next()) is not None:
            try:
                _write(self._descriptors[0], piece.data)
            except OSError as error:
                self._fail(error)
                return
            with self._changed:
                self._pieces.popleft()
                self._bytes -= len(piece.data)
                self._changed.notify_all()

    def _next(self) -> _Chunk | None:
        with self._changed:
            while not self._pieces and not self._closed:
                self._changed.wait()
            return self._pieces[0] if self._pieces else None

    def _fail(self, error: OSError) -> None:
        with self._changed:
            self._failure = error
            output_lost = any(piece.is_output for piece in self._pieces)
            self._pieces.clear()
            self._bytes = 0
            self._changed.notify_all()
        if output_lost:
            self._lost(error)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


class _Text(io.TextIOBase):
    """Text for an outlet; what was written goes out with each flush, in one piece."""

    def __init__(self, outlet: NonBlockingWriter, original: TextIO, *, is_output: bool) -> None:
        self._outlet = outlet
        self._original = original
        self._is_output = is_output
        self._lock = Lock()
        self._parts: list[str] = []

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._original.encoding

    def isatty(self) -> bool:
        return self._original.isatty()

    def fileno(self) -> int:
        return self._original.fileno()

    def write(self, text: str, /) -> int:
        with self._lock:
            self._parts.append(text)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            text = "".join(self._parts)
            self._parts.clear()
            if text:
                self._outlet.put(text.encode(self.encoding, "replace"), is_output=self._is_output)


class NonBlockingStreams:
    """The outlets of standard output and error, which are one where both lead to the same place.

    Args:
        stop: called, in any thread, when standard output cannot be written to any more.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._terminal = sys.stdout.isatty()
        self.failure: OSError | None = None
        """Why standard output cannot be written to any more, unless it was a terminal that has gone."""
        output, error = sys.stdout.fileno(), sys.stderr.fileno()
        self._one = os.path.samestat(os.fstat(output), os.fstat(error))
        self.output = NonBlockingWriter([output, error] if self._one else [output], self._lose)
        self.error = self.output if self._one else NonBlockingWriter([error], self._lose)
        self._texts = (
            _Text(self.output, sys.stdout, is_output=True),
            _Text(self.error, sys.stderr, is_output=False),
        )

    @contextmanager
    def in_front(self) -> Iterator[None]:
        """Have all that is written go through the outlets while the block runs."""
        output, error = self._texts
        with redirect_stdout(output), redirect_stderr(error):
            yield

    def close(self) -> None:
        """End; it takes no longer than a second."""
        output, error = self._texts
        output.flush()
        if not self.output.close() and not self._one:
            error.write("Nobody reads standard output: what came last was left out there.\n")
        error.flush()
        if not self._one:
            self.error.close()

    def _lose(self, error: OSError) -> None:
        if not self._terminal:
            self.failure = error
        self._stop()


@contextmanager
def open_nonblocking_streams(stop: Callable[[], None]) -> Iterator[NonBlockingStreams]:
    """Put outlets in front of standard output and error while the block runs.

    A standard error that cannot be written to is nothing to end a stream for. Standard output is: ``stop`` is
    called then, in any thread.

    Raises:
        BrokenPipeError: whoever read standard output has gone.
        StockctlError: standard output cannot be written to for another reason.
    """
    sys.stdout.flush()
    both = NonBlockingStreams(stop)
    try:
        with both.in_front():
            yield both
    finally:
        both.close()
    if isinstance(both.failure, BrokenPipeError):
        raise both.failure
    if both.failure is not None:
        raise StockctlError(
            f"Alerts cannot be written to standard output: {both.failure.strerror or both.failure}.",
            "'stockctl alerts list' has all of them.",
        )


if TYPE_CHECKING:
    from stockctl.cli.output.alerts import AlertLines
    from stockctl.market.alert import Alert

_log = logging.getLogger(__name__)


class AlertWriter:
    """Writes alerts through ``open_nonblocking_streams``; one thread writes, another one tells.

    Args:
        lines: writes them.
        outlets: what they go through.
    """

    def __init__(self, lines: "AlertLines | None", outlets: NonBlockingStreams) -> None:
        self._lines = lines
        self._outlets = outlets
        self._unshown = self._told = 0

    def write(self, alerts: "Sequence[Alert]") -> None:
        """Write alerts, unless too much waits for a reader: the alert log has them all."""
        if self._lines is None:
            return
        if self._outlets.output.full:
            self._unshown += len(alerts)
        else:
            self._lines.write(alerts)

    def tell(self) -> None:
        """Tell what was left out, if somebody reads again."""
        if refused := self._outlets.error.take_refused():
            _log.warning("%s of this log not written: nobody read it.", pluralize(refused, "line"))
        if not self._outlets.output.full:
            self.tell_unshown()

    def tell_unshown(self) -> None:
        """Tell how many alerts were left out."""
        unshown = self._unshown - self._told
        self._told += unshown
        if unshown:
            _log.warning(
                "%s not shown: nobody read them; see 'stockctl alerts list'.", pluralize(unshown, "alert")
            )
