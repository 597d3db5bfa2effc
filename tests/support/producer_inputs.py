"""Sources and streams for tests of a producer."""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import boto3
from botocore.config import Config

from stockctl.backends.aws.kinesis.aggregator import Aggregator, OpenShards
from stockctl.backends.aws.kinesis.rate_limit import StreamRateLimiter
from stockctl.backends.aws.kinesis.stream import KinesisStream
from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.producer.batching import Batch, record_of
from stockctl.retry import Backoff
from stockctl.sources.base import Tick

STREAM = "stock-market-stream"
SECONDS = 120
"""How long a test waits for what has to come."""


def quote(symbol: str, number: int) -> Quote:
    """Return the quote of a symbol at a step of time, a millisecond apart."""
    seconds, milliseconds = divmod(number, 1000)
    moment = f"{14 + seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"
    price = Decimal(10_000 + (number * 7919) % 997).scaleb(-2)
    return Quote(symbol, f"2026-01-05T{moment}Z", price, None, None, None, None, number, "feed", None)


def ticks_of(symbols: int, ticks: int, first: int = 0) -> Iterator[list[Quote]]:
    """Yield ticks of one quote a symbol."""
    for number in range(first, ticks):
        yield [quote(f"S{symbol}", number) for symbol in range(symbols)]


def batch_of(*quotes: Quote, taken_at: float = 0.0) -> Batch:
    """Return quotes as a batch."""
    return Batch([record_of(each) for each in quotes], (), taken_at)


class Feed:
    """A source that cannot be asked again: what is taken from it is gone.

    It notes in a file how many ticks were handed over and left behind, so that a test can go on after a
    process was killed; at most the tick that was in hand then comes twice.
    """

    name = "feed"
    expected: int | None = None
    repeatable = False

    def __init__(
        self,
        ticks: Iterator[Sequence[Quote | Rejection]],
        position: Path | None = None,
        first: int = 0,
        pace: float = 0.0,
    ) -> None:
        self._ticks = ticks
        self._position = position
        self._first = first
        self._pace = pace
        self.taken = 0

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield all ticks, or those before ``stop`` is set."""
        for number, tick in enumerate(self._ticks, self._first + 1):
            if stop.wait(self._pace):
                return
            self.taken += 1
            yield tick
            if self._position is not None:
                note(self._position, number)


def note(path: Path, number: int) -> None:
    """Write a number into a file at once and whole."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.pwrite(descriptor, f"{number:12}".encode(), 0)
    os.close(descriptor)


def noted(path: Path) -> int:
    """Return the number in a file; 0 where there is none."""
    return int(path.read_text()) if path.exists() else 0


class Kept:
    """A quarantine in memory."""

    def __init__(self) -> None:
        self.rejections: list[Rejection] = []

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Keep them."""
        self.rejections += rejections


def kinesis_client(url: str, read_timeout: float = 5.0) -> Any:
    """Return a client of a stand-in that tries once."""
    return boto3.client(
        "kinesis",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(connect_timeout=1, read_timeout=read_timeout, retries={"total_max_attempts": 1}),
    )


def kinesis_stream(
    url: str, *, read_timeout: float = 5.0, quarantine: Any = None, aggregate: bool = False, attempts: int = 5
) -> KinesisStream:
    """Return the stream as the program makes it, before a stand-in."""
    client = kinesis_client(url, read_timeout)
    return KinesisStream(
        client,
        STREAM,
        quarantine or Kept(),
        Backoff(first=0.02, cap=0.2, attempts=attempts),
        rate_limit=StreamRateLimiter(client, STREAM),
        aggregator=Aggregator(OpenShards(client, STREAM)) if aggregate else None,
    )


class Lines(logging.Handler):
    """Collects what is logged, and lets a test wait for a word."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self.text.append(record.getMessage())
            self._changed.notify_all()

    def wait_for(self, word: str) -> str:
        """Return the first line with ``word`` in it."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(word in line for line in self.text), SECONDS), self.text
            return next(line for line in self.text if word in line)
