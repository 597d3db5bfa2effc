"""Publishes alerts to an SNS topic."""

from stockctl.backends.aws.client import Client
from stockctl.market.alert import Alert
from stockctl.market.numbers import to_json

_SUBJECTS = {
    "trend_up": "trend turned up",
    "trend_down": "trend turned down",
    "anomaly": "unusual move",
}


class SnsNotifier:
    """Publishes each alert as JSON, with the attributes ``symbol`` and ``kind`` for filters."""

    def __init__(self, client: Client, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def publish(self, alert: Alert) -> None:
        """Publish an alert; return when SNS has accepted the message."""
        self._client.publish(
            TopicArn=self._topic_arn,
            Subject=subject(alert),
            Message=to_json(alert._asdict()),
            MessageAttributes={
                "symbol": {"DataType": "String", "StringValue": alert.symbol},
                "kind": {"DataType": "String", "StringValue": alert.kind},
            },
        )


def subject(alert: Alert) -> str:
    """Return the subject of an email: ASCII, one line, at most 100 characters, as SNS requires."""
    signal = f" ({alert.signal} signal)" if alert.signal else ""
    return f"{alert.symbol}: {_SUBJECTS[alert.kind]}{signal}"
