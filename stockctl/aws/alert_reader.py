"""The alert log in DynamoDB, as the commands show it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from stockctl.aws.alert_tail import DynamoAlertTail
from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.items import read_alert
from stockctl.aws.query import Range, Table
from stockctl.market.alert import Alert
from stockctl.market.timestamp import format_timestamp, to_datetime

# So many days are looked up one by one in the index; what lies further back, one scan of the log finds.
_DAYS = timedelta(days=14)
# For a clock that is behind the one that dates the alerts.
_AHEAD = timedelta(hours=1)


class DynamoAlertReader:
    """The table of alerts: its index ``by_day``, newest first, and behind that the whole table.

    Args:
        client: of DynamoDB.
        name: of the table.
        clock: tells the present as an aware datetime.
    """

    def __init__(self, client: Client, name: str, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._name = name
        self._index = Table(client, name, index="by_day")
        self._clock = clock

    @explained()
    def recent(
        self, *, kinds: Collection[str] = (), since: str | None = None, limit: int = 0
    ) -> Sequence[Alert]:
        """Return the alerts created from ``since`` on, the newest ``limit`` (0 = all), newest first."""
        horizon = self._clock() - _DAYS
        near = since is not None and to_datetime(since) >= horizon
        if near or limit:
            first = since if since is not None and near else format_timestamp(horizon)
            found = list(islice(_of(kinds, self._by_day(first, limit)), limit or None))
            if near or len(found) == limit:
                return found
        found = sorted(_of(kinds, self._scan(since)), key=_order, reverse=True)
        return found[: limit or None]

    @explained()
    def follow(self, since: str | None = None) -> DynamoAlertTail:
        """Return a tail that begins at ``since``, or after the newest alert."""
        tail = DynamoAlertTail(self.since, self._clock, since)
        if since is None:
            tail.read()
        return tail

    def since(self, moment: str) -> Sequence[Alert]:
        """Return the alerts created from ``moment`` on, oldest first."""
        return self.recent(since=moment)[::-1]

    @explained()
    def count(self) -> int:
        """Return how many alerts are logged; that reads all of them."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._name, Select="COUNT")
        return sum(page["Count"] for page in pages)

    def _by_day(self, first: str, page: int) -> Iterator[Alert]:
        day = (self._clock() + _AHEAD).astimezone(UTC).date()
        while day >= date.fromisoformat(first[:10]):
            within = Range("created_day", day.isoformat(), "created_key", first=first)
            for item in self._index.items(within, newest_first=True, page=page):
                yield read_alert(item)
            day -= timedelta(days=1)

    def _scan(self, since: str | None) -> Iterator[Alert]:
        narrowed: Mapping[str, object] = {} if since is None else {
            "FilterExpression": "created_at >= :since",
            "ExpressionAttributeValues": {":since": {"S": since}},
        }  # fmt: skip
        for page in self._client.get_paginator("scan").paginate(TableName=self._name, **narrowed):
            yield from map(read_alert, page["Items"])


def _of(kinds: Collection[str], alerts: Iterator[Alert]) -> Iterator[Alert]:
    return (alert for alert in alerts if not kinds or (alert.kind in kinds and not alert.is_test))


def _order(alert: Alert) -> tuple[str, str]:
    return alert.created_at, alert.alert_id
