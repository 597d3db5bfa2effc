"""What the stages, the producer and the commands need from a backend, as Protocols.

Each backend (``local``, ``aws``) implements them. ``tests/contract`` checks that every implementation behaves
the same.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from stockctl.errors import StockctlError
from stockctl.market.alert import Alert
from stockctl.market.quote import EnrichedQuote, PriorQuote, Quote


class Record(NamedTuple):
    """A raw record of the stream. ``origin`` is text for the user: where it comes from."""

    data: bytes
    origin: str
    key: str = ""
    """The symbol, if the sender knows it; empty: it must be read from ``data``."""
    quote: Quote | None = None
    """The quote that ``data`` encodes, if the sender has it, so that ``data`` need not be decoded."""


class Rejection(NamedTuple):
    """A record that is not valid, with the reason."""

    data: bytes
    origin: str
    reason: str

    @property
    def key(self) -> str:
        """The SHA-256 of origin and bytes, so that a second delivery of the same record has the same key."""
        return hashlib.sha256(self.origin.encode(errors="surrogatepass") + b"\0" + self.data).hexdigest()

    @property
    def document(self) -> bytes:
        """The JSON object that a quarantine stores: origin, reason, and the bytes in base64."""
        fields = {
            "origin": self.origin,
            "reason": self.reason,
            "bytes": base64.b64encode(self.data).decode("ascii"),
        }
        return json.dumps(fields).encode("ascii")


class RawObject(NamedTuple):
    """What the archive stores for one quote."""

    symbol: str
    timestamp: str
    body: bytes


class SendResult(NamedTuple):
    """The result of one ``send``, in records."""

    sent: int
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    alerts: Sequence[Alert] = ()
    is_final: bool = True
    """Whether the counts are final. A stream that only forwards records knows ``sent`` alone."""
    retried: int = 0
    """How many records were sent again; each attempt counts."""
    throttled: int = 0
    """How many of those were throttled before."""
    possibly_duplicated: int = 0
    """How many of those got no response the first time and may therefore arrive twice."""


class DeliveryError(StockctlError):
    """A stream did not accept all records.

    Args:
        message: text for the user: what happened and why.
        hint: text for the user: what to do next.
        records: the records that were not accepted, in their order.
        result: the result for the other records.
        retryable: whether a later attempt may succeed (rate limit, no response, full disk) or not (no such
            stream, access denied).
    """

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        records: Sequence[Record] = (),
        result: SendResult | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.records = records
        self.result = SendResult(0) if result is None else result
        self.retryable = retryable


class Archive(Protocol):
    """Raw quotes, one object per quote."""

    def put(self, objects: Sequence[RawObject]) -> None:
        """Write the objects. If one with the same symbol and timestamp exists, that one stays as it is."""


class Quarantine(Protocol):
    """Records that are not valid, with reason and bytes."""

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Store the rejections by their keys; one that exists already stays as it is."""


class QuoteTable(Protocol):
    """Stored quotes by symbol and timestamp."""

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[PriorQuote]]:
        """Return the ``count`` newest quotes of each symbol that has any, oldest first.

        The result includes every completed write.
        """

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[PriorQuote]:
        """Return quotes of a symbol from ``first`` to ``last``, and ``before`` earlier ones, oldest first."""

    def insert(self, quotes: Sequence[EnrichedQuote]) -> None:
        """Store new quotes: all of them, or raise an error."""


class QuoteReader(Protocol):
    """Stored quotes, for the commands that show them."""

    def latest(self, symbols: Collection[str] | None = None) -> Sequence[EnrichedQuote]:
        """Return the newest quote of each symbol, sorted by symbol; None means all symbols."""

    def history(self, symbol: str, *, since: str | None = None, limit: int = 0) -> Sequence[EnrichedQuote]:
        """Return the newest ``limit`` quotes of a symbol since ``since`` (0 = all), oldest first."""


class Claim(NamedTuple):
    """Alerts that were just logged, and those that must still be published.

    An alert must be published if it has no ``not_published`` and is new, or was claimed before and never
    marked.
    """

    logged: Sequence[Alert]
    pending: Sequence[Alert]


class AlertLog(Protocol):
    """All alerts ever raised, each once."""

    def claim(self, alerts: Sequence[Alert]) -> Claim:
        """Log the alerts that are new; one that exists stays as it is."""

    def mark(self, alert_ids: Sequence[str], published_at: str) -> None:
        """Record that the alerts were published."""


class AlertReader(Protocol):
    """The alert log, for the commands that show it."""

    def recent(
        self, *, kinds: Collection[str] = (), since: str | None = None, limit: int = 0
    ) -> Sequence[Alert]:
        """Return the newest ``limit`` alerts created since ``since`` (0 = all), newest first.

        ``kinds`` selects some kinds, without test alerts; empty means all.
        """

    def follow(self, since: str | None = None) -> "AlertTail":
        """Return a tail that starts at ``since``, or after the newest alert."""


class AlertTail(Protocol):
    """A position in the alert log."""

    def read(self) -> Sequence[Alert]:
        """Return the alerts since the last read, oldest first, each one once."""


class Notifier(Protocol):
    """Sends alerts to subscribers."""

    def publish(self, alert: Alert) -> None:
        """Notify the subscribers; return when the message is accepted."""


class Stream(Protocol):
    """Where a producer puts records."""

    batch_records: int
    """The maximum number of records for one ``send``."""

    def send(self, records: Sequence[Record]) -> SendResult:
        """Accept all the records, in order for each symbol, or raise an error.

        Raises:
            DeliveryError: some were not accepted; the error holds these, and whether to try again.
        """

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        """Quarantine records that a source could not read.

        Raises:
            DeliveryError: they cannot be stored now; sending them again is safe.
        """


class SqlResult(NamedTuple):
    """Rows of a SQL query, with JSON values (text, int, float, bool, None)."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class Warehouse(Protocol):
    """Runs SQL on the raw archive, in Athena's dialect, on the one table ``stock_data_table``."""

    @property
    def last_scan(self) -> object | None:
        """Progress and cost of the last query; ``str`` of it is text for the user. None if it was free."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> SqlResult:
        """Run one SELECT; each ``?`` takes a parameter, in order.

        Raises:
            QueryError: the statement is not exactly one query over the table, or it fails.
        """
