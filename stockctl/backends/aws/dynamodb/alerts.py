"""The DynamoDB alert log, as the trend stage uses it: each alert is logged once, then marked as published."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.dynamodb.items import alert_item, read_alert
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.parallel import Parallel
from stockctl.market.alert import Alert
from stockctl.pipeline.ports import Claim


class _Entry(NamedTuple):
    """An alert of the log, and whether it was added just now."""

    alert: Alert
    new: bool


class DynamoAlertLog:
    """The table of alerts: partition key ``alert_id``.

    Args:
        client: the client of DynamoDB.
        name: the name of the table.
        parallel: thread pool to write several alerts at once.
    """

    def __init__(self, client: Client, name: str, parallel: Parallel) -> None:
        self._client = client
        self._name = name
        self._parallel = parallel

    def claim(self, alerts: Sequence[Alert]) -> Claim:
        """Log the alerts that are not in the log yet."""
        unique: dict[str, Alert] = {}
        for alert in alerts:
            unique.setdefault(alert.alert_id, alert)
        entries = self._parallel.map(self._log, list(unique.values()))
        return Claim(
            [alert for alert, new in entries if new],
            [alert for alert, _ in entries if alert.published_at is None and alert.not_published is None],
        )

    def mark(self, alert_ids: Sequence[str], published_at: str) -> None:
        """Mark the alerts as published."""

        def update(alert_id: str) -> None:
            self._client.update_item(
                TableName=self._name,
                Key={"alert_id": {"S": alert_id}},
                UpdateExpression="SET published_at = :time",
                ConditionExpression="attribute_exists(alert_id)",
                ExpressionAttributeValues={":time": {"S": published_at}},
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
            response: Mapping[str, Any] = error.response
            return _Entry(read_alert(response["Item"]), new=False)
        return _Entry(alert, new=True)
