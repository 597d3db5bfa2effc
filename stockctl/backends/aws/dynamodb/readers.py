"""Reads stored quotes and alerts from DynamoDB for the command line."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.dynamodb.items import read_alert, read_quote
from stockctl.backends.aws.dynamodb.partitions import KeyRange, PartitionedTable
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.parallel import Parallel
from stockctl.market.alert import Alert
from stockctl.market.quote import EnrichedQuote
from stockctl.market.timestamp import format_timestamp, to_datetime

_AFTER_ALL_TIMESTAMPS = "~"
# An alert is written to the log shortly after its ``created_at``, and is visible in the index a bit later.
_OVERLAP = timedelta(minutes=1)
# No alert is written this long after its ``created_at``: the trend function may not take that long.
_MAX_DELAY = timedelta(hours=1)
# The alerts of this number of days are read day by day from the index; older ones need a scan of the table.
_INDEXED_PERIOD = timedelta(days=14)
# The time by which this computer's clock may be behind the clock that dates the alerts.
_CLOCK_TOLERANCE = timedelta(hours=1)


class DynamoQuoteReader:
    """Reads the table of quotes.

    Args:
        client: the client of DynamoDB.
        name: the name of the table.
        parallel: thread pool to read several symbols at once.
    """

    def __init__(self, client: Client, name: str, parallel: Parallel) -> None:
        self._client = client
        self._name = name
        self._table = PartitionedTable(client, name)
        self._parallel = parallel

    @translate_errors()
    def latest(self, symbols: Collection[str] | None = None) -> Sequence[EnrichedQuote]:
        """Return the newest quote of each symbol (of all symbols without ``symbols``), by symbol."""
        ordered = sorted(self._symbols() if symbols is None else set(symbols))
        newest = self._parallel.map(lambda symbol: self._newest(symbol, 1), ordered)
        return [quote for quotes in newest for quote in quotes]

    @translate_errors()
    def history(self, symbol: str, *, since: str | None = None, limit: int = 0) -> Sequence[EnrichedQuote]:
        """Return the symbol's quotes from ``since`` on, the newest ``limit`` (0 = all), oldest first."""
        return self._newest(symbol, limit, since)

    def _newest(self, symbol: str, limit: int, since: str | None = None) -> list[EnrichedQuote]:
        keys = KeyRange("symbol", symbol, "timestamp", first=since)
        items = self._table.items(keys, newest_first=True, page=limit)
        return [read_quote(item) for item in islice(items, limit or None)][::-1]

    def _symbols(self) -> Iterator[str]:
        """Yield each symbol: a scan that jumps from one partition to the next, with one small read each."""
        start: dict[str, object] = {}
        while True:
            response = self._client.scan(
                TableName=self._name,
                Limit=1,
                ProjectionExpression="#symbol",
                ExpressionAttributeNames={"#symbol": "symbol"},
                **start,
            )
            if not response["Items"]:
                return
            symbol = response["Items"][0]["symbol"]
            yield symbol["S"]
            start = {"ExclusiveStartKey": {"symbol": symbol, "timestamp": {"S": _AFTER_ALL_TIMESTAMPS}}}


class DynamoAlertTail:
    """Returns new alerts; reads from a minute before the newest one, and skips those it has returned.

    Args:
        read_since: returns the alerts created from a timestamp on, oldest first.
        clock: returns the current time as an aware datetime.
        since: the timestamp to read from; None means an hour ago, in case clocks differ.
    """

    def __init__(
        self,
        read_since: Callable[[str], Sequence[Alert]],
        clock: Callable[[], datetime],
        since: str | None,
    ) -> None:
        self._read_since = read_since
        self._clock = clock
        self._since = since or self._earliest()
        self._seen: dict[str, str] = {}

    @translate_errors()
    def read(self) -> Sequence[Alert]:
        """Return the alerts since the last read, oldest first, each one once."""
        new = [alert for alert in self._read_since(self._since) if alert.alert_id not in self._seen]
        self._seen.update((alert.alert_id, alert.created_at) for alert in new)
        self._advance()
        return new

    def _advance(self) -> None:
        self._since = max(self._since, self._earliest())
        if self._seen:
            newest = to_datetime(max(self._seen.values()))
            self._since = max(self._since, format_timestamp(newest - _OVERLAP))
        self._seen = {alert_id: time for alert_id, time in self._seen.items() if time >= self._since}

    def _earliest(self) -> str:
        return format_timestamp(self._clock() - _MAX_DELAY)


class DynamoAlertReader:
    """Reads the table of alerts: recent ones from its index ``by_day``, older ones with a scan.

    Args:
        client: the client of DynamoDB.
        name: the name of the table.
        clock: returns the current time as an aware datetime.
    """

    def __init__(self, client: Client, name: str, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._name = name
        self._index = PartitionedTable(client, name, index="by_day")
        self._clock = clock

    @translate_errors()
    def recent(
        self, *, kinds: Collection[str] = (), since: str | None = None, limit: int = 0
    ) -> Sequence[Alert]:
        """Return the alerts created from ``since`` on, the newest ``limit`` (0 = all), newest first."""
        indexed_from = self._clock() - _INDEXED_PERIOD
        is_indexed = since is not None and to_datetime(since) >= indexed_from
        if is_indexed or limit:
            first = since if since is not None and is_indexed else format_timestamp(indexed_from)
            alerts = list(islice(_of_kinds(kinds, self._by_day(first, limit)), limit or None))
            if is_indexed or len(alerts) == limit:
                return alerts
        alerts = sorted(_of_kinds(kinds, self._scan(since)), key=_sort_key, reverse=True)
        return alerts[: limit or None]

    @translate_errors()
    def follow(self, since: str | None = None) -> DynamoAlertTail:
        """Return a tail that starts at ``since``, or after the newest alert."""
        tail = DynamoAlertTail(self.since, self._clock, since)
        if since is None:
            tail.read()
        return tail

    def since(self, timestamp: str) -> Sequence[Alert]:
        """Return the alerts created from ``timestamp`` on, oldest first."""
        return self.recent(since=timestamp)[::-1]

    @translate_errors()
    def count(self) -> int:
        """Return the number of alerts; this reads all of them."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._name, Select="COUNT")
        return sum(page["Count"] for page in pages)

    def _by_day(self, first: str, page: int) -> Iterator[Alert]:
        day = (self._clock() + _CLOCK_TOLERANCE).astimezone(UTC).date()
        while day >= date.fromisoformat(first[:10]):
            keys = KeyRange("created_day", day.isoformat(), "created_key", first=first)
            for item in self._index.items(keys, newest_first=True, page=page):
                yield read_alert(item)
            day -= timedelta(days=1)

    def _scan(self, since: str | None) -> Iterator[Alert]:
        filters: Mapping[str, object] = {} if since is None else {
            "FilterExpression": "created_at >= :since",
            "ExpressionAttributeValues": {":since": {"S": since}},
        }  # fmt: skip
        for page in self._client.get_paginator("scan").paginate(TableName=self._name, **filters):
            yield from map(read_alert, page["Items"])


def _of_kinds(kinds: Collection[str], alerts: Iterator[Alert]) -> Iterator[Alert]:
    return (alert for alert in alerts if not kinds or (alert.kind in kinds and not alert.is_test))


def _sort_key(alert: Alert) -> tuple[str, str]:
    return alert.created_at, alert.alert_id
