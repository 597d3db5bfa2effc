"""Memory and CPU of the producer: 10,000 symbols that tick each second, and a million with an outage.

Both before a null Kinesis on the loopback. In the second run the server goes away after a third of the
quotes and comes back after two thirds.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Event

import machine
import producer as parts

from stockctl.producer.producer import BufferedProducer
from stockctl.sources.base import Tick
from support.aws.kinesis_server import NullKinesis, Script, kinesis_null

SHARDS = 100
_FIRST_LOOKS = 0.05
"""Seconds between looks until something is sent."""
FLAT = 1.5
"""By how much memory may grow from its first figure on and still be called flat."""


class Paced(parts.Market):
    """The market, so many seconds from tick to tick."""

    def __init__(self, quotes: int, pace: float, hook: Callable[[int], None] = lambda tick: None) -> None:  # noqa: ARG005
        super().__init__(quotes)
        self.quotes = quotes // parts.SYMBOLS * parts.SYMBOLS
        self._pace = pace
        self._hook = hook

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield all ticks."""
        due = time.monotonic()
        for number, tick in enumerate(super().ticks(stop)):
            if stop.wait(max(0.0, due - time.monotonic())):
                return
            self._hook(number)
            yield tick
            due += self._pace


class Watch:
    """Looks at memory and CPU time now and then, in a thread, and prints a line each time."""

    def __init__(self, producer: BufferedProducer, every: float) -> None:
        self._producer = producer
        self._every = every
        self._over = Event()
        self._thread = threading.Thread(target=self._look)
        self.sizes: list[int] = []

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while self._producer.snapshot().sent == 0 and not self._over.wait(_FIRST_LOOKS):
            pass  # what sending needs is loaded with the first quotes
        began, cpu = time.monotonic(), time.process_time()
        self.sizes.append(resident())
        while not self._over.wait(self._every):
            now, spent = time.monotonic(), time.process_time()
            figures = self._producer.snapshot()
            self.sizes.append(resident())
            lag = "-" if figures.lag_p99 is None else f"{figures.lag_p50:.2f}/{figures.lag_p99:.2f}"
            print(
                f"  {figures.sent:>9,} sent {figures.waiting:>9,} waiting  {self.sizes[-1] >> 20:>5} MB "
                f"{(spent - cpu) / (now - began):>6.0%} CPU  lag p50/p99 {lag} s",
                flush=True,
            )
            began, cpu = now, spent


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def run(source: Paced, url: str, folder: Path, every: float) -> None:
    """Run one and say by how much memory grew.

    Raises:
        SystemExit: quotes were lost, or memory has grown beyond ``FLAT``.
    """
    with parts.watched(source, lambda: nullcontext(parts.stream(url)), folder, grace=60) as producer:
        with Watch(producer, every) as watch:
            totals = producer.run(Event())
        sizes, left = watch.sizes, producer.backlog.quotes
    print(
        f"  {totals.sent:,} sent, {left:,} wait; memory {sizes[0] >> 20} MB at first, "
        f"{max(sizes) >> 20} MB at most, {sizes[-1] >> 20} MB at last; "
        f"{totals.possibly_duplicated:,} possibly duplicated"
    )
    if totals.sent + left != source.quotes:
        raise SystemExit(f"{source.quotes - totals.sent - left:,} quotes were lost")
    if max(sizes) > sizes[0] * FLAT:
        raise SystemExit(f"memory is not flat: {max(sizes) / sizes[0]:.2f} times what it was at first")


def outage(server: NullKinesis, ticks: int) -> Callable[[int], None]:
    """Return what takes the server away after a third of the ticks and brings it back after two."""

    def hook(tick: int) -> None:
        if tick == ticks // 3:
            server.stop()
        elif tick == ticks * 2 // 3:
            server.start()

    return hook


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=120, help="of the first run")
    parser.add_argument("--quotes", type=int, default=1_000_000, help="of the second run")
    parser.add_argument("--rate", type=int, default=20_000, help="quotes a second of the second run")
    parser.add_argument("--folder", help="where the outbox is; the system's temporary folder without it")
    arguments = parser.parse_args()
    os.environ.update(
        AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true"
    )
    print(machine.describe())
    with kinesis_null(Script(shards=SHARDS)) as server:
        for title, every, source in (
            ("10,000 symbols, each second", 10, Paced(parts.SYMBOLS * arguments.seconds, 1.0)),
            (
                "an outage in the middle",
                5,
                Paced(
                    arguments.quotes,
                    parts.SYMBOLS / arguments.rate,
                    outage(server, arguments.quotes // parts.SYMBOLS),
                ),
            ),
        ):
            print(f"{title}:")
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                run(source, server.url, Path(folder), every)


if __name__ == "__main__":
    sys.exit(main())
