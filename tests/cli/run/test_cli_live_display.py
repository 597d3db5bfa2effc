"""What is written while nobody reads: it keeps nobody waiting, and what is left out is counted."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from threading import Event, Thread
from typing import TextIO

import pytest

from stockctl.cli.output.alerts import AlertLines
from stockctl.cli.output.nonblocking_streams import (
    MAX_QUEUED_BYTES,
    NonBlockingWriter,
    open_nonblocking_streams,
)
from stockctl.cli.output.tables import Format
from stockctl.cli.run.monitor import MonitorOptions, RunMonitor
from stockctl.market.alert import sample_alert
from stockctl.pipeline.ports import SendResult
from stockctl.producer.stats import DeliverySnapshot, Totals
from stockctl.sources.base import Tick
from support.run_figures import DELIVERY

SECONDS = 60
PIECE = b"x" * 1023 + b"\n"


class Pipe:
    """A pipe that takes little before it makes a writer wait."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.text: TextIO = open(self.writer, "w")  # noqa: SIM115 - the fixture closes it
        self._reading: Thread | None = None
        self._read = bytearray()

    def read_on(self) -> None:
        """Read from now on."""
        self._reading = Thread(target=self._run)
        self._reading.start()

    def all(self) -> str:
        """Return what was written, once nothing more is."""
        self.text.close()
        if self._reading is None:
            self.read_on()
        self.close()
        return self._read.decode()

    def close_reader(self) -> None:
        """Have nobody read any more."""
        os.close(self.reader)
        self.reader = -1

    def close(self) -> None:
        """Close what is open."""
        self.text.close()
        if self._reading is not None:
            self._reading.join(SECONDS)
        if self.reader >= 0:
            self.close_reader()

    def _run(self) -> None:
        while chunk := os.read(self.reader, 1 << 16):
            self._read += chunk


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """One pipe."""
    made = Pipe()
    yield made
    made.close()


@contextmanager
def standard() -> Iterator[tuple[Pipe, Pipe]]:
    """Put pipes in the place of standard output and error while the block runs."""
    output, error = Pipe(), Pipe()
    try:
        with redirect_stdout(output.text), redirect_stderr(error.text):
            yield output, error
    finally:
        output.close()
        error.close()


def release(outlet: NonBlockingWriter, pipe: Pipe) -> None:
    """Let an outlet end that waits for a reader: its descriptor may be another one's soon."""
    pipe.read_on()
    outlet._thread.join(SECONDS)


def never(error: OSError) -> None:
    """Fail: nothing was lost."""
    raise AssertionError(error)


@pytest.mark.parametrize("blocking", [True, False])
def test_what_waits_for_a_reader_comes_in_order(pipe: Pipe, blocking: bool):
    """A descriptor that blocks, and one that does not; whoever writes goes on meanwhile."""
    os.set_blocking(pipe.writer, blocking)
    outlet = NonBlockingWriter([pipe.writer], never)
    pieces = [b"%d %s" % (number, PIECE) for number in range(300)]
    for piece in pieces:
        outlet.put(piece, is_output=True)
    assert not outlet.idle
    pipe.read_on()
    assert outlet.close(SECONDS)
    assert pipe.all().encode() == b"".join(pieces)


def test_what_is_too_much_is_left_out_and_counted(pipe: Pipe):
    """Beyond a bound nothing is added, and the count is told once there is room."""
    outlet = NonBlockingWriter([pipe.writer], never, max_queued_bytes=200 * len(PIECE))
    for _ in range(1000):
        outlet.put(PIECE, is_output=False)
    assert outlet.full
    assert outlet.take_dropped() == 0
    pipe.read_on()
    assert outlet.close(SECONDS)
    refused = outlet.take_dropped()
    assert 500 < refused < 1000
    assert pipe.all().encode() == PIECE * (1000 - refused)


def test_the_end_does_not_wait_for_a_reader_for_long(pipe: Pipe):
    """After that the descriptor leads nowhere, so that nothing else that is written waits."""
    outlet = NonBlockingWriter([pipe.writer], lambda error: None)
    outlet.put(PIECE * 1000, is_output=True)
    assert not outlet.close(0.05)
    assert os.write(pipe.writer, PIECE * 1000) == len(PIECE) * 1000
    release(outlet, pipe)


@pytest.mark.parametrize("is_output", [True, False])
def test_a_reader_that_has_gone_is_told_of_when_it_read_the_output(pipe: Pipe, is_output: bool):
    """A log that nobody reads is no reason for anything."""
    lost = Event()
    outlet = NonBlockingWriter([pipe.writer], lambda error: lost.set())
    pipe.close_reader()
    outlet.put(PIECE, is_output=is_output)
    assert outlet.close(SECONDS)
    assert lost.is_set() == is_output
    outlet.put(PIECE, is_output=is_output)
    assert outlet.idle


def written_to_nobody(stop: Event) -> None:
    """Write to a standard output whose reader has gone, and wait for the wish to stop."""
    with standard() as (output, _), open_nonblocking_streams(stop.set):
        output.close_reader()
        print("alert", flush=True)
        assert stop.wait(SECONDS)


def test_a_closed_standard_output_ends_what_runs():
    """As it does any program: with a wish to stop at once, and the error in the end."""
    with pytest.raises(BrokenPipeError):
        written_to_nobody(Event())


def test_the_log_goes_on_while_nobody_reads_the_output():
    """They are two, unless they lead to the same place."""
    with standard() as (output, error):
        error.read_on()
        with open_nonblocking_streams(lambda: None) as both:
            print("x" * (1 << 20), flush=True)
            print("a line", file=sys.stderr, flush=True)
            assert both.error is not both.output
        said = error.all()
        release(both.output, output)
    assert said == "a line\nThe last output was dropped, because the reader of standard output is blocked.\n"


class Producing:
    """A producer that stands still."""

    totals = Totals()

    def snapshot(self) -> DeliverySnapshot:
        """Return some figures."""
        return DELIVERY


class Quiet:
    """A live source without quotes."""

    name, expected, repeatable = "quiet", None, False

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield nothing."""
        yield from ()


def await_idle(monitor: RunMonitor) -> None:
    """Return once all that waits for a reader of standard output was read."""
    assert monitor._streams is not None
    outlet = monitor._streams.output
    with outlet._changed:
        assert outlet._changed.wait_for(lambda: outlet.idle, SECONDS)


def test_alerts_that_nobody_reads_are_counted():
    """Each is either written, whole and in order, or among those that the log counts."""
    count = 3 * MAX_QUEUED_BYTES // 400
    with standard() as (output, error):
        monitor = RunMonitor(Quiet(), AlertLines(Format.JSON), MonitorOptions())
        with monitor.nonblocking_output(lambda: None), monitor.monitoring(Producing()):
            for number in range(count):
                alert = sample_alert("2026-01-05T15:00:00.000Z")._replace(symbol=f"S{number}")
                monitor.observe(SendResult(1, alerts=[alert]))
            output.read_on()
            await_idle(monitor)
        shown, told = [json.loads(line)["symbol"] for line in output.all().splitlines()], error.all()
    left_out = count - len(shown)
    assert shown == sorted(shown, key=lambda symbol: int(symbol[1:]))
    assert left_out
    assert (
        f"{left_out:,} alerts not shown, because the reader of standard output is too slow; "
        "see 'stockctl alerts list'."
    ) in told
