"""How fast records may go into a stream: what its shards take, less while it throttles."""

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
"""What a shard takes in a second."""
ON_DEMAND_SHARDS = 4
"""What an on-demand stream takes at first, in shards; it grows with what comes."""

BURST_SECONDS = 0.5
"""How much of its rate a pacer that was idle lets go at once."""
SMALLEST_SHARE = 0.02
_CUT = 0.7
_CUT_EVERY = 0.5
_RAISE = 0.05
_LEARN_EVERY = 600.0
_LARGEST_CALL = 500

_log = logging.getLogger(__name__)


class Capacity(NamedTuple):
    """What a stream takes in a second."""

    records: float
    size: float
    """In bytes."""
    grows: bool = False
    """Whether it may take more than that, to be found out by trying."""


class ShardRateLimiter:
    """A token bucket for records and one for bytes, whose rate falls on throttling and rises again.

    In any ``t`` seconds no more goes than its rate gives in ``t + BURST_SECONDS``, and one call. On
    throttling the rate falls by a factor, at most every half second; while all goes well it rises by a
    twentieth of the capacity each second, up to the capacity, or beyond where the stream grows.

    Args:
        capacity: of the stream.
        clock: seconds that never go back.
    """

    def __init__(self, capacity: Capacity, clock: Callable[[], float] = time.monotonic) -> None:
        self.share = 1.0
        """The rate as a share of the capacity."""
        self._capacity = capacity
        self._records = TokenBucket(capacity.records, BURST_SECONDS)
        self._bytes = TokenBucket(capacity.size, BURST_SECONDS)
        self._clock = clock
        self._cut_at = -float("inf")
        self._raised_at = clock()
        self._held = False

    def learn(self, capacity: Capacity) -> None:
        """Go by another capacity from now on."""
        self._capacity = capacity

    @property
    def most(self) -> int:
        """How many records one call should hold at most, so that a slow rate is no series of bursts."""
        return max(1, min(_LARGEST_CALL, int(self._capacity.records * self.share * BURST_SECONDS)))

    def take(self, records: int, size: int) -> float:
        """Take room for a call and return the seconds to wait before it is sent."""
        now = self._clock()
        wait = max(self._records.wait_time(now), self._bytes.wait_time(now))
        self._records.rate = self._capacity.records * self.share
        self._bytes.rate = self._capacity.size * self.share
        self._records.take(records, at=now + wait)
        self._bytes.take(size, at=now + wait)
        self._held = wait > 0
        return wait

    def throttled(self) -> None:
        """Note that the stream took less than was sent."""
        now = self._clock()
        if now - self._cut_at >= _CUT_EVERY:
            self.share = max(SMALLEST_SHARE, self.share * _CUT)
            self._cut_at = now
        self._raised_at = now

    def accepted(self) -> None:
        """Note that a call was taken whole."""
        now = self._clock()
        grown = self.share + _RAISE * min(1.0, now - self._raised_at)
        self._raised_at = now
        if not self._capacity.grows:
            self.share = min(1.0, grown)
        elif self._held or self.share < 1.0:
            self.share = grown


class StreamRateLimiter:
    """The pace of one stream, learned from the stream itself and asked for again every ten minutes.

    Args:
        client: of Kinesis.
        stream: its name.
        clock: seconds that never go back.
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
        self._pacer: ShardRateLimiter | None = None
        self._learned_at = -float("inf")

    @property
    def most(self) -> int:
        """How many records one call should hold at most.

        Raises:
            AwsError: the stream cannot be asked now.
        """
        return self._current().most

    def wait(self, records: int, size: int) -> None:
        """Wait until a call of so many records and bytes may go.

        Raises:
            AwsError: the stream cannot be asked now.
        """
        if seconds := self._current().take(records, size):
            self._sleep(seconds)

    def throttled(self) -> None:
        """Note that the stream took less than was sent."""
        self._current().throttled()

    def accepted(self) -> None:
        """Note that a call was taken whole."""
        self._current().accepted()

    def _current(self) -> ShardRateLimiter:
        now = self._clock()
        if self._pacer is None:
            self._pacer = ShardRateLimiter(self._learn(), self._clock)
            self._learned_at = now
        elif now - self._learned_at >= _LEARN_EVERY:
            self._learned_at = now
            try:
                self._pacer.learn(self._learn())
            except AwsError as error:
                _log.debug("The capacity of %s stays as it was learned: %s", self._stream, error.message)
        return self._pacer

    def _learn(self) -> Capacity:
        try:
            return capacity_of(self._client, self._stream)
        except AwsError as error:
            if classify_failure(error).retryable:
                raise
            _log.warning("What %s takes is unknown, one shard is assumed: %s", self._stream, error.message)
            return Capacity(SHARD_RECORDS, SHARD_BYTES, grows=True)


@translate_errors()
def capacity_of(client: Client, stream: str) -> Capacity:
    """Return what ``stream`` takes.

    Raises:
        AwsError: it cannot be asked, or is not there.
    """
    answer = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    grows = answer.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND"
    shards = max(ON_DEMAND_SHARDS if grows else 1, int(answer["OpenShardCount"]))
    return Capacity(shards * SHARD_RECORDS, shards * SHARD_BYTES, grows)
