"""The way into a Kinesis stream."""

from collections.abc import Sequence

from stockctl.aws.backoff import Backoff
from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.waiting import Entry, Waiting, calls, entry_of
from stockctl.errors import AwsError
from stockctl.market.quote import MAX_RECORD_BYTES
from stockctl.pipeline.ports import Quarantine, Receipt, Record, Rejection

CALL_RECORDS = 500
CALL_BYTES = 5 << 20
"""What one PutRecords call takes; partition keys count."""


class KinesisStream:
    """Puts records into a stream so that those of a symbol stay in order.

    A call holds one record of a symbol at most, and the next one waits until Kinesis has taken the last:
    records that fail are sent again alone, and nothing of their symbol overtakes them.

    Args:
        client: of Kinesis.
        name: of the stream.
        quarantine: where records go that a source could not read, or that are too large to be sent.
        backoff: how often a record that Kinesis does not take is sent again.
    """

    def __init__(self, client: Client, name: str, quarantine: Quarantine, backoff: Backoff) -> None:
        self._client = client
        self._name = name
        self._quarantine = quarantine
        self._backoff = backoff

    def send(self, records: Sequence[Record]) -> Receipt:
        """Take the records, in order for each symbol; all of them, or raise.

        Raises:
            AwsError: some were not delivered; the message names the first of each symbol.
        """
        entries = [entry_of(record.data) for record in records]
        fitting = [entry for entry in entries if entry.size <= MAX_RECORD_BYTES]
        if len(fitting) < len(entries):
            self.refuse(_too_large(records, entries))
        waiting = Waiting(fitting)
        try:
            self._deliver(waiting)
        except AwsError as error:
            raise AwsError(
                f"{len(waiting)} of {len(records)} quotes were not delivered to the stream {self._name}: "
                f"{waiting.names()}. {error.message}",
                error.hint,
            ) from error
        return Receipt(len(records), quarantined=len(entries) - len(fitting), kept_here=False)

    @explained()
    def refuse(self, rejections: Sequence[Rejection]) -> None:
        """Quarantine what a source could not read."""
        self._quarantine.put(rejections)

    def _deliver(self, waiting: Waiting) -> None:
        while waiting:
            refusals = [
                code
                for call in calls(waiting.heads(), CALL_RECORDS, CALL_BYTES)
                for code in self._put(call, waiting)
            ]
            if refusals and not self._backoff.pause(waiting.tries):
                raise AwsError(
                    f"Kinesis did not take them in {waiting.tries} tries ({refusals[0]}).",
                    "A shard takes 1,000 records or 1 MB a second: raise stream.shards, or send more slowly. "
                    "Sending everything again is safe: what has arrived counts once.",
                )

    @explained()
    def _put(self, call: Sequence[Entry], waiting: Waiting) -> list[str]:
        """Send one call and return the codes of the records that failed in it."""
        answer = self._client.put_records(
            StreamName=self._name,
            Records=[{"Data": entry.data, "PartitionKey": entry.key} for entry in call],
        )
        refusals = []
        for entry, result in zip(call, answer["Records"], strict=True):
            if "ErrorCode" in result:
                refusals.append(str(result["ErrorCode"]))
                waiting.failed(entry)
            else:
                waiting.taken(entry)
        return refusals


def _too_large(records: Sequence[Record], entries: Sequence[Entry]) -> list[Rejection]:
    return [
        Rejection(
            record.data, record.origin, f"record of {len(record.data)} bytes is larger than Kinesis takes"
        )
        for record, entry in zip(records, entries, strict=True)
        if entry.size > MAX_RECORD_BYTES
    ]
