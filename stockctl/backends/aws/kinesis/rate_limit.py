"""Limits how fast records are sent to a stream: at the capacity of its shards, slower after throttling."""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import classify_failure
from stockctl.errors import AwsError
from stockctl.rate_limit import TokenBucket

SHARD_RECORDS = 1000
SHARD_BYTES = 1 << 20
"""Capacity of a shard per second."""
ON_DEMAND_SHARDS = 4
"""Capacity of a new on-demand stream, in shards; it grows with the load."""

BURST_SECONDS = 0.5
"""An idle limiter allows at once what it allows in this number of seconds."""
SMALLEST_SHARE = 0.02
"""Lower limit of the rate, as a share of the capacity."""
_DECREASE_FACTOR = 0.7
_DECREASE_INTERVAL = 0.5
_INCREASE_PER_SECOND = 0.05
_CAPACITY_INTERVAL = 600.0
_MAX_CALL_RECORDS = 500

_log = logging.getLogger(__name__)


class Capacity(NamedTuple):
    """The number of records and bytes that a stream accepts per second."""

    records: float
    bytes: float
    grows: bool = False
    """Whether the stream may accept more than this; only sending more can show it."""


class ShardRateLimiter:
    """A token bucket for records and one for bytes; the rate falls after throttling, and rises again.

    In any ``t`` seconds it allows what the rate gives in ``t + BURST_SECONDS``, and one call. After
    throttling the rate falls by a factor, at most every half second. While calls succeed it rises by a
    twentieth of the capacity per second, up to the capacity, or further if the stream grows.

    Args:
        capacity: the capacity of the stream.
        clock: returns seconds that never go back.
    """

    def __init__(self, capacity: Capacity, clock: Callable[[], float] = time.monotonic) -> None:
        self.share = 1.0
        """The rate as a share of the capacity."""
        self._capacity = capacity
        self._records = TokenBucket(capacity.records, BURST_SECONDS)
        self._bytes = TokenBucket(capacity.bytes, BURST_SECONDS)
        self._clock = clock
        self._decreased_at = -float("inf")
        self._increased_at = clock()
        self._is_limiting = False

    def set_capacity(self, capacity: Capacity) -> None:
        """Use another capacity from now on."""
        self._capacity = capacity

    @property
    def max_call_records(self) -> int:
        """The maximum number of records of one call; a slow rate needs smaller calls."""
        return max(1, min(_MAX_CALL_RECORDS, int(self._capacity.records * self.share * BURST_SECONDS)))

    def reserve(self, records: int, size: int) -> float:
        """Reserve tokens for a call and return the seconds to wait before sending it."""
        now = self._clock()
        wait = max(self._records.wait_time(now), self._bytes.wait_time(now))
        self._records.rate = self._capacity.records * self.share
        self._bytes.rate = self._capacity.bytes * self.share
        self._records.take(records, at=now + wait)
        self._bytes.take(size, at=now + wait)
        self._is_limiting = wait > 0
        return wait

    def throttled(self) -> None:
        """Slow down, because the stream throttled records."""
        now = self._clock()
        if now - self._decreased_at >= _DECREASE_INTERVAL:
            self.share = max(SMALLEST_SHARE, self.share * _DECREASE_FACTOR)
            self._decreased_at = now
        self._increased_at = now

    def accepted(self) -> None:
        """Speed up, because the stream accepted all records of a call."""
        now = self._clock()
        increased = self.share + _INCREASE_PER_SECOND * min(1.0, now - self._increased_at)
        self._increased_at = now
        if not self._capacity.grows:
            self.share = min(1.0, increased)
        elif self._is_limiting or self.share < 1.0:
            self.share = increased


class StreamRateLimiter:
    """Limits the rate of one stream to its capacity, which it requests from Kinesis every ten minutes.

    Args:
        client: the client of Kinesis.
        stream: the name of the stream.
        clock: returns seconds that never go back.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._stream = stream
        self._clock = clock
        self._sleep = sleep
        self._limiter: ShardRateLimiter | None = None
        self._capacity_read_at = -float("inf")

    @property
    def max_call_records(self) -> int:
        """The maximum number of records of one call.

        Raises:
            AwsError: the capacity cannot be requested.
        """
        return self._current().max_call_records

    def wait(self, records: int, size: int) -> None:
        """Wait until a call of this number of records and bytes may be sent.

        Raises:
            AwsError: the capacity cannot be requested.
        """
        if seconds := self._current().reserve(records, size):
            self._sleep(seconds)

    def throttled(self) -> None:
        """Slow down, because the stream throttled records."""
        self._current().throttled()

    def accepted(self) -> None:
        """Speed up, because the stream accepted all records of a call."""
        self._current().accepted()

    def _current(self) -> ShardRateLimiter:
        now = self._clock()
        if self._limiter is None:
            self._limiter = ShardRateLimiter(self._read_capacity(), self._clock)
            self._capacity_read_at = now
        elif now - self._capacity_read_at >= _CAPACITY_INTERVAL:
            self._capacity_read_at = now
            try:
                self._limiter.set_capacity(self._read_capacity())
            except AwsError as error:
                _log.debug("Keeping the last known capacity of %s: %s", self._stream, error.message)
        return self._limiter

    def _read_capacity(self) -> Capacity:
        try:
            return stream_capacity(self._client, self._stream)
        except AwsError as error:
            if classify_failure(error).retryable:
                raise
            _log.warning("The capacity of %s is unknown, assuming one shard: %s", self._stream, error.message)
            return Capacity(SHARD_RECORDS, SHARD_BYTES, grows=True)


@translate_errors()
def stream_capacity(client: Client, stream: str) -> Capacity:
    """Return the capacity of a stream.

    Raises:
        AwsError: the stream does not exist, or the request fails.
    """
    summary = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    grows = summary.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND"
    shards = max(ON_DEMAND_SHARDS if grows else 1, int(summary["OpenShardCount"]))
    return Capacity(shards * SHARD_RECORDS, shards * SHARD_BYTES, grows)
