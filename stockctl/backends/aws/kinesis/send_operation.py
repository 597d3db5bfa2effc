"""Sends records in PutRecords calls, with retries, rate limit and a check of the shards after a reshard."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from stockctl.backends.aws.errors import classify_failure, is_throttle
from stockctl.backends.aws.kinesis.aggregator import Aggregate, Aggregator
from stockctl.backends.aws.kinesis.pending import PendingEntries, split_into_requests
from stockctl.errors import AwsError
from stockctl.pipeline.ports import Record, SendResult
from stockctl.retry import Backoff

CALL_RECORDS = 500
"""Maximum records of one PutRecords call."""
CALL_BYTES = 5 << 20
"""Maximum bytes of one PutRecords call; partition keys count."""

Entry = Record | Aggregate[Record]
"""What Kinesis sees as one record."""
EntryResult = Mapping[str, object]
"""Kinesis's response for one entry."""


class RateLimit(Protocol):
    """Limits how fast records are sent."""

    @property
    def max_call_records(self) -> int:
        """The maximum number of records of one call."""

    def wait(self, records: int, size: int) -> None:
        """Wait until a call of this number of records and bytes may be sent."""

    def throttled(self) -> None:
        """Slow down, because the stream throttled records."""

    def accepted(self) -> None:
        """Speed up, because the stream accepted all records of a call."""


class RejectedRecords(AwsError):
    """Kinesis rejected the same records again and again."""


class SendOperation:
    """Sends the records of one ``send``, and keeps what is pending and what happened.

    Args:
        records: the records to send, each with a partition key.
        put: sends one call and returns a result for each entry.
        backoff: retries of rejected records.
        rate_limit: limits how fast records are sent; None means no limit.
        aggregator: packs several records into one entry; None sends each record by itself.
    """

    def __init__(
        self,
        records: Sequence[Record],
        put: Callable[[Sequence[Entry]], Sequence[EntryResult]],
        backoff: Backoff,
        rate_limit: RateLimit | None,
        aggregator: Aggregator | None,
    ) -> None:
        self._records = records
        self._put = put
        self._backoff = backoff
        self._rate_limit = rate_limit
        self._aggregator = aggregator
        self._pending: PendingEntries[Entry] | None = None
        self._must_repack = False
        self._reshards = 0
        self._retried = self._throttled = self._possibly_duplicated = 0

    def run(self) -> None:
        """Send until nothing is pending.

        Raises:
            AwsError: a call failed, or records were rejected too often.
        """
        pending = self._pack(self._records)
        while pending:
            rejections: list[str] = []
            entries = pending.next_entries()
            for call, size in split_into_requests(entries, self._max_call_records(), CALL_BYTES):
                rejections += self._send_call(pending, call, size)
                if self._must_repack:
                    pending = self._pack(self.undelivered())
                    break
            attempts = max(pending.max_failures, self._reshards)
            if rejections and not self._backoff.pause(attempts):
                raise RejectedRecords(
                    f"Kinesis rejected them in {attempts} attempts ({rejections[0]}).",
                    "A shard takes 1,000 records or 1 MB a second: raise stream.shards, or send more slowly. "
                    "It is safe to send everything again: a quote that has arrived is stored once.",
                )

    @property
    def started(self) -> bool:
        """Whether the records were packed; before that it is not known what is pending."""
        return self._pending is not None

    def undelivered(self) -> list[Record]:
        """Return the records that Kinesis has not accepted, in their order."""
        undelivered = {id(record) for entry in self._pending or () for record in _records_of(entry)}
        return [record for record in self._records if id(record) in undelivered]

    def result(self, sent: int, quarantined: int = 0) -> SendResult:
        """Return the result of the operation."""
        return SendResult(
            sent,
            quarantined=quarantined,
            is_final=False,
            retried=self._retried,
            throttled=self._throttled,
            possibly_duplicated=self._possibly_duplicated,
        )

    def _max_call_records(self) -> int:
        return CALL_RECORDS if self._rate_limit is None else self._rate_limit.max_call_records

    def _pack(self, records: Sequence[Record]) -> PendingEntries[Entry]:
        entries = records if self._aggregator is None else self._aggregator.aggregate(records)
        self._must_repack = False
        self._pending = PendingEntries(entries)
        return self._pending

    def _send_call(self, pending: PendingEntries[Entry], call: Sequence[Entry], size: int) -> list[str]:
        """Send one call and return the error codes of rejected entries."""
        if self._rate_limit is not None:
            self._rate_limit.wait(len(call), size)
        try:
            results = self._put(call)
        except AwsError as error:
            failure = classify_failure(error)
            self._count_retry(call, throttled=failure.throttled, possibly_sent=failure.possibly_sent)
            if failure.throttled and self._rate_limit is not None:
                self._rate_limit.throttled()
            raise
        rejections = self._process_results(pending, call, results)
        if self._rate_limit is not None:
            if any(map(is_throttle, rejections)):
                self._rate_limit.throttled()
            else:
                self._rate_limit.accepted()
        return rejections

    def _process_results(
        self, pending: PendingEntries[Entry], call: Sequence[Entry], results: Sequence[EntryResult]
    ) -> list[str]:
        rejections = []
        in_other_shard: list[tuple[Aggregate[Record], str]] = []
        for entry, result in zip(call, results, strict=True):
            if "ErrorCode" in result:
                rejections.append(str(result["ErrorCode"]))
                pending.mark_failed(entry)
                self._count_retry([entry], throttled=is_throttle(rejections[-1]))
            elif isinstance(entry, Aggregate) and result["ShardId"] != entry.key:
                in_other_shard.append((entry, str(result["ShardId"])))
            else:
                pending.mark_sent(entry)
        self._check_shards(pending, in_other_shard)
        # After repacking, entries have other keys and no failures: the reshards in a row count instead.
        self._reshards = self._reshards + 1 if self._must_repack else 0
        return [*rejections, "the stream was resharded"] if self._must_repack else rejections

    def _check_shards(
        self, pending: PendingEntries[Entry], in_other_shard: Sequence[tuple[Aggregate[Record], str]]
    ) -> None:
        """Keep aggregates pending that arrived in a shard where their records do not belong.

        Raises:
            AwsError: the shards cannot be listed; all these aggregates stay pending.
        """
        try:
            misplaced = [self._is_misplaced(entry, shard) for entry, shard in in_other_shard]
        except AwsError:
            self._count_retry([entry for entry, _ in in_other_shard], possibly_sent=True)
            raise
        for (entry, _), is_misplaced in zip(in_other_shard, misplaced, strict=True):
            if is_misplaced:
                self._count_retry([entry], possibly_sent=True)
                self._must_repack = True
            else:
                pending.mark_sent(entry)

    def _is_misplaced(self, entry: Aggregate[Record], shard: str) -> bool:
        return self._aggregator is not None and self._aggregator.is_misplaced(entry, shard)

    def _count_retry(
        self, entries: Sequence[Entry], *, throttled: bool = False, possibly_sent: bool = False
    ) -> None:
        count = sum(len(_records_of(entry)) for entry in entries)
        self._retried += count
        self._throttled += count if throttled else 0
        self._possibly_duplicated += count if possibly_sent else 0


def _records_of(entry: Entry) -> Sequence[Record]:
    return entry.members if isinstance(entry, Aggregate) else (entry,)
