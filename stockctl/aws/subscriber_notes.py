"""What has to happen before alerts arrive, told to who subscribes."""

import json

_CONFIRMATION = {
    "email": "SNS has sent {endpoint} a link. Alerts come once it has been followed; after two days without "
    "that, subscribe again.",
    "https": "SNS has sent {endpoint} a message of the type SubscriptionConfirmation. Alerts come once the "
    "endpoint has opened the SubscribeURL in it; after two days without that, subscribe again.",
    "sqs": "The queue is of another account: alerts come once its owner has opened the SubscribeURL in the "
    "message that SNS has put there.",
    "sms": "SNS has asked {endpoint} to confirm.",
}
_SMS = (
    "SMS needs more of the account: a new one is in the SMS sandbox and reaches only numbers that were "
    "verified in the SNS console; the spending limit is $1 a month until AWS raises it; some countries (the "
    "United States among them) demand a registered number or sender ID; and not every region sends SMS."
)
_QUEUE = (
    "Alerts arrive once the queue's policy allows it (below). A queue that is encrypted with a key of your "
    "own needs kms:GenerateDataKey* and kms:Decrypt for sns.amazonaws.com in the key's policy too."
)


def note(protocol: str, endpoint: str, *, pending: bool) -> str:
    """Return what a subscription still needs; empty when it needs nothing."""
    parts = [_CONFIRMATION[protocol].format(endpoint=endpoint)] if pending else []
    parts += {"sms": [_SMS], "sqs": [_QUEUE]}.get(protocol, [])
    return " ".join(parts)


def queue_policy(queue_arn: str, topic_arn: str) -> str:
    """Return the policy, as JSON, that lets the topic and nobody else put messages into the queue."""
    statement = {
        "Sid": "StockAlerts",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
