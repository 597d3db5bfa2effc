"""Writes to standard output and error from threads, so that a blocked reader does not block the program."""

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

from stockctl.cli.output.messages import pluralize, redirect_to_devnull
from stockctl.errors import StockctlError

MAX_QUEUED_BYTES = 1 << 20
"""Size of the queue. When it is full, alerts are dropped (the alert log has them); at twice this size,
everything is dropped."""
CLOSING_SECONDS = 0.5
"""How long closing waits until the queue is written."""


class _Chunk(NamedTuple):
    data: bytes
    is_output: bool
    """Whether it is for standard output (otherwise for standard error)."""


class NonBlockingWriter:
    """Writes to a descriptor in a thread of its own, so that callers never block.

    Args:
        descriptors: descriptors of the same file; the first is written to.
        on_error: called in that thread when something for standard output cannot be written.
        max_queued_bytes: size of the queue.
    """

    def __init__(
        self,
        descriptors: Sequence[int],
        on_error: Callable[[OSError], None],
        max_queued_bytes: int = MAX_QUEUED_BYTES,
    ) -> None:
        self._descriptors = descriptors
        self._on_error = on_error
        self._max_queued_bytes = max_queued_bytes
        self._changed = Condition()
        self._queue: deque[_Chunk] = deque()
        self._queued_bytes = 0
        self._failure: OSError | None = None
        self._closed = False
        self._dropped = 0
        self._thread = Thread(target=self._run, name=f"stdio-writer-{descriptors[0]}", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether everything is written."""
        return not self._queued_bytes

    @property
    def full(self) -> bool:
        """Whether the queue is full; then add only output that is not stored elsewhere."""
        return self._queued_bytes >= self._max_queued_bytes

    def take_dropped(self) -> int:
        """Return how many pieces were dropped since the last call; 0 while the queue is full."""
        with self._changed:
            if self.full:
                return 0
            dropped, self._dropped = self._dropped, 0
            return dropped

    def put(self, data: bytes, *, is_output: bool) -> None:
        """Queue a piece completely or not at all. After an error it is discarded."""
        with self._changed:
            failure = self._failure
            if failure is None and self._queued_bytes < 2 * self._max_queued_bytes:
                self._queue.append(_Chunk(data, is_output))
                self._queued_bytes += len(data)
                self._changed.notify_all()
            elif failure is None:
                self._dropped += 1
        if failure is not None and is_output:
            self._on_error(failure)

    def close(self, seconds: float = CLOSING_SECONDS) -> bool:
        """Stop the thread, and return whether everything was written.

        When that takes longer than ``seconds``, the descriptors are pointed to /dev/null, so that nothing
        else blocks on them.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._queued_bytes and (remaining := deadline - time.monotonic()) > 0:
                self._changed.wait(remaining)
            written = not self._queued_bytes
            self._closed = True
            self._changed.notify_all()
        if not written:
            for descriptor in self._descriptors:
                redirect_to_devnull(descriptor)
        return written

    def _run(self) -> None:
        while (chunk := self._next()) is not None:
            try:
                _write(self._descriptors[0], chunk.data)
            except OSError as error:
                self._fail(error)
                return
            with self._changed:
                self._queue.popleft()
                self._queued_bytes -= len(chunk.data)
                self._changed.notify_all()

    def _next(self) -> _Chunk | None:
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            return self._queue[0] if self._queue else None

    def _fail(self, error: OSError) -> None:
        with self._changed:
            self._failure = error
            output_lost = any(chunk.is_output for chunk in self._queue)
            self._queue.clear()
            self._queued_bytes = 0
            self._changed.notify_all()
        if output_lost:
            self._on_error(error)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


class _Text(io.TextIOBase):
    """A text stream over a ``NonBlockingWriter``; each flush queues what was written, in one piece."""

    def __init__(self, writer: NonBlockingWriter, original: TextIO, *, is_output: bool) -> None:
        self._writer = writer
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
                self._writer.put(text.encode(self.encoding, "replace"), is_output=self._is_output)


class NonBlockingStreams:
    """Non-blocking standard output and error; they share a writer if they are the same file.

    Args:
        stop: called, in any thread, when standard output cannot be written any more.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._terminal = sys.stdout.isatty()
        self.failure: OSError | None = None
        """The error of standard output; None if there was none, or if a terminal was closed."""
        output, error = sys.stdout.fileno(), sys.stderr.fileno()
        self._is_shared = os.path.samestat(os.fstat(output), os.fstat(error))
        self.output = NonBlockingWriter([output, error] if self._is_shared else [output], self._fail_output)
        self.error = self.output if self._is_shared else NonBlockingWriter([error], self._fail_output)
        self._texts = (
            _Text(self.output, sys.stdout, is_output=True),
            _Text(self.error, sys.stderr, is_output=False),
        )

    @contextmanager
    def redirected(self) -> Iterator[None]:
        """Send everything that is printed through the writers while the block runs."""
        output, error = self._texts
        with redirect_stdout(output), redirect_stderr(error):
            yield

    def close(self) -> None:
        """Close both; this takes at most a second."""
        output, error = self._texts
        output.flush()
        if not self.output.close() and not self._is_shared:
            error.write("The last output was dropped, because the reader of standard output is blocked.\n")
        error.flush()
        if not self._is_shared:
            self.error.close()

    def _fail_output(self, error: OSError) -> None:
        if not self._terminal:
            self.failure = error
        self._stop()


@contextmanager
def open_nonblocking_streams(stop: Callable[[], None]) -> Iterator[NonBlockingStreams]:
    """Make standard output and error non-blocking while the block runs.

    An error of standard error is ignored. After one of standard output ``stop`` is called, in any thread.

    Raises:
        BrokenPipeError: the reader of standard output closed the pipe.
        StockctlError: standard output cannot be written for another reason.
    """
    sys.stdout.flush()
    streams = NonBlockingStreams(stop)
    try:
        with streams.redirected():
            yield streams
    finally:
        streams.close()
    if isinstance(streams.failure, BrokenPipeError):
        raise streams.failure
    if streams.failure is not None:
        raise StockctlError(
            f"Alerts cannot be written to standard output: {streams.failure.strerror or streams.failure}.",
            "'stockctl alerts list' has all of them.",
        )


if TYPE_CHECKING:
    from stockctl.cli.output.alerts import AlertLines
    from stockctl.market.alert import Alert

_log = logging.getLogger(__name__)


class AlertWriter:
    """Writes alerts to non-blocking streams in one thread; another thread reports what was dropped.

    Args:
        lines: formats and prints them; None to print none.
        streams: where they are printed.
    """

    def __init__(self, lines: "AlertLines | None", streams: NonBlockingStreams) -> None:
        self._lines = lines
        self._streams = streams
        self._dropped = self._reported = 0

    def write(self, alerts: "Sequence[Alert]") -> None:
        """Write alerts, unless the queue is full: the alert log has them all."""
        if self._lines is None:
            return
        if self._streams.output.full:
            self._dropped += len(alerts)
        else:
            self._lines.write(alerts)

    def report_dropped(self) -> None:
        """Log what was dropped, when the queue has room again."""
        if dropped := self._streams.error.take_dropped():
            _log.warning(
                "%s of this log were dropped, because the reader of standard error is too slow.",
                pluralize(dropped, "line"),
            )
        if not self._streams.output.full:
            self.report_dropped_alerts()

    def report_dropped_alerts(self) -> None:
        """Log how many alerts were dropped since the last report."""
        new = self._dropped - self._reported
        self._reported += new
        if new:
            _log.warning(
                "%s not shown, because the reader of standard output is too slow; "
                "see 'stockctl alerts list'.",
                pluralize(new, "alert"),
            )
