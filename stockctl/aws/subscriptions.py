"""Who is subscribed to a topic, counted."""

from typing import NamedTuple

from botocore.exceptions import ClientError

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.refused import error_code

PENDING = "PendingConfirmation"


class Census(NamedTuple):
    """How many subscriptions a topic has, and how many of them wait for their confirmation."""

    total: int
    pending: int

    def __str__(self) -> str:
        noun = "subscription" if self.total == 1 else "subscriptions"
        return f"{self.total} {noun}" + (f" ({self.pending} pending)" if self.pending else "")


def census(sns: Client, topic_arn: str) -> Census:
    """Return how many are subscribed; none when there is no such topic.

    Raises:
        AwsError: SNS cannot be asked.
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    with explained():
        try:
            arns = [each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]]
        except ClientError as error:
            if error_code(error) not in ("NotFound", "NotFoundException"):
                raise
            arns = []
    return Census(len(arns), arns.count(PENDING))
