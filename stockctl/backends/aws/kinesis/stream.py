"""The Kinesis stream: sends records so that those of a symbol stay in order."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import classify_failure
from stockctl.backends.aws.kinesis.aggregator import Aggregate, Aggregator
from stockctl.backends.aws.kinesis.send_operation import (
    CALL_RECORDS,
    Entry,
    EntryResult,
    RateLimit,
    RejectedRecords,
    SendOperation,
)
from stockctl.errors import AwsError
from stockctl.market.errors import InvalidQuote
from stockctl.market.quote import MAX_RECORD_BYTES, decode_record
from stockctl.pipeline.ports import DeliveryError, Quarantine, Record, Rejection, SendResult
from stockctl.retry import Backoff

AGGREGATED_RECORDS = 5000
"""Records of one ``send`` with aggregation: enough to fill an aggregate for several shards."""
_SHARD_ID_BYTES = 20
_NAMED_RECORDS = 5


class KinesisDeliveryError(DeliveryError, AwsError):
    """Kinesis did not accept all records."""


class KinesisStream:
    """Puts records into a stream so that those of a symbol stay in order.

    A call holds at most one record of a symbol, and the next one waits until Kinesis has accepted it. A
    rejected record is sent again, and no later record of its symbol overtakes it. With aggregation, the
    same holds for the aggregates of a shard.

    Args:
        client: the client of Kinesis.
        name: the name of the stream.
        quarantine: takes records that a source could not read, or that are too large to send.
        backoff: retries of rejected records.
        rate_limit: limits how fast records are sent; None means no limit.
        aggregator: packs several records into one; None sends each record by itself.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        quarantine: Quarantine,
        backoff: Backoff,
        *,
        rate_limit: RateLimit | None = None,
        aggregator: Aggregator | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._quarantine = quarantine
        self._backoff = backoff
        self._rate_limit = rate_limit
        self._aggregator = aggregator
        self.batch_records = CALL_RECORDS if aggregator is None else AGGREGATED_RECORDS

    def send(self, records: Sequence[Record]) -> SendResult:
        """Send all the records, in order for each symbol, or raise an error.

        Raises:
            KinesisDeliveryError: some were not delivered; the message names the first of each symbol.
        """
        with_keys = [record if record.key else _with_partition_key(record) for record in records]
        fitting: list[Record] = []
        too_large: list[Record] = []
        for record in with_keys:
            (fitting if self._fits(record) else too_large).append(record)
        operation = SendOperation(fitting, self._put, self._backoff, self._rate_limit, self._aggregator)
        try:
            if too_large:
                self._put_into_quarantine([_too_large(record) for record in too_large])
            operation.run()
        except AwsError as error:
            undelivered = operation.undelivered() if operation.started else with_keys
            raise KinesisDeliveryError(
                f"{len(undelivered)} of {len(records)} quotes were not delivered to the stream {self._name}: "
                f"{_describe(undelivered)}. {error.message}",
                error.hint,
                records=undelivered,
                result=operation.result(len(records) - len(undelivered)),
                retryable=isinstance(error, RejectedRecords) or classify_failure(error).retryable,
            ) from error.__cause__
        return operation.result(len(records), len(too_large))

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        """Put records that a source could not read into the quarantine.

        Raises:
            KinesisDeliveryError: the quarantine cannot be written at present.
        """
        try:
            self._put_into_quarantine(rejections)
        except AwsError as error:
            retryable = classify_failure(error).retryable
            raise KinesisDeliveryError(error.message, error.hint, retryable=retryable) from error.__cause__

    def _fits(self, record: Record) -> bool:
        # A record that is too large for an aggregate is sent by itself, with the shard id as its key.
        key_bytes = max(len(record.key), 0 if self._aggregator is None else _SHARD_ID_BYTES)
        return len(record.data) + key_bytes <= MAX_RECORD_BYTES

    @translate_errors()
    def _put_into_quarantine(self, rejections: Sequence[Rejection]) -> None:
        self._quarantine.put(rejections)

    @translate_errors()
    def _put(self, call: Sequence[Entry]) -> Sequence[EntryResult]:
        response = self._client.put_records(
            StreamName=self._name, Records=[_parameters(entry) for entry in call]
        )
        results: Sequence[EntryResult] = response["Records"]
        return results


def _with_partition_key(record: Record) -> Record:
    """Return the record with its symbol as key; a record without a quote gets a key of its own."""
    try:
        return record._replace(key=decode_record(record.data).quote.symbol)
    except InvalidQuote:
        return record._replace(key=sha256(record.data).hexdigest())


def _parameters(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Aggregate):
        return {"Data": entry.data, "PartitionKey": entry.key, "ExplicitHashKey": entry.hash_key}
    return {"Data": entry.data, "PartitionKey": entry.key}


def _too_large(record: Record) -> Rejection:
    return Rejection(
        record.data, record.origin, f"record of {len(record.data)} bytes is larger than Kinesis takes"
    )


def _describe(records: Sequence[Record]) -> str:
    """Return the first record of a few partition keys, as text for the user."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.key, record)
    others = len(first) - _NAMED_RECORDS
    rest = f" and {others} more symbols" if others > 0 else ""
    return ", ".join(_name(record) for record in list(first.values())[:_NAMED_RECORDS]) + rest


def _name(record: Record) -> str:
    try:
        quote = decode_record(record.data).quote
    except InvalidQuote:
        return f"record {record.key[:12]}..."
    return f"{quote.symbol} {quote.timestamp}"
