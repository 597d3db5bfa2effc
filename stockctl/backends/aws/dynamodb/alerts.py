"""The DynamoDB alert log: claims, listing, tail."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.dynamodb.items import alert_item, read_alert
from stockctl.backends.aws.dynamodb.quotes import Range, Table
from stockctl.backends.aws.errors import error_code, translate_errors
from stockctl.backends.aws.parallel import Parallel
from stockctl.market.alert import Alert
from stockctl.market.timestamp import format_timestamp, to_datetime
from stockctl.pipeline.ports import Claim


class _Entry(NamedTuple):
    """An alert as it stands in the log, and whether it was put there just now."""

    alert: Alert
    new: bool


class DynamoAlertLog:
    """The table of alerts: partition key ``alert_id``.

    Args:
        client: of DynamoDB.
        name: of the table.
        parallel: the crew that writes several alerts at once.
    """

    def __init__(self, client: Client, name: str, parallel: Parallel) -> None:
        self._client = client
        self._name = name
        self._parallel = parallel

    def claim(self, alerts: Sequence[Alert]) -> Claim:
        """Log the alerts that are not there yet."""
        first: dict[str, Alert] = {}
        for alert in alerts:
            first.setdefault(alert.alert_id, alert)
        entries = self._parallel.map(self._log, list(first.values()))
        return Claim(
            [alert for alert, new in entries if new],
            [alert for alert, _ in entries if alert.published_at is None and alert.not_published is None],
        )

    def mark(self, alert_ids: Sequence[str], published_at: str) -> None:
        """Note that the alerts were published."""

        def update(alert_id: str) -> None:
            self._client.update_item(
                TableName=self._name,
                Key={"alert_id": {"S": alert_id}},
                UpdateExpression="SET published_at = :moment",
                ConditionExpression="attribute_exists(alert_id)",
                ExpressionAttributeValues={":moment": {"S": published_at}},
            )

        self._parallel.map(update, alert_ids)

    def _log(self, alert: Alert) -> _Entry:
        try:
            self._client.put_item(
                TableName=self._name,
                Item=alert_item(alert),
                ConditionExpression="attribute_not_exists(alert_id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            answer: Mapping[str, Any] = error.response
            return _Entry(read_alert(answer["Item"]), new=False)
        return _Entry(alert, new=True)


# An alert is logged a moment after the time it bears, and the index shows it a moment after that.
_OVERLAP = timedelta(minutes=1)
# Far longer than the trend stage may take: no alert is logged so long after the time it bears.
_SETTLED = timedelta(hours=1)


class DynamoAlertTail:
    """Reads from a minute before the newest alert it knows, and leaves out those it has met.

    Args:
        read_since: returns the alerts created from a moment on, oldest first.
        clock: tells the present as an aware datetime.
        since: the first moment to read from; None means an hour ago, far enough for clocks that differ.
    """

    def __init__(
        self,
        read_since: Callable[[str], Sequence[Alert]],
        clock: Callable[[], datetime],
        since: str | None,
    ) -> None:
        self._read_since = read_since
        self._clock = clock
        self._since = since or self._settled()
        self._seen: dict[str, str] = {}

    @translate_errors()
    def read(self) -> Sequence[Alert]:
        """Return what came since the last read, oldest first, each alert once."""
        found = [alert for alert in self._read_since(self._since) if alert.alert_id not in self._seen]
        self._seen.update((alert.alert_id, alert.created_at) for alert in found)
        self._move_on()
        return found

    def _move_on(self) -> None:
        self._since = max(self._since, self._settled())
        if self._seen:
            newest = to_datetime(max(self._seen.values()))
            self._since = max(self._since, format_timestamp(newest - _OVERLAP))
        self._seen = {alert_id: moment for alert_id, moment in self._seen.items() if moment >= self._since}

    def _settled(self) -> str:
        return format_timestamp(self._clock() - _SETTLED)


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

    @translate_errors()
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

    @translate_errors()
    def follow(self, since: str | None = None) -> DynamoAlertTail:
        """Return a tail that begins at ``since``, or after the newest alert."""
        tail = DynamoAlertTail(self.since, self._clock, since)
        if since is None:
            tail.read()
        return tail

    def since(self, moment: str) -> Sequence[Alert]:
        """Return the alerts created from ``moment`` on, oldest first."""
        return self.recent(since=moment)[::-1]

    @translate_errors()
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
