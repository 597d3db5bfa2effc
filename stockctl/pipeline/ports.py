"""What the stages, the producer and the commands need of a backend, as Protocols.

Each backend (``local``, ``aws``) implements them; ``tests/contract`` holds every implementation to
the same promises.
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
    """A raw record of the stream, and where it comes from (for a person who looks for it)."""

    data: bytes
    origin: str
    key: str = ""
    """The symbol, if the sender knows it; empty: it must be read from ``data``."""
    quote: Quote | None = None
    """The quote that was encoded as ``data``, if the sender still has it: then nobody needs to decode it."""


class Rejection(NamedTuple):
    """A record that cannot be read, with the reason."""

    data: bytes
    origin: str
    reason: str

    @property
    def key(self) -> str:
        """The SHA-256 of origin and bytes: a second delivery of the same record has the same key."""
        return hashlib.sha256(self.origin.encode(errors="surrogatepass") + b"\0" + self.data).hexdigest()

    @property
    def document(self) -> bytes:
        """What a quarantine keeps: a JSON object of origin, reason and the bytes in base64."""
        fields = {
            "origin": self.origin,
            "reason": self.reason,
            "bytes": base64.b64encode(self.data).decode("ascii"),
        }
        return json.dumps(fields).encode("ascii")


class RawObject(NamedTuple):
    """What the archive keeps of one quote."""

    symbol: str
    timestamp: str
    body: bytes


class SendResult(NamedTuple):
    """What became of the records of one ``send``."""

    sent: int
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    alerts: Sequence[Alert] = ()
    is_final: bool = True
    """Whether the counts are final; a stream that hands records on knows ``sent`` alone."""
    retried: int = 0
    """How many records were sent again; each attempt counts."""
    throttled: int = 0
    """How many of those had been refused by a rate limit."""
    possibly_duplicated: int = 0
    """How many of those had got no answer before, so that they may arrive twice."""


class DeliveryError(StockctlError):
    """A stream did not accept all records.

    Args:
        message: what happened and why.
        hint: what to do next.
        records: those that were not accepted, in their order.
        result: what became of the others.
        retryable: whether to try again later (rate limit, no answer, full disk) or not (no such stream,
            access denied).
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
    """Raw quotes, one object each."""

    def put(self, objects: Sequence[RawObject]) -> None:
        """Write the objects. One whose symbol and timestamp are there already stays as it is."""


class Quarantine(Protocol):
    """Records that could not be read, with reason and bytes."""

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Keep the rejections, each under its key; one that is there already stays as it is."""


class QuoteTable(Protocol):
    """Stored quotes by symbol and timestamp."""

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[PriorQuote]]:
        """Return, for each symbol that has any, its ``count`` newest quotes, oldest first.

        Every write that has ended is seen.
        """

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[PriorQuote]:
        """Return the symbol's quotes from ``first`` to ``last`` and ``before`` more ahead, oldest first."""

    def insert(self, quotes: Sequence[EnrichedQuote]) -> None:
        """Write quotes that are not there yet; all of them, or raise."""


class QuoteReader(Protocol):
    """Stored quotes, as the commands show them."""

    def latest(self, symbols: Collection[str] | None = None) -> Sequence[EnrichedQuote]:
        """Return the newest quote of each symbol (of all symbols without ``symbols``), by symbol."""

    def history(self, symbol: str, *, since: str | None = None, limit: int = 0) -> Sequence[EnrichedQuote]:
        """Return the symbol's quotes from ``since`` on, the newest ``limit`` (0 = all), oldest first."""


class Claim(NamedTuple):
    """Alerts that were logged just now, and those that are still to be published.

    To be published is an alert without ``not_published`` that is new, or was claimed before and never
    marked.
    """

    logged: Sequence[Alert]
    pending: Sequence[Alert]


class AlertLog(Protocol):
    """Every alert that was ever raised, once."""

    def claim(self, alerts: Sequence[Alert]) -> Claim:
        """Log the alerts that are not there yet; one that is there stays as it is."""

    def mark(self, alert_ids: Sequence[str], published_at: str) -> None:
        """Note that the alerts were published."""


class AlertReader(Protocol):
    """The alert log, as the commands show it."""

    def recent(
        self, *, kinds: Collection[str] = (), since: str | None = None, limit: int = 0
    ) -> Sequence[Alert]:
        """Return the alerts created from ``since`` on, the newest ``limit`` (0 = all), newest first.

        ``kinds`` narrows them to some kinds, of which a test alert is none; empty means all.
        """

    def follow(self, since: str | None = None) -> "AlertTail":
        """Return a tail that begins at ``since``, or after the newest alert."""


class AlertTail(Protocol):
    """A place in the alert log."""

    def read(self) -> Sequence[Alert]:
        """Return what came since the last read, oldest first, each alert once."""


class Notifier(Protocol):
    """The way to people."""

    def publish(self, alert: Alert) -> None:
        """Tell the subscribers; return when the message is accepted."""


class Stream(Protocol):
    """Where a producer puts records."""

    batch_records: int
    """How many records one ``send`` should hold at most."""

    def send(self, records: Sequence[Record]) -> SendResult:
        """Take the records, in order for each symbol; all of them, or raise.

        Raises:
            DeliveryError: some were not taken; it names them and tells whether to try again.
        """

    def refuse(self, rejections: Sequence[Rejection]) -> None:
        """Quarantine what a source could not read.

        Raises:
            DeliveryError: none can be kept now; the same again is safe.
        """


class SqlResult(NamedTuple):
    """Rows of a SQL query, values as JSON knows them (text, int, float, bool, None)."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class Warehouse(Protocol):
    """SQL over the raw archive, in Athena's dialect, on the one table ``stock_data_table``."""

    @property
    def last_scan(self) -> object | None:
        """What the last query read and what that costs, as text for a person; None where it is free."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> SqlResult:
        """Run one SELECT; each ``?`` takes a parameter.

        Raises:
            QueryError: the statement is not exactly one query over the table, or it fails.
        """
