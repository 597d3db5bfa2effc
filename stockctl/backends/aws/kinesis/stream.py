"""Puts records to Kinesis, in order for each symbol, with retries."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Generic, Protocol, TypeVar

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import classify_failure, is_throttle
from stockctl.backends.aws.kinesis.aggregator import Aggregate, Aggregator
from stockctl.errors import AwsError
from stockctl.market.quote import MAX_RECORD_BYTES, decode_record
from stockctl.market.validation import InvalidQuote
from stockctl.pipeline.ports import DeliveryError, Quarantine, Record, Rejection, SendResult
from stockctl.retry import Backoff

_NAMED = 5


class PartitionedEntry(Protocol):
    """What Kinesis takes as one record: its bytes, and the partition key, which those in order share."""

    @property
    def data(self) -> bytes:
        """The bytes."""

    @property
    def key(self) -> str:
        """The partition key."""


E = TypeVar("E", bound=PartitionedEntry)


def with_partition_key(record: Record) -> Record:
    """Return ``record`` with its symbol as its key; what holds no quote gets a key of its own."""
    if record.key:
        return record
    try:
        return record._replace(key=decode_record(record.data).quote.symbol)
    except InvalidQuote:
        return record._replace(key=sha256(record.data).hexdigest())


class PendingEntries(Generic[E]):
    """Entries in lanes, one a key; only the first of a lane may be sent."""

    def __init__(self, entries: Sequence[E]) -> None:
        self._heads: dict[str, E] = {}
        self._behind: dict[str, deque[E]] = {}
        self._tries: dict[str, int] = {}
        for entry in entries:
            if entry.key in self._heads:
                self._behind.setdefault(entry.key, deque()).append(entry)
            else:
                self._heads[entry.key] = entry

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._heads)

    def heads(self) -> list[E]:
        """Return the first entry of each lane."""
        return list(self._heads.values())

    def all(self) -> Iterator[E]:
        """Yield what waits, lane by lane."""
        for key, head in self._heads.items():
            yield head
            yield from self._behind.get(key, ())

    def taken(self, head: E) -> None:
        """Let the next one of its lane come forward."""
        key = head.key
        if self._tries:
            self._tries.pop(key, None)
        lane = self._behind.get(key)
        if lane is None:
            del self._heads[key]
            return
        self._heads[key] = lane.popleft()
        if not lane:
            del self._behind[key]

    def failed(self, head: E) -> None:
        """Count a try in vain; the entry stays at the head of its lane."""
        self._tries[head.key] = self._tries.get(head.key, 0) + 1

    @property
    def tries(self) -> int:
        """How often the most unlucky of the heads was tried in vain."""
        return max(self._tries.values(), default=0)


def describe_symbols(records: Sequence[Record]) -> str:
    """Return the first of the records of each key, a few of them, for a person."""
    firsts: dict[str, Record] = {}
    for record in records:
        firsts.setdefault(record.key, record)
    rest = f" and {len(firsts) - _NAMED} more symbols" if len(firsts) > _NAMED else ""
    return ", ".join(_name(record) for record in list(firsts.values())[:_NAMED]) + rest


def _name(record: Record) -> str:
    try:
        quote = decode_record(record.data).quote
    except InvalidQuote:
        return f"record {record.key[:12]}..."
    return f"{quote.symbol} {quote.timestamp}"


def split_into_calls(entries: Sequence[E], most: int, most_bytes: int) -> Iterator[tuple[Sequence[E], int]]:
    """Cut entries into calls of ``most`` entries and ``most_bytes`` bytes at most, each with its bytes."""
    call: list[E] = []
    size = 0
    for entry in entries:
        bytes_of_entry = len(entry.data) + len(entry.key)
        if call and (len(call) == most or size + bytes_of_entry > most_bytes):
            yield call, size
            call, size = [], 0
        call.append(entry)
        size += bytes_of_entry
    if call:
        yield call, size


CALL_RECORDS = 500
CALL_BYTES = 5 << 20
"""What one PutRecords call takes; partition keys count."""
SHARD_ID_BYTES = 20
"""The longest partition key of an aggregate."""
AGGREGATED_RECORDS = 5000
"""What goes into one ``send`` when it is packed: enough to fill an aggregate for some shards."""

Entry = Record | Aggregate[Record]
"""What Kinesis sees as one record."""


Result = Mapping[str, object]
"""What Kinesis answers of one record."""


class KinesisDeliveryError(DeliveryError, AwsError):
    """Kinesis did not take all records."""


class RateLimit(Protocol):
    """How fast records may go."""

    @property
    def most(self) -> int:
        """How many records one call should hold at most."""

    def wait(self, records: int, size: int) -> None:
        """Wait until a call of so many records and bytes may go."""

    def throttled(self) -> None:
        """Note that the stream took less than was sent."""

    def accepted(self) -> None:
        """Note that a call was taken whole."""


class KinesisStream:
    """Puts records into a stream so that those of a symbol stay in order.

    A call holds one record of a symbol at most, and the next one waits until Kinesis has taken the last:
    records that fail are sent again alone, and nothing of their symbol overtakes them. Aggregated, the
    same holds for the aggregates of a shard.

    Args:
        client: of Kinesis.
        name: of the stream.
        quarantine: where records go that a source could not read, or that are too large to be sent.
        backoff: how often a record that Kinesis does not take is sent again.
        pace: how fast records may go; None: as fast as they come.
        aggregator: packs records before they are sent; None: each goes as it is.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        quarantine: Quarantine,
        backoff: Backoff,
        *,
        pace: RateLimit | None = None,
        aggregator: Aggregator | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._quarantine = quarantine
        self._backoff = backoff
        self._pace = pace
        self._aggregator = aggregator
        self.batch_records = CALL_RECORDS if aggregator is None else AGGREGATED_RECORDS

    def send(self, records: Sequence[Record]) -> SendResult:
        """Take the records, in order for each symbol; all of them, or raise.

        Raises:
            KinesisDeliveryError: some were not delivered; the message names the first of each symbol.
        """
        with_keys = [record if record.key else with_partition_key(record) for record in records]
        fitting: list[Record] = []
        too_large: list[Record] = []
        for record in with_keys:
            (fitting if self._fits(record) else too_large).append(record)
        sending = _SendOperation(fitting, self._put, self._backoff, self._pace, self._aggregator)
        try:
            if too_large:
                self._put_aside([_too_large(record) for record in too_large])
            sending.run()
        except AwsError as error:
            left = sending.left() if sending.begun else with_keys
            raise KinesisDeliveryError(
                f"{len(left)} of {len(records)} quotes were not delivered to the stream {self._name}: "
                f"{describe_symbols(left)}. {error.message}",
                error.hint,
                records=left,
                result=sending.receipt(len(records) - len(left)),
                retryable=isinstance(error, _RejectedEntry) or classify_failure(error).retryable,
            ) from error.__cause__
        return sending.receipt(len(records), len(too_large))

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        """Quarantine what a source could not read.

        Raises:
            KinesisDeliveryError: the quarantine takes nothing now.
        """
        try:
            self._put_aside(rejections)
        except AwsError as error:
            retryable = classify_failure(error).retryable
            raise KinesisDeliveryError(error.message, error.hint, retryable=retryable) from error.__cause__

    def _fits(self, record: Record) -> bool:
        # What is too large to be packed goes alone, under the key of its shard.
        key_bytes = max(len(record.key), 0 if self._aggregator is None else SHARD_ID_BYTES)
        return len(record.data) + key_bytes <= MAX_RECORD_BYTES

    @translate_errors()
    def _put_aside(self, rejections: Sequence[Rejection]) -> None:
        self._quarantine.put(rejections)

    @translate_errors()
    def _put(self, call: Sequence[Entry]) -> Sequence[Result]:
        answer = self._client.put_records(StreamName=self._name, Records=[_parameters(each) for each in call])
        results: Sequence[Result] = answer["Records"]
        return results


class _RejectedEntry(AwsError):
    """Kinesis answered, and did not take the same records again and again."""


class _SendOperation:
    """One ``send``: what waits, what happened, and the tries."""

    def __init__(
        self,
        records: Sequence[Record],
        put: Callable[[Sequence[Entry]], Sequence[Result]],
        backoff: Backoff,
        pace: RateLimit | None,
        aggregator: Aggregator | None,
    ) -> None:
        self.begun = False
        """Whether ``left`` knows what is to be sent."""
        self._records = records
        self._put = put
        self._backoff = backoff
        self._pace = pace
        self._aggregator = aggregator
        self._waiting: PendingEntries[Entry] = PendingEntries(())
        self._misplaced = False
        self._moves = 0
        self._retried = self._throttled = self._uncertain = 0

    def run(self) -> None:
        """Send until nothing waits.

        Raises:
            AwsError: a call failed, or records were refused too often.
        """
        self._pack(self._records)
        self.begun = True
        while self._waiting:
            refusals: list[str] = []
            for call, size in split_into_calls(self._waiting.heads(), self._most(), CALL_BYTES):
                refusals += self._call(call, size)
                if self._misplaced:
                    self._pack(self.left())
                    break
            tries = max(self._waiting.tries, self._moves)
            if refusals and not self._backoff.pause(tries):
                raise _RejectedEntry(
                    f"Kinesis did not take them in {tries} tries ({refusals[0]}).",
                    "A shard takes 1,000 records or 1 MB a second: raise stream.shards, or send more slowly. "
                    "Sending everything again is safe: what has arrived counts once.",
                )

    def left(self) -> list[Record]:
        """Return what was not taken, in the order in which it came."""
        members = {id(member) for entry in self._waiting.all() for member in _members(entry)}
        return [record for record in self._records if id(record) in members]

    def receipt(self, sent: int, quarantined: int = 0) -> SendResult:
        """Return what became of it."""
        counts = (self._retried, self._throttled, self._uncertain)
        return SendResult(sent, 0, 0, quarantined, (), False, *counts)

    def _most(self) -> int:
        return CALL_RECORDS if self._pace is None else self._pace.most

    def _pack(self, records: Sequence[Record]) -> None:
        self._misplaced = False
        self._waiting = PendingEntries(
            records if self._aggregator is None else self._aggregator.entries(records)
        )

    def _call(self, call: Sequence[Entry], size: int) -> list[str]:
        """Send one call and return the codes of the records that failed in it."""
        if self._pace is not None:
            self._pace.wait(len(call), size)
        try:
            results = self._put(call)
        except AwsError as error:
            throttled, uncertain = classify_failure(error)[1:]
            self._again(call, throttled=throttled, uncertain=uncertain)
            if throttled and self._pace is not None:
                self._pace.throttled()
            raise
        refusals = self._sort(call, results)
        if self._pace is not None:
            tell = self._pace.throttled if any(map(is_throttle, refusals)) else self._pace.accepted
            tell()
        return refusals

    def _sort(self, call: Sequence[Entry], results: Sequence[Result]) -> list[str]:
        refusals = []
        landed: list[tuple[Aggregate[Record], str]] = []
        for entry, result in zip(call, results, strict=True):
            if "ErrorCode" in result:
                refusals.append(str(result["ErrorCode"]))
                self._waiting.failed(entry)
                self._again([entry], throttled=is_throttle(refusals[-1]))
            elif isinstance(entry, Aggregate) and result["ShardId"] != entry.key:
                landed.append((entry, str(result["ShardId"])))
            else:
                self._waiting.taken(entry)
        self._look_after(landed)
        # Packed anew, what was misplaced has other keys and no tries of its own.
        self._moves = self._moves + 1 if self._misplaced else 0
        return [*refusals, "the stream was resharded"] if self._misplaced else refusals

    def _look_after(self, landed: Sequence[tuple[Aggregate[Record], str]]) -> None:
        """Send again what landed in a shard that it is not for.

        Raises:
            AwsError: the shards cannot be listed; then all of it counts as perhaps twice, and waits.
        """
        try:
            placed = [self._is_placed(entry, shard) for entry, shard in landed]
        except AwsError:
            self._again([entry for entry, _ in landed], uncertain=True)
            raise
        for (entry, _), well in zip(landed, placed, strict=True):
            if well:
                self._waiting.taken(entry)
            else:
                self._again([entry], uncertain=True)
                self._misplaced = True

    def _is_placed(self, entry: Aggregate[Record], shard: str) -> bool:
        return self._aggregator is None or not self._aggregator.misplaced(entry, shard)

    def _again(self, call: Sequence[Entry], *, throttled: bool = False, uncertain: bool = False) -> None:
        count = sum(len(_members(entry)) for entry in call)
        self._retried += count
        self._throttled += count if throttled else 0
        self._uncertain += count if uncertain else 0


def _parameters(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Aggregate):
        return {"Data": entry.data, "PartitionKey": entry.key, "ExplicitHashKey": entry.hash_key}
    return {"Data": entry.data, "PartitionKey": entry.key}


def _members(entry: Entry) -> Sequence[Record]:
    return entry.members if isinstance(entry, Aggregate) else (entry,)


def _too_large(record: Record) -> Rejection:
    return Rejection(
        record.data, record.origin, f"record of {len(record.data)} bytes is larger than Kinesis takes"
    )
